"""The page of compared nets: who is better beyond chance, at what cost, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Callable

from striate.core.number import Number
from striate.core.report import Report
from striate.measure.compared import ComparedNet, Comparison, Disagreement

from . import record
from .charts import Axis, Chart, Point, scatter
from .format import count, named, shown, value_of
from .outline import Outline
from .pictures import Shelf
from .section import Figure, Section
from .verdict import Headline, tally

FIRST = 24
MOST_HEADLINES = 7


def outline(report: Report[Comparison]) -> Outline:
    """What a comparison puts on its page."""
    result = report.result
    names = " and ".join(named(each.name, 40) for each in result.nets[:3])
    more = f" and {len(result.nets) - 3} more" if len(result.nets) > 3 else ""
    return Outline(
        subject=f"{names}{more}",
        other=result.data[0] if result.data else "",
        lead=f"{comparison_claim(result)} {tally(report.findings)}",
        headlines=tuple(
            Headline("accuracy", named(each.name, 30), each.accuracy, note=count(each.n, "image"))
            for each in result.nets[:MOST_HEADLINES]
        ),
        pictures=tuple(each.picture for each in result.disagreements if each.picture),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def comparison_claim(result: Comparison) -> str:
    """Which is best, and whether the tests say so too."""
    known = [each for each in result.nets if each.accuracy.value is not None]
    if not known:
        return "Nothing was measured."
    best = max(known, key=lambda each: float(each.accuracy))
    beaten = [pair for pair in result.pairs if pair.better == best.name]
    reached = shown(best.accuracy, percent=True)
    if result.pairs and len(beaten) == len(known) - 1:
        return f"{named(best.name)} is better than every other beyond chance: {reached} right."
    if result.pairs:
        return f"{named(best.name)} has most images right, {reached}, not beyond chance against all others."
    return f"{named(best.name)} has most images right, {reached}."


def _sections(report: Report[Comparison], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        nets_section(result),
        pairs_section(result),
        differences_section(result),
        disagreements_section(result, shelf),
        record.method_section(report, dropped, limits=[result.note] if result.note else []),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def nets_section(result: Comparison) -> Section | None:
    """Accuracy over what each net costs."""
    charts = [
        chart
        for chart in (
            _scatter(result, "parameters", "millions of weights", lambda each: _millions(each.parameters)),
            _scatter(result, "macs", "millions of multiply-adds an image", lambda each: _millions(each.macs)),
            _scatter(result, "time", "ms an image, alone", _milliseconds),
        )
        if chart is not None
    ]
    content = {"rows": result.nets, "charts": charts, "device": result.device, "rounds": result.rounds}
    return Section("nets", "Nets", comparison_claim(result), content)


def _scatter(result: Comparison, key: str, what: str, of: Callable[[ComparedNet], float | None]) -> Chart | None:
    points = [Point(named(each.name, 30), at, each.accuracy) for each in result.nets if (at := of(each)) is not None]
    points = [each for each in points if each.y.value is not None]
    if len(points) < 2:
        return None
    best = max(points, key=lambda each: float(each.y))
    title = f"{best.label} is best, at {value_of(best.x)} {what.split(',', maxsplit=1)[0]}"
    return scatter(title, points, key=key, x=Axis(what, 0), y=Axis("accuracy, %", percent=True), name="net")


def _millions(value: int | None) -> float | None:
    return None if value is None else value / 1e6


def _milliseconds(each: ComparedNet) -> float | None:
    return None if each.single is None else each.single.milliseconds.value


def pairs_section(result: Comparison) -> Section | None:
    """Every two nets on the same images."""
    if not result.pairs:
        return None
    clear = sum(bool(pair.better) for pair in result.pairs)
    some, every = result.at_least_one, result.all_right
    claim = f"{clear} of {count(len(result.pairs), 'pair')} {'differs' if clear == 1 else 'differ'} beyond chance."
    if some is not None and every is not None and some.value is not None:
        claim += (
            f" All are right on {value_of(every, percent=True)} of the images, some net on "
            f"{value_of(some, percent=True)}."
        )
    return Section("pairs", "Pairs", claim, {"rows": result.pairs})


def differences_section(result: Comparison) -> Section | None:
    """Figures of the second report against the first."""
    if not result.differences:
        return None
    clear = sum(each.clear for each in result.differences)
    claim = f"{clear} of {count(len(result.differences), 'figure')} changed beyond chance."
    return Section("differences", "Differences", claim, {"rows": result.differences})


def disagreements_section(result: Comparison, shelf: Shelf) -> Section | None:
    """Images that some nets have right and others wrong."""
    figures = []
    for each in result.disagreements:
        picture = shelf.show(each.picture, f"{each.name}, a {each.label}") if each.picture else None
        if picture is not None:
            figures.append(Figure(picture, _lines(result, each)))
    if not figures:
        return None
    claim = f"They contradict each other on these images; {count(len(result.disagreements), 'image')} are listed."
    return Section("disagreements", "Disagreements", claim, {"figures": figures, "first": FIRST})


def _lines(result: Comparison, each: Disagreement) -> tuple[tuple[str, str], ...]:
    said = tuple(
        (named(net.name, 20), f"{word} {value_of(Number.of(sure), percent=True)}{'' if right else ', wrong'}")
        for net, word, sure, right in zip(result.nets, each.said, each.confidence, each.right, strict=True)
    )
    return (("is", each.label), *said, ("", each.name))
