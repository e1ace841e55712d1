"""The page of a net under attack: what is left, how far to trust it, which classes and images fall first."""

from __future__ import annotations

from striate.attacks.payload import Robustness
from striate.core.number import Number
from striate.core.report import Report

from . import record
from .charts import Axis, Bar, Level, bar_chart
from .format import count, named, norm, shown, value_of
from .looks import robustness_claim, robustness_section
from .outline import Outline
from .pictures import Shelf
from .section import Section, class_name, number_of
from .verdict import Headline, tally

MOST_CLASSES = 20


def outline(report: Report[Robustness]) -> Outline:
    """What a net under attack puts on its page."""
    result = report.result
    shown_rows = sorted((row for row in result.per_image if row.picture), key=lambda row: (row.distance, row.row))
    parts = (dict(each) if each else {} for each in (report.origin.net, report.origin.data))
    net, data = (str(each.get("name", "")) for each in parts)
    return Outline(
        subject=net or "net",
        other=data,
        lead=f"{robustness_claim(result)} {tally(report.findings)}",
        headlines=_headlines(result),
        pictures=tuple(key for row in shown_rows for key in (row.original, row.picture, row.difference) if key),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def _headlines(result: Robustness) -> tuple[Headline, ...]:
    kept = "robust accuracy" if result.target is None else "images not turned"
    figures = [
        Headline("accuracy", "accuracy on clean images", result.clean_accuracy),
        Headline("robust", kept, result.robust_accuracy, note="an upper bound"),
        Headline("radius", f"median {norm(result.norm)} change that fools", result.smallest, percent=False),
        Headline("", "fooled after 8 bits too", result.survives_8bit),
        Headline("", "fooled as JPEG files too", result.survives_jpeg),
        Headline(
            "masking", "signs of masked gradients", Number(float(len(result.masking.signs)), why="counted"),
            percent=False,
        ),
    ]  # fmt: skip
    return tuple(figure for figure in figures if figure.number.value is not None)


def _sections(report: Report[Robustness], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        robustness_section(result, Number.missing("chance is not drawn here"), shelf),
        members_section(result),
        probes_section(result),
        fragile_section(result),
        transfer_section(result),
        record.method_section(report, dropped, limits=["An attack gives an upper bound: another may find more."]),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def members_section(result: Robustness) -> Section | None:
    """What each attack of an ensemble broke."""
    if not result.members:
        return None
    broke = [each for each in result.members if each.broken]
    last = broke[-1].name if broke else ""
    claim = f"{last} is the last attack that broke an image." if last else "None of the attacks broke an image."
    return Section("members", "Attacks", claim, {"rows": result.members})


def probes_section(result: Robustness) -> Section | None:
    """What weaker attacks do to the images that were left."""
    masking = result.masking
    if not masking.probes and not masking.signs:
        return None
    signs = len(masking.signs)
    claim = f"{count(signs, 'sign')} that gradients mislead." if signs else "No sign that gradients mislead was found."
    return Section("probes", "Masking verdict", claim, {"rows": masking.probes, "signs": masking.signs})


def fragile_section(result: Robustness) -> Section | None:
    """The classes by what is left of them, the most fragile first."""
    known = [each for each in result.per_class if each.robust_accuracy.value is not None]
    if len(known) < 2:
        return None
    known.sort(key=lambda each: number_of(each.robust_accuracy))
    bars = [
        Bar(class_name(result.names, each.label), each.robust_accuracy, marked=place == 0)
        for place, each in enumerate(known[:MOST_CLASSES])
    ]
    levels = [Level(number_of(result.robust_accuracy), "all")] if result.robust_accuracy.value is not None else []
    first = known[0]
    title = f"{named(class_name(result.names, first.label))} keeps {value_of(first.robust_accuracy, percent=True)}"
    chart = bar_chart(title, bars, key="fragile", axis=Axis("robust accuracy, %", 0, 1, percent=True), levels=levels)
    rows = [
        (
            class_name(result.names, each.label),
            each,
            "" if each.taken_for is None else class_name(result.names, each.taken_for),
        )
        for each in known
    ]
    least = [each for each in known if number_of(each.robust_accuracy) == number_of(first.robust_accuracy)]
    claim = f"The most fragile class is {named(class_name(result.names, first.label))}."
    alike = len(least) == len(known)
    if alike:
        claim = f"All classes keep alike, {value_of(first.robust_accuracy, percent=True)}."
    elif len(least) > 1:
        claim = f"{count(len(least), 'class', 'classes')} keep least, {value_of(first.robust_accuracy, percent=True)}."
    return Section("fragile", "Fragile classes", claim, {"chart": None if alike else chart, "rows": rows})


def transfer_section(result: Robustness) -> Section | None:
    """What the images do to other nets."""
    if result.transfer is None:
        return None
    nets, rates = result.transfer.nets, result.transfer.rates
    others = [rate for place, rate in enumerate(rates[0]) if place and rate.value is not None]
    most = max(others, key=number_of, default=None)
    claim = "What fools it fools no other net that was measured."
    if most is not None and number_of(most) > 0:
        claim = f"What fools it fools another net in up to {shown(most, percent=True)}."
    rows = list(zip(nets, rates, strict=True))
    return Section("transfer", "Transfer", claim, {"nets": nets, "rows": rows})
