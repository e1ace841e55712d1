"""The page of a learning curve: errors by size, the gaps, what more data should buy."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.number import Number
from striate.core.report import Report
from striate.learn.curves.levers import mean_of
from striate.learn.curves.payload import Grown, LearningCurve

from . import record
from .charts import Level, Series
from .format import count, named, points, shown, value_of
from .log_charts import log_chart
from .outline import Outline
from .section import Section
from .verdict import Headline, tally

ERRORS = ("train", "train_dev", "dev", "test")
NAMES = {"train": "train", "train_dev": "train-dev", "dev": "dev", "test": "test"}
LEVERS = {
    "bias": "bias",
    "variance": "variance",
    "mismatch": "a mismatch of sources",
    "overfitted_dev": "a dev split used too often",
}


def outline(report: Report[LearningCurve]) -> Outline:
    """What a learning curve puts on its page."""
    result = report.result
    last = at_size(result, max(point.size for point in result.points))
    figures = [Headline("", f"{NAMES[name]} error", mean_of(found)) for name, found in last if found]
    if result.human is not None:
        figures.insert(0, Headline("", "human error", Number(result.human, why="told by the user")))
    if result.law.exponent.value is not None:
        figures.append(Headline("", "exponent of the power law", result.law.exponent, percent=False))
        figures.append(Headline("", "error that more data leaves", result.law.floor))
    return Outline(
        subject=f"{named(result.net)} on more and more data",
        other=result.data,
        lead=f"{curve_claim(result)} {tally(report.findings)}",
        headlines=tuple(figures[:7]),
        pictures=(),
        sections=lambda _shelf, dropped: _sections(report, dropped),
    )


def at_size(result: LearningCurve, size: int) -> list[tuple[str, list[Number]]]:
    """The errors at one size, each over its seeds."""
    rows = [point for point in result.points if point.size == size]
    return [(name, [error for row in rows if (error := getattr(row, name)) is not None]) for name in ERRORS]


def curve_claim(result: LearningCurve) -> str:
    """How the error falls, and which lever is next."""
    sizes = sorted({point.size for point in result.points})
    ends = [mean_of([point.test for point in result.points if point.size == size]) for size in (sizes[0], sizes[-1])]
    fell = f"From {count(sizes[0], 'image')} to {sizes[-1]:,} the test error goes from "
    claim = f"{fell}{value_of(ends[0], percent=True)} to {value_of(ends[1], percent=True)}."
    if len(sizes) == 1:
        claim = f"With {count(sizes[0], 'training image')} the test error is {value_of(ends[0], percent=True)}."
    return f"{claim} {lever_words(result)}"


def lever_words(result: LearningCurve) -> str:
    """The lever in a sentence."""
    if result.lever == "none":
        return "No gap between the errors is clear."
    return f"The widest gap is {LEVERS[result.lever]}."


def _sections(report: Report[LearningCurve], dropped: str) -> tuple[Section, ...]:
    result = report.result
    passes = {point.epochs for point in result.points}
    limits = [
        f"Every run makes {count(min(passes), 'pass', 'passes')} over its images, so smaller sizes make fewer steps; "
        "dev chooses the epoch."
        if len(passes) == 1
        else "Every run has the recipe's budget of images seen, so smaller sizes make more epochs; dev chooses the "
        "epoch.",
        "The forecast holds for more data of the same kind, the same net and the same recipe.",
    ]
    if len({point.seed for point in result.points}) == 1:
        limits.append("One run a size: how far another seed would move the points is not shown.")
    found = (
        _errors(result),
        _gaps(result),
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def _errors(result: LearningCurve) -> Section:
    sizes = sorted({point.size for point in result.points})
    series = []
    for name in ("test", "dev", "train_dev", "train"):
        measured = [(size, dict(at_size(result, size))[name]) for size in sizes]
        if all(found for _, found in measured):
            series.append(Series(NAMES[name], tuple((float(size), points(mean_of(found))) for size, found in measured)))
    if result.law.forecasts:
        told = tuple((float(each.size), points(each.error)) for each in result.law.forecasts)
        series.append(Series("power law", told))
    levels = [Level(100 * result.human, "human")] if result.human is not None else []
    title = _course(result, sizes)
    chart = log_chart(
        title, series, key="errors", x="training images", y="error, %", log_x=True, log_y=False, levels=levels
    )
    heads, rows = error_table(result.points)
    return Section("grown", "Errors", curve_claim(result), {"chart": chart, "heads": heads, "rows": rows})


def _course(result: LearningCurve, sizes: Sequence[int]) -> str:
    """What the test error does from the smallest to the largest size, as far as the images can tell."""
    if len(sizes) == 1:
        return "Errors at one size"
    first, last = (mean_of(dict(at_size(result, size))["test"]) for size in (sizes[0], sizes[-1]))
    if first.low is None or last.low is None or first.high is None or last.high is None:
        return "Errors by the size of the data"
    if last.high < first.low:
        return "Error falls with the size of the data"
    return "Error grows with the size of the data" if last.low > first.high else "Error hardly moves with the data"


def error_table(grown: Sequence[Grown]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The names of the errors that a run has, and one row a run with them."""
    there = [name for name in ERRORS if any(getattr(point, name) is not None for point in grown)]
    rows = [
        (
            f"{point.size:,}",
            str(point.seed),
            str(point.epochs),
            *("-" if (error := getattr(point, name)) is None else shown(error, percent=True) for name in there),
        )
        for point in grown
    ]
    return tuple(NAMES[name] for name in there), rows


def _gaps(result: LearningCurve) -> Section:
    measured = max(point.size for point in result.points)
    ahead = [
        (f"{each.size:,}", shown(each.error, percent=True)) for each in result.law.forecasts if each.size > measured
    ]
    rows = [(gap.words, gap) for gap in result.gaps]
    content = {"rows": rows, "ahead": ahead, "why": result.law.why}
    why = f"{result.law.why}." if result.law.why and not ahead else ""
    return Section("gaps", "Gaps", f"{lever_words(result)} {why}".strip(), content)
