"""The page of a transfer: the advice, what else was measured on the same images, the few-shot curve, the run."""

from __future__ import annotations

from striate.core.report import Report
from striate.learn.transfer.payload import FewShot, Transfer

from . import record
from .charts import Axis, Bar, Chart, Level, Series, bar_chart, line_chart
from .format import count, fixed, named, points, shown, value_of
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline, tally

LABELS = {"codes": "the net's code", "hog": "HOG", "pixels": "pixels", "words": "visual words"}
PLAIN = frozenset({"hog", "pixels", "words"})  # rows that need no net
RULE = (
    "Fewer than 20 images a class: a linear classifier of the codes. Fewer than 200: the same where the code parts the "
    "classes (similarity at least .5), else the last blocks. Fewer than 2,000: the last blocks, or where the classes "
    "are far every layer. Beyond: every layer. These thresholds are advice, not law."
)


def outline(report: Report[Transfer]) -> Outline:
    """What a transfer puts on its page."""
    result = report.result
    return Outline(
        subject=named(result.net),
        other=f"{named(result.data)}, {count(len(result.classes), 'class', 'classes')}",
        lead=f"{claim_of(result)} {tally(report.findings)}",
        headlines=_headlines(result),
        pictures=(),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def claim_of(result: Transfer) -> str:
    """What was done, and how good it is, in a sentence."""
    return (
        f"With a new last layer ({result.policy}) the net has {value_of(result.accuracy, percent=True)} of "
        f"{count(result.accuracy.n or 0, 'test image')} right."
    )


def advice_words(result: Transfer) -> str:
    """The policy, and whether it is the advice."""
    advice = result.advice
    taken = "as advised" if advice.policy == result.policy else f"as asked for; the advice is {advice.policy}"
    return f"Policy {result.policy}, {taken}: {advice.why}."


def _headlines(result: Transfer) -> tuple[Headline, ...]:
    found = [Headline("accuracy", "test images right", result.accuracy, level=result.chance)]
    found += [
        Headline("", f"{LABELS.get(row.name, row.name)}, linear", row.accuracy, level=result.chance)
        for row in result.rows
        if row.name in PLAIN
    ]
    found.append(Headline("", "training images right, each left out", result.advice.separable))
    return tuple(found)


def _sections(report: Report[Transfer], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    del shelf
    result = report.result
    found = (
        Section("advice", "Advice", advice_words(result), {
            "result": result, "rule": RULE, "similarity": fixed(result.advice.similarity, 2),
            "images": fixed(result.advice.images, 1),
        }),
        Section("policies", "Measured", _policies_claim(result), {"chart": _bars(result), "rows": result.rows}),
        _few_section(result.few_shot),
        record.method_section(report, dropped, limits=_limits(result), left_out=()),
        record.citations_section(report.origin),
    )  # fmt: skip
    return tuple(section for section in found if section is not None)


def _policies_claim(result: Transfer) -> str:
    plain = [row for row in result.rows if row.name in PLAIN]
    if not plain:
        return f"{value_of(result.accuracy, percent=True)} of the test images are right."
    best = max(plain, key=lambda row: row.dev.value or 0.0)
    gap = shown(points(best.difference))
    return (
        f"The net has {gap} points more of the test images right than {LABELS[best.name]} with a linear classifier, "
        "the best on dev of what needs no net."
    )


def _bars(result: Transfer) -> Chart:
    bars = [Bar(LABELS.get(row.name, row.name), row.accuracy, row.chosen) for row in result.rows]
    return bar_chart(
        f"{result.policy}: {value_of(result.accuracy, percent=True)} of the test images right",
        bars,
        key="policies",
        axis=Axis("right, %", 0, 1, percent=True),
        levels=[Level(result.chance, "largest class")],
        name="classifier",
    )


def _few_section(found: FewShot | None) -> Section | None:
    if found is None:
        return None
    series = [
        Series(LABELS[line.name], tuple((float(at), one) for at, one in zip(found.shots, line.accuracy, strict=True)))
        for line in found.lines
    ]
    first, hog = found.lines[0], found.lines[1]
    claim = (
        f"With {count(found.shots[0], 'image')} a class the net's code has "
        f"{value_of(first.accuracy[0], percent=True)} right, HOG {value_of(hog.accuracy[0], percent=True)}; with "
        f"{found.shots[-1]}, {value_of(first.accuracy[-1], percent=True)} and "
        f"{value_of(hog.accuracy[-1], percent=True)}."
    )
    chart = line_chart(
        "Accuracy by training images a class",
        series,
        key="few-shot",
        x=Axis("training images a class", 0),
        y=Axis("right, %", 0, 1, percent=True),
    )
    rows = [
        (LABELS[line.name], number, line.accuracy[at], points(line.over[at]) if line.over else None)
        for line in found.lines
        for at, number in enumerate(found.shots)
    ]
    return Section("few-shot", "Few images", claim, {"chart": chart, "rows": rows, "draws": found.draws, "n": found.n})


def _limits(result: Transfer) -> list[str]:
    limits = [
        "Intervals of accuracy are of the test images alone: another division, or other training images, would move "
        "the figures too.",
        "Strengths of the linear classifiers, and the epoch of what was trained, were chosen on dev; nothing was "
        "chosen on test.",
    ]
    if result.images[2] < 100:
        limits.append(f"{count(result.images[2], 'test image')} tell apart only what differs much.")
    if result.few_shot is not None:
        limits.append("The few-shot draws all meet the same test images: their intervals leave that chance out.")
    return limits
