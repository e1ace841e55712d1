"""The page of an ablation: which units or layers a net cannot do without, and what falls with them."""

from __future__ import annotations

from dataclasses import replace

from striate.core.number import Number
from striate.core.report import Report
from striate.inside.ablation.payload import Ablation, Curve, Effect, Removal, Variant

from . import record
from .charts import Axis, Bar, Chart, Level, Series, bar_chart, line_chart
from .format import count, fixed, named, points, value_of
from .outline import Outline
from .section import Section, class_name, number_of
from .verdict import Headline, tally

MOST_BARS = 20
MOST_ROWS = 256
ORDERS = {"harm": "most harm first", "size": "largest first", "random": "at random"}
INSTEAD = {
    "zero": "Zero stands in the place of what is switched off.",
    "mean": "The mean over the data stands in the place of what is switched off.",
    "resample": "The values on another image of the data stand in the place of what is switched off.",
}


def outline(report: Report[Ablation]) -> Outline:
    """What an ablation puts on its page."""
    result = report.result
    net, data = (str((part or {}).get("name", "")) for part in (report.origin.net, report.origin.data))
    return Outline(
        subject=f"{net} without {'units of ' + result.site if result.site else 'layers'}",
        other=data,
        lead=f"{ablation_claim(result)} {tally(report.findings)}",
        headlines=tuple(_headlines(result)),
        pictures=(),
        sections=lambda _shelf, dropped: _sections(report, dropped),
    )


def name_of(effect: Effect, *, layers: bool) -> str:
    """What was switched off, in words."""
    if layers or not effect.units:
        return effect.site
    return f"unit {effect.units[0]}" if len(effect.units) == 1 else f"units {'+'.join(map(str, effect.units))}"


def by_harm(result: Ablation) -> list[Effect]:
    """The effects, the most harmful first; ties go by loss."""
    return sorted(result.effects, key=lambda one: (number_of(one.change), -float(one.loss)))


def lost(effect: Effect) -> Number:
    """Accuracy lost, with its interval."""
    change = effect.change
    low = None if change.high is None else -change.high
    high = None if change.low is None else -change.low
    return replace(change, value=-number_of(change), low=low, high=high)


def ablation_claim(result: Ablation) -> str:
    """Which one costs most, and what all together do."""
    if not result.effects:
        return "Nothing was switched off."
    worst = by_harm(result)[0]
    name = name_of(worst, layers=not result.site)
    down = number_of(lost(worst))
    claim = f"No {'unit' if result.site else 'layer'} costs a verdict when it is switched off alone."
    if down > 0:
        share = f"{fixed(100 * down, 1)} points of {value_of(result.baseline, percent=True)}"
        claim = f"Without {name} the net loses most: {share}."
        if (worst.change.high or 0.0) >= 0 and len(result.effects) > 1:
            kind = "unit" if result.site else "layer"
            claim = f"No {kind} alone costs more than chance may: at most {share} ({name})."
    if result.whole is not None and result.whole.accuracy.value is not None:
        claim += f" Without the whole layer {value_of(result.whole.accuracy, percent=True)} stay right."
    return claim


def _headlines(result: Ablation) -> list[Headline]:
    figures = [Headline("accuracy", "accuracy of the net as it is", result.baseline, note=count(result.n, "image"))]
    if result.effects:
        order = by_harm(result)
        kind = "unit" if result.site else "layer"
        figures.append(Headline("", f"without {name_of(order[0], layers=not result.site)}", order[0].accuracy))
        middle = order[len(order) // 2]
        figures.append(Headline("", f"without the median {kind}", middle.accuracy))
        none = Number(float(sum(number_of(one.change) == 0 for one in order)), n=len(order), why="counted")
        words = f"{kind}s without which accuracy is the same"
        figures.append(Headline("", words, none, percent=False, note=f"of {len(order):,}"))
    if result.whole is not None:
        figures.append(Headline("", "without the whole layer", result.whole.accuracy))
    return figures


def _sections(report: Report[Ablation], dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        effects_section(result),
        curves_section(result),
        record.method_section(
            report,
            dropped,
            limits=[
                INSTEAD[result.how],
                "Intervals are paired: the same images before and after. A unit alone may be spared because others "
                "do the same; the net was not trained again.",
            ],
        ),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def effects_section(result: Ablation) -> Section | None:
    """Each unit or layer switched off alone."""
    if not result.effects:
        return None
    layers, order = not result.site, by_harm(result)
    worst = order[0]
    if layers:
        bars = [
            Bar(name_of(one, layers=True), one.accuracy, marked=one is worst) for one in result.effects[: 3 * MOST_BARS]
        ]
        chart = bar_chart(
            f"Without {worst.site}, {value_of(worst.accuracy, percent=True)} stay right",
            bars,
            key="ablated",
            axis=Axis("accuracy without the layer, %", 0, 1, percent=True),
            levels=[Level(number_of(result.baseline), "whole net")],
            name="layer",
            room=172,
        )
    else:
        bars = [Bar(name_of(one, layers=False), points(lost(one)), marked=one is worst) for one in order[:MOST_BARS]]
        chart = bar_chart(
            f"Without {name_of(worst, layers=False)}, {fixed(100 * number_of(lost(worst)), 1)} points are lost",
            bars,
            key="ablated",
            axis=Axis("accuracy lost, points"),
            name="unit",
        )
    listed = result.effects if layers else order
    rows = [(name_of(one, layers=layers), one, *hit_most(one, result)) for one in listed[:MOST_ROWS]]
    left = len(listed) - len(rows)
    head = "layer" if layers else "unit"
    claim = ablation_claim(replace(result, whole=None))
    return Section("ablated", "Effects", claim, {"chart": chart, "rows": rows, "head": head, "left": left})


def hit_most(effect: Effect, result: Ablation) -> tuple[str, str]:
    """The class that suffers most, and by how many points."""
    known = [label for label in range(len(effect.classes)) if result.support[label]]
    worst = min(known, key=lambda label: effect.classes[label], default=None)
    if worst is None or effect.classes[worst] >= 0:
        return "", ""
    return class_name(result.names, worst), fixed(100 * effect.classes[worst], 1)


def curves_section(result: Ablation) -> Section | None:
    """Units switched off one after the other."""
    if not result.curves:
        return None
    chart = _curves(result.curves)
    orders = {curve.order: curve for curve in result.curves}
    claim = "Units were switched off one after the other until all were off."
    if {"harm", "random"} <= set(orders):
        gap = orders["random"].mean - orders["harm"].mean
        claim = f"Switched off in the order of their harm, units take the net down {fixed(100 * gap, 1)} points sooner "
        claim += "than at random, on average over the curve."
        if gap <= 0:
            claim = "The units that harm most alone do not take the net down sooner than units at random."
    return Section("curves-off", "One after the other", claim, {"chart": chart})


def _curves(curves: tuple[Curve, ...]) -> Chart:
    series = [
        Series(ORDERS.get(one.order, one.order), tuple(zip(map(float, one.removed), one.accuracy, strict=True)))
        for one in curves
    ]
    return line_chart(
        "Accuracy as units go", series, key="curves-off", x=Axis("units switched off"),
        y=Axis("accuracy, %", 0, 1, percent=True),
    )  # fmt: skip


def removal_outline(report: Report[Removal]) -> Outline:
    """What a net trained without layers puts on its page."""
    result = report.result
    return Outline(
        subject=f"{result.net} trained without layers",
        other=result.data,
        lead=removal_claim(result),
        headlines=tuple(
            Headline("", f"test error, {removed_words(row)}", row.test, note=f"{row.parameters:,} weights")
            for row in result.variants[:7]
        ),
        pictures=(),
        sections=lambda _shelf, dropped: _removal_sections(report, dropped),
    )


def removed_words(row: Variant) -> str:
    """The variant in words."""
    return f"without {', '.join(row.removed)}" if row.removed else "whole net"


def removal_claim(result: Removal) -> str:
    """Which variant errs most beyond the whole net."""
    others = [row for row in result.variants if row.removed]
    worst = max(others, key=lambda row: number_of(row.change))
    more = number_of(worst.change)
    if more <= 0:
        return "Trained again, none of the variants errs more often than the whole net."
    clear = "" if (worst.change.low or 0) > 0 else ", which may be chance"
    name = named(removed_words(worst), 60)
    return f"Trained again {name} the net errs most: {fixed(100 * more, 1)} points more than whole{clear}."


def _removal_sections(report: Report[Removal], dropped: str) -> tuple[Section, ...]:
    result = report.result
    bars = [Bar(removed_words(row), row.test, marked=not row.removed) for row in result.variants]
    chart = bar_chart(
        "Test error of each variant", bars, key="removed", axis=Axis("test error, %", 0, percent=True), name="variant",
        room=200,
    )  # fmt: skip
    whole = result.variants[0].parameters
    rows = [(removed_words(row), row, whole - row.parameters) for row in result.variants]
    words = f"{result.recipe}, {count(result.epochs, 'epoch')}"
    found = (
        Section("removed", "Variants", removal_claim(result), {"chart": chart, "rows": rows, "how": words}),
        record.method_section(
            report, dropped,
            limits=["One training each: another seed moves the errors as well, which the intervals do not show."],
        ),
        record.citations_section(report.origin),
    )  # fmt: skip
    return tuple(section for section in found if section is not None)
