"""Sections on how it came about: the training record, the net, method and limits, citations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from striate.core.cite import citations
from striate.core.number import Number
from striate.core.report import Cost, Origin, Report
from striate.nets.payload import Field, Summary
from striate.training.payload import Epoch, Training

from .charts import Axis, Chart, Series, line_chart, sparkline
from .format import bytes_of, count, fixed, large, named, seconds, value_of
from .section import Section


def training_section(training: Training | None) -> Section | None:
    """Loss and accuracy over the epochs."""
    if training is None or not training.history:
        return None
    shares = all(each.dev_accuracy is not None for each in training.history)
    content: dict[str, Any] = {"training": training, "charts": [], "spark": "", "shares": shares}
    if len(training.history) > 1:
        content["charts"] = [*([_accuracies(training)] if shares else []), _losses(training)]
        content["spark"] = sparkline([epoch.rate for epoch in training.history])
    return Section("training", "Training", training_claim(training), content)


def training_claim(training: Training) -> str:
    """Which epoch is best, how good, and whether the run was done."""
    best = training.best
    share = "accuracy" in best.metric
    reached = value_of(best.value, percent=share)
    what = best.metric.replace("_", " ")
    claim = f"Its weights are those of epoch {best.epoch} of {training.epochs}, the best by {what}: {reached}."
    last = training.history[-1]
    gap = 100 * ((last.train_accuracy or 0.0) - (last.dev_accuracy or 0.0))  # a task without accuracy has no gap
    if gap >= 5:
        claim += f" In the last epoch it is {fixed(gap, 1)} points better on the images it trained on."
    return claim if training.complete else f"{claim} The run was stopped before its end."


def _accuracies(training: Training) -> Chart:
    history, best = training.history, training.best
    at_best = next((each for each in history if each.epoch == best.epoch), history[-1])
    value = Number(at_best.dev_accuracy, why="the task has none" if at_best.dev_accuracy is None else "")
    return line_chart(
        f"Dev accuracy is {value_of(value, percent=True)} at epoch {at_best.epoch}",
        [
            Series("dev", _points(history, "dev_accuracy")),
            Series("train", _points(history, "train_accuracy")),
        ],
        key="training-accuracy",
        x=Axis("epoch"),
        y=Axis("accuracy, %", percent=True, high=1.0),
        mark=(at_best.epoch, value, value_of(value, percent=True)),
    )


def _points(history: Sequence[Epoch], name: str) -> tuple[tuple[float, Number], ...]:
    """A column of the history by epoch, where there is a number."""
    return tuple((each.epoch, Number.of(value)) for each in history if (value := getattr(each, name)) is not None)


def _losses(training: Training) -> Chart:
    history = training.history
    lowest = min(history, key=lambda each: each.dev_loss)
    return line_chart(
        f"Dev loss is lowest, {fixed(lowest.dev_loss, 3)}, at epoch {lowest.epoch}",
        [
            Series("dev", _points(history, "dev_loss")),
            Series("train", _points(history, "train_loss")),
        ],
        key="training-loss",
        x=Axis("epoch"),
        y=Axis("loss, nats" if training.task == "classify" else "loss", 0),
        mark=(lowest.epoch, Number(lowest.dev_loss), fixed(lowest.dev_loss, 3)),
    )


def net_section(summary: Summary | None) -> Section | None:
    """What the net executes."""
    if summary is None or not summary.sites:
        return None
    totals, (height, width) = summary.totals, summary.size
    claim = (
        f"{named(summary.name)} has {count(totals.parameters, 'weight')} and takes {large(totals.macs)} multiply-adds "
        f"for an image of {height} by {width} pixels, in {count(len(summary.sites), 'operation')}."
    )
    rows = [
        (
            site.name,
            site.op,
            " × ".join(map(str, site.shape)),
            site.parameters,
            site.macs,
            field_text(site.receptive_field),
        )
        for site in summary.sites
    ]
    return Section("net", "The net", claim, {"summary": summary, "rows": rows, "size": f"{height} by {width}"})


def field_text(field: tuple[Field, Field] | None) -> str:
    """A receptive field in words: ``"7"``, ``"7 × 5"`` where the axes differ, ``"all"`` where it is no window."""
    if field is None:
        return "all"
    down, across = field
    return str(down.size) if down.size == across.size else f"{down.size} × {across.size}"


def method_section(
    report: Report[Any], dropped: str, *, limits: Sequence[str] = (), left_out: Sequence[str] = ()
) -> Section:
    """How it was made: the exact command, what took part, limits, what is left out and why."""
    origin, cost = report.origin, report.cost
    parts = ["All of this comes from one command"]
    if cost.seconds:
        parts.append(f", in {seconds(cost.seconds)}")
    if origin.seed is not None:
        parts.append(f"; with seed {origin.seed} it can be made again")
    content = {
        "command": origin.command or f"striate {report.verb}",
        "rows": origin_rows(origin, cost),
        "limits": limits,
        "left_out": [*left_out, *([dropped] if dropped else [])],
    }
    return Section("method", "Method", "".join(parts) + ".", content)


def origin_rows(origin: Origin, cost: Cost) -> list[tuple[str, str]]:
    """Where a result comes from, as (what, value); what is unknown is left out."""
    rows = [
        ("made", origin.time.replace("T", " ").replace("+00:00", " UTC")),
        ("net", _described(origin.net)),
        ("data", _described(origin.data)),
        ("versions", ", ".join(f"{name} {version}" for name, version in origin.versions.items())),
        ("device", f"{origin.device}, {count(origin.threads, 'thread')}" if origin.threads else origin.device),
        ("arithmetic", ", ".join(part for part in (origin.precision, origin.memory_format.replace("_", " ")) if part)),
        ("passes of single images", f"{cost.forward:,} forward, {cost.backward:,} backward" if cost.forward else ""),
        ("time", seconds(cost.seconds) if cost.seconds else ""),
        ("peak memory", bytes_of(cost.peak_bytes) if cost.peak_bytes else ""),
    ]
    return [(what, value) for what, value in rows if value]


def citations_section(origin: Origin) -> Section | None:
    """The papers and data sets that took part, with BibTeX."""
    known = citations()
    cited = [known[key] for key in dict.fromkeys(origin.cites) if key in known]
    if not cited:
        return None
    claim = f"It stands on {count(len(cited), 'published work')}, to be cited with it."
    text = "\n\n".join(each.bibtex for each in cited)
    return Section("citations", "Citations", claim, {"cited": cited, "bibtex": text})


def _described(part: Mapping[str, Any] | None) -> str:
    if not part:
        return ""
    words = {"n": "images", "fingerprint": "hash"}
    told = [
        f"{value:,} images"
        if key == "n" and isinstance(value, int)
        else f"{words.get(key, key)} {value}"
        if key != "name"
        else str(value)
        for key, value in part.items()
        if value not in (None, "")
    ]
    return ", ".join(told)
