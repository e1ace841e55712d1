"""The page of transfer by layer: accuracy by the cut, four ways to join two nets."""

from __future__ import annotations

from striate.core.report import Report
from striate.learn.transfer.payload import ByLayer

from . import record
from .charts import Axis, Chart, Level, Series, line_chart
from .format import count, named, points, value_of
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline, tally

WAYS = {
    "AnB": "first layers of A kept, new ones behind them trained on B",
    "AnB+": "the same, and A's layers learn on",
    "BnB": "first layers of the net of B kept, new ones behind them",
    "BnB+": "the same, and all learn on",
}


def outline(report: Report[ByLayer]) -> Outline:
    """What it puts on its page."""
    result = report.result
    return Outline(
        subject=named(result.net),
        other=f"{named(result.data)}, {len(result.first)} and {len(result.second)} classes",
        lead=f"{claim_of(result)} {tally(report.findings)}",
        headlines=(
            Headline("accuracy", "B, trained on B alone", result.base, level=result.chance),
            Headline("", f"A{result.cuts[-1]}B, kept", result.of("AnB").accuracy[-1], level=result.chance),
            Headline("", f"A{result.cuts[-1]}B+, learning on", result.of("AnB+").accuracy[-1], level=result.chance),
        ),
        pictures=(),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def claim_of(result: ByLayer) -> str:
    """What keeping the most layers costs, in a sentence."""
    kept, last = result.of("AnB"), result.cuts[-1]
    return (
        f"With the first {count(last, 'block')} of a net of other classes kept, "
        f"{value_of(kept.accuracy[-1], percent=True)} of the test images are right; with one, "
        f"{value_of(kept.accuracy[0], percent=True)}; a net of these classes alone has "
        f"{value_of(result.base, percent=True)}."
    )


def _sections(report: Report[ByLayer], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    del shelf
    result = report.result
    rows = [
        (line.name.replace("n", str(cut)), result.layers[cut - 1], line.accuracy[at], points(line.over[at]))
        for line in result.lines
        for at, cut in enumerate(result.cuts)
    ]
    content = {"chart": _chart(result), "rows": rows, "result": result, "ways": WAYS}
    found = (
        Section("by-layer", "By layer", claim_of(result), content),
        record.method_section(report, dropped, limits=_limits(result), left_out=()),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def _chart(result: ByLayer) -> Chart:
    order = [result.of(name) for name in WAYS]
    series = [
        Series(line.name, tuple((float(cut), one) for cut, one in zip(result.cuts, line.accuracy, strict=True)))
        for line in order
    ]
    return line_chart(
        "Accuracy on B by the number of blocks taken from another net",
        series,
        key="by-layer",
        x=Axis("blocks before the cut", 1),
        y=Axis("right, %", percent=True),
        levels=[Level(float(result.base), "B")],
        x_names=[f"{cut}" for cut in result.cuts],
    )


def _limits(result: ByLayer) -> list[str]:
    seeds = len(result.seeds)
    limits = [
        f"Intervals are Student's over {count(seeds, 'seed')}, of starting weights and orders; the classes are always "
        "divided in the same way, by their order.",
        "The epoch of each run was chosen on dev; nothing was chosen on test.",
    ]
    if seeds < 3:
        limits.append("So few seeds say little about the spread.")
    return limits
