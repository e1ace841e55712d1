"""`striate examine`: everything Striate can say of a net, on one page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Unpack

from striate.core.codec import Json, from_json, to_json
from striate.core.errors import StriateError
from striate.core.finding import Finding
from striate.core.report import Report
from striate.core.storage import check_place, write_text
from striate.page.payload import Examination

from .options import DataArgument, DataLike, NetArgument, OnData, Option, count, number
from .session import Session, session, shown

if TYPE_CHECKING:
    from striate.attacks.payload import Robustness
    from striate.checks.payload import Checked
    from striate.data.dataset import Dataset
    from striate.inside.payload import Explanation, Filters
    from striate.inside.units.payload import Units
    from striate.measure.table import Table
    from striate.nets.net import Net
    from striate.synthesis.payload import Synthesis
    from striate.training.payload import Training

T = TypeVar("T")
PICTURES = {
    "picture",
    "original",
    "difference",
    "input_picture",
    "least_picture",
    "random_picture",
}  # fields that name a picture of the album
CURVE = (0.125, 0.25, 0.5, 2.0)  # radii of the robustness curve, as shares of the radius asked for
SUSPECTS = 24  # suspect labels with a picture
CHECKED = 40_000  # most images that are checked on the way
LOOKED = 3  # layers whose units are shown
UNITS = 4  # of each
UNIT_IMAGES, UNIT_MACS = 200, 20e9  # images that units are followed on, at most; and multiply-adds of that pass
LABELLED = 40  # images with masks that name what units follow
EXPLAINED = ("gradient", "grad_cam", "occlusion")
LIMITS = (
    "The robust accuracy is an upper bound: a stronger attack may find more.",
    "Maps show what the method computes, not why the net decided; compare several, and see each map's check.",
    "Class images show what raises a score, which need not be what photographs of the class have.",
    "Intervals are for images drawn like these; they say nothing of images from elsewhere.",
)


@dataclass
class Bench:
    """A loaded net and its data on the bench, and what has been gathered for the page so far.

    ``given`` are the data as the caller named them, with all their splits; ``names`` are the net's and the data's, as
    the commands on the page write them.
    """

    run: Session
    given: DataLike
    net: Net
    data: Dataset
    table: Table
    names: tuple[str, str]
    album: dict[str, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    cites: list[str] = field(default_factory=list)

    def part(self, name: str, make: Callable[[], T]) -> T | None:
        """A part of the page; one that this net or these data cannot have is left out, and the page says why."""
        try:
            return make()
        except StriateError as error:
            self.left_out.append(f"{name[:1].upper()}{name[1:]}: {error}.")
            return None

    def keep(self, payload: T, album: Mapping[str, bytes], prefix: str) -> T:
        """The payload with its picture names prefixed, so that parts of one album cannot collide."""
        self.album |= {f"{prefix}{name}": picture for name, picture in album.items()}
        return from_json(_prefixed(to_json(payload), prefix), type(payload))


def examine(
    net: NetArgument,
    data: DataArgument,
    *,
    out: Annotated[str | Path | None, Option("the page", "FILE.html")] = None,
    attacked: Annotated[int, Option("images to attack", "N", parse=lambda text: count(text, "attacked"))] = 200,
    explained: Annotated[int, Option("images to explain", "N", parse=lambda text: count(text, "explained"))] = 6,
    radius: Annotated[float, Option("largest change in the attack, Linf, pixels in [0, 1]", "R", number)] = 8 / 255,
    **shared: Unpack[OnData],
) -> Report[Examination]:
    """Examine a net on one split and write one HTML page that opens from disk without any request.

    Accuracy with intervals, findings with the command to run next, confusion, calibration, mistakes, what it looks at,
    robustness over the radius, class images, first-layer filters, training record, method and limits. The page holds
    the results as JSON too.
    """
    given = {"net": net, "data": data, "out": out, "attacked": attacked, "explained": explained, "radius": radius}
    with session("examine", given, shared, OnData) as run:
        if out is not None:
            check_page(Path(out), overwrite=run["overwrite"])
        loaded = run.net(net)
        images = run.data(data, loaded)
        bench = Bench(run, data, loaded, images, run.table(loaded, images), (str(shown(net)), str(shown(data))))
        bench.findings += training_findings(net)
        report = examine_bench(
            bench, attacked=attacked, explained=explained, radius=radius, record=training_record(net)
        )
        return write_page(report, out, run)


def examine_bench(
    bench: Bench, *, attacked: int, explained: int, radius: float, record: Training | None
) -> Report[Examination]:
    """The examination of what lies on the bench."""
    from striate.measure.findings import evaluation_findings
    from striate.nets.summary import summarise

    from .evaluate import CITES, measured
    from .pictures import confusion_cells, doubts_with_pictures, illustrated

    evaluation = measured(bench.run, bench.given, bench.net, bench.data, bench.table)
    bench.cites += CITES
    found = evaluation_findings(evaluation, net=bench.names[0], data=bench.names[1])
    if bench.run["limit"] is None:  # there are no more images that the same command would take
        found = tuple(replace(each, command="") if each.check == "few-images" else each for each in found)
    bench.findings += found
    evaluation, cells, pictures = confusion_cells(evaluation, bench.data, each=12, most=200)
    evaluation, doubted = doubts_with_pictures(evaluation, bench.data, suspects=SUSPECTS)
    bench.album |= {**pictures, **doubted}
    checked = bench.part("the data", lambda: _checked(bench))
    explanation = bench.part("what it looks at", lambda: _explanation(bench, explained))
    robustness = bench.part("robustness", lambda: _robustness(bench, attacked, radius))
    synthesis = bench.part("class images", lambda: _class_images(bench))
    filters = bench.part("first-layer filters", lambda: _filters(bench))
    units = bench.part("units", lambda: _units(bench))
    summary = bench.part("the net", lambda: summarise(bench.net, size=bench.data.size))
    if record is None:
        bench.left_out.append("Training record: the net does not come from a run folder.")
    examination = Examination(
        net=bench.names[0],
        data=f"{bench.names[1]}, {bench.data.split}",
        evaluation=evaluation,
        checked=checked,
        cells=cells,
        explanation=explanation,
        robustness=robustness,
        synthesis=synthesis,
        filters=filters,
        summary=summary,
        training=record,
        left_out=tuple(bench.left_out),
        limits=LIMITS,
        units=units,
    )
    findings = illustrated(bench.findings, evaluation, robustness)
    return bench.run.report(examination, findings=findings, album=bench.album, cites=bench.cites)


def _checked(bench: Bench) -> Checked:
    """What can be said of the data without training: all splits, where they are not too many images to look at."""
    from striate.checks.check import check_data
    from striate.data.dataset import Dataset

    run = bench.run
    if isinstance(bench.given, Dataset):
        raise StriateError("one split was given, and checks compare the splits of a data set")
    told, data = list(run.findings), run.data_origin
    splits = run.splits(bench.given)
    run.findings, run.data_origin = told, data  # what the check says of broken files is of all splits
    count = sum(map(len, splits))
    if count > CHECKED:
        raise StriateError(f"{count:,} images are more than a page waits for", hint=f"striate check {bench.names[1]}")
    found = check_data(
        splits, name=bench.names[1], learned=False, memory=run["memory"], workers=run["workers"], progress=run.progress
    )
    if run["limit"] is not None:
        bench.left_out.append(f"Checks of the data beyond the first {run['limit']:,} images of each split: --limit.")
    kept = bench.keep(found.result, found.album, "check-")
    bench.findings += [from_json(_prefixed(to_json(each), "check-"), Finding) for each in found.findings]
    bench.cites += found.cites
    return kept


def _explanation(bench: Bench, most: int) -> Explanation:
    from striate.inside.attribution import METHODS
    from striate.inside.explain import explain
    from striate.inside.findings import explanation_findings

    data, run = bench.data, bench.run
    rows = telling_rows(bench.table, most)
    images = data.images(rows).to(next(bench.net.parameters()).device)
    labels = [f"{data.name_of(row)} ({data.classes[int(data.labels[row])]})" for row in rows]
    result, album, _ = explain(
        bench.net,
        images,
        labels,
        methods=EXPLAINED,
        keep_values=False,
        memory=run["memory"],
        progress=run.progress,
    )
    kept = bench.keep(result, album, "explain-")
    bench.findings += explanation_findings(kept, net=bench.names[0])
    bench.cites += [key for name in EXPLAINED for key in METHODS[name].cites]
    return kept


def telling_rows(table: Table, most: int) -> list[int]:
    """Rows worth looking into: the surest mistakes and the surest hits of different classes, half and half."""
    order = table.confidence.argsort(descending=True, stable=True).tolist()
    wrong = [row for row in order if not bool(table.correct[row])][: most // 2]
    right: list[int] = []
    seen: set[int] = set()
    for row in order:
        label = int(table.labels[row])
        if bool(table.correct[row]) and label not in seen and len(right) < most - len(wrong):
            right.append(row)
            seen.add(label)
    return right + wrong


def _robustness(bench: Bench, most: int, radius: float) -> Robustness:
    from striate.attacks.catalog import METHODS
    from striate.attacks.findings import attack_findings
    from striate.attacks.run import attack_data

    run = bench.run
    few = bench.data.limit(most)
    result, album = attack_data(
        bench.net,
        few,
        bench.table.take(range(len(few))),
        method="pgd",
        norm=math.inf,
        radius=radius,
        radii=tuple(radius * share for share in CURVE),
        seed=run["seed"],
        memory=run["memory"],
        progress=run.progress,
    )
    kept = bench.keep(result, album, "attack-")
    bench.findings += attack_findings(kept, net=bench.names[0], data=bench.names[1])
    bench.cites += METHODS["pgd"].cites
    return kept


def _class_images(bench: Bench) -> Synthesis:
    from striate.synthesis.made import told
    from striate.synthesis.visualise import class_images
    from striate.synthesis.watch import Watch

    targets = list(range(min(10, len(bench.net.classes))))
    run = bench.run
    made = class_images(bench.net, targets, steps=96, seed=run["seed"], size=bench.data.size, watch=Watch(run.progress))
    result, album = told(made, bench.net, kind="class", memory=run["memory"])
    bench.cites += made.cites
    return bench.keep(result, album, "class-")


def _filters(bench: Bench) -> Filters | None:
    from striate.inside.filters import filter_pictures

    result, album = filter_pictures(bench.net)
    bench.album |= album
    return result


def _units(bench: Bench) -> Units:
    """A few units of a few layers on a few images: what a page waits a few seconds for."""
    from striate.inside.units.evidence import with_labels
    from striate.inside.units.layers import unit_layers
    from striate.inside.units.watch import watch_units
    from striate.nets.stages import spread

    data, net, run = bench.data, bench.net, bench.run
    data.ready()
    size = data.size or net.a_size()
    macs = sum(site.macs for site in net.sites(size))
    few = data.limit(max(8, min(UNIT_IMAGES, int(UNIT_MACS / max(1, macs)))))
    layers = spread([layer.name for layer in unit_layers(net, size)], LOOKED)
    result, album = watch_units(
        net, few, layers=layers, listed=UNITS, controls=2, seed=run["seed"], memory=run["memory"],
        workers=run["workers"], filters=False, progress=run.progress,
    )  # fmt: skip
    bench.cites += ["zeiler2014visualizing", "araujo2019computing", "luo2016understanding"]
    with suppress(StriateError):  # most data that a net classifies have no masks, and their units no labels
        shown_on = data.limit(min(len(few), LABELLED))
        result = with_labels(
            result, net, shown_on, name=bench.names[0], all_units=False, seed=run["seed"], memory=run["memory"]
        )
        bench.cites += ["zhou2015object", "bau2017network"]
    return bench.keep(result, album, "units-")


def _prefixed(value: Json, prefix: str) -> Json:
    if isinstance(value, dict):
        return {
            key: f"{prefix}{item}" if key in PICTURES and item else _prefixed(item, prefix)
            for key, item in value.items()
        }
    return [_prefixed(item, prefix) for item in value] if isinstance(value, list) else value


def training_record(net: Any) -> Training | None:
    """The record of a run folder; None for any other net."""
    if isinstance(net, (str, Path)) and (Path(net) / "run.json").is_file():
        from striate.training.run import read_run

        return replace(read_run(Path(net)), run=str(shown(net)))
    return None


def training_findings(net: Any) -> list[Finding]:
    """What the doctor saw while a run folder's net was trained, as it is kept there; nothing for any other net."""
    from striate.doctor.runs import kept_in, ordered

    kept = kept_in(Path(net)) if isinstance(net, (str, Path)) and (Path(net) / "run.json").is_file() else None
    return [] if kept is None else ordered(kept)


def check_page(path: Path, *, overwrite: bool) -> None:
    """Whether the page can be written there, asked before any work is done."""
    if path.is_dir():
        raise StriateError(f"{path} is a folder", accepted="a file name such as report.html")
    if path.exists() and not overwrite:
        raise StriateError(f"{path} is there already", hint="--overwrite, or another --out")
    check_place(path)


def write_page(report: Report[Examination], out: str | Path | None, run: Session) -> Report[Examination]:
    """Write the page, if a place is given, and name it in the report."""
    if out is None:
        return report
    from striate.page.html import render_page

    path = Path(out)
    report = replace(report, files={**report.files, "page": path.name})
    write_text(path, render_page(report))
    run.progress.say(f"page: {path}")
    return report
