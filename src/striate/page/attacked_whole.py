"""The pages of attacks on whole splits: one difference for all images, a patch, corruptions."""

from __future__ import annotations

from collections.abc import Sequence

from striate.attacks.payload_shared import Corrupted, Judged, Move, Patched, Spatial, Universal
from striate.core.number import Number
from striate.core.report import Report

from . import record
from .charts import Axis, Bar, Chart, Level, Series, bar_chart, line_chart
from .format import count, named, norm, radius, shown
from .looks import MAP
from .outline import Outline
from .pictures import Shelf
from .section import Figure, Section, class_name, number_of
from .verdict import Headline, tally

MOST = 24  # pictures of images
Whole = Universal | Patched | Corrupted | Spatial
LIMITS = {
    Universal: "Fitted on some images and judged on others of the same split: other data may be fooled less.",
    Patched: "Views of a print are drawn, not photographed: print it and try.",
    Spatial: "Moves between the points of the grid were not looked at, and what moves in is black.",
    Corrupted: "Made by rule from clean images, as in the paper; real weather differs.",
}


def outline(report: Report[Whole]) -> Outline:
    """What an attack on a whole split puts on its page."""
    result = report.result
    net, data = (str((each or {}).get("name", "")) for each in (report.origin.net, report.origin.data))
    return Outline(
        subject=net or "net",
        other=data,
        lead=f"{claim_of(result)} {tally(report.findings)}",
        headlines=tuple(each for each in _headlines(result) if each.number.value is not None),
        pictures=tuple(name for name in report.album if name.endswith(".png")),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def claim_of(result: Whole) -> str:
    """What it comes to."""
    if isinstance(result, Universal):
        size = f"{norm(result.norm)} radius {radius(result.radius)}"
        return f"One difference within {size} changes the class of {shown(result.fooling_rate, percent=True)}."
    if isinstance(result, Patched):
        aim = named(class_name(result.names, result.target))
        return f"A patch on {100 * result.area:g} % makes {shown(result.success_rate, percent=True)} of images {aim}."
    if isinstance(result, Spatial):
        size = f"Shifts of {100 * result.share:g} % and turns of {result.degrees:g} degrees"
        return f"{size} leave {shown(result.grid_accuracy, percent=True)} right."
    return f"Over 15 corruptions at 5 strengths it errs in {shown(result.mean_error, percent=True)}."


def _headlines(result: Whole) -> tuple[Headline, ...]:
    clean = Headline("accuracy", "accuracy on clean images", result.clean_accuracy)
    if isinstance(result, Universal):
        return (
            clean,
            Headline("robust", "accuracy with the difference", result.robust_accuracy),
            Headline("", "class changed", result.fooling_rate, note="images it was not fitted on"),
            Headline("", "changed by noise of that size", result.noise_rate, note=result.noise),
            Headline("", "fooled after 8 bits too", result.survives_8bit),
            Headline("", "fooled as JPEG files too", result.survives_jpeg),
        )
    if isinstance(result, Patched):
        return (
            clean,
            Headline("", "seen as the target", result.success_rate, note="at random places, turns, sizes"),
            Headline("", "so under views of a print", result.seen_rate),
            Headline("", "so without the patch", result.unpatched_rate),
            Headline("", "so with random colours", result.control_rate),
            Headline("robust", "accuracy with the patch", result.robust_accuracy),
        )
    if isinstance(result, Spatial):
        return (
            clean,
            Headline("robust", "right under every move of the grid", result.grid_accuracy, note="an upper bound"),
            Headline("", f"right under all of {result.draws} random moves", result.drawn_accuracy),
            Headline("", "right under one random move", result.mean_accuracy),
        )
    return (
        clean,
        Headline("", "mean error", result.mean_error),
        Headline("", "mean corruption error", result.mean_corruption_error, note=f"1 is {named(result.reference)}"),
    )


def _sections(report: Report[Whole], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found: list[Section | None] = []
    if isinstance(result, Corrupted):
        found += [_corruptions(result), _sheet(result, shelf)]
    else:
        found.append(_pictures(result, shelf))
    found.append(record.method_section(report, dropped, limits=[LIMITS[type(result)]]))
    found.append(record.citations_section(report.origin))
    return tuple(section for section in found if section is not None)


def _corruptions(result: Corrupted) -> Section:
    known = [each for each in result.corruptions if each.error.value is not None]
    worst = max(known, key=lambda each: number_of(each.error))
    bars = [Bar(each.name.replace("_", " "), each.error, marked=each is worst) for each in result.corruptions]
    levels = [Level(number_of(result.mean_error), "mean")] if result.mean_error.value is not None else []
    title = f"{worst.name.replace('_', ' ')} costs most"
    chart = bar_chart(title, bars, key="corruptions", axis=Axis("mean error, %", 0, 1, percent=True), levels=levels)
    claim = f"It errs most under {worst.name.replace('_', ' ')}: {shown(worst.error, percent=True)}."
    content = {"charts": [chart, _over_severity(result)], "rows": result.corruptions, "reference": result.reference}
    return Section("corruptions", "Corruptions", claim, content)


def _over_severity(result: Corrupted) -> Chart:
    """The mean accuracy of each family over the severity."""
    families: dict[str, list[tuple[Number, ...]]] = {}
    for one in result.corruptions:
        families.setdefault(one.family, []).append(one.accuracy)
    series = [Series(name, _means(parts, result.clean_accuracy)) for name, parts in families.items()]
    return line_chart(
        "Accuracy falls with the strength", series, key="severity", x=Axis("severity, 0 is clean", 0),
        y=Axis("accuracy, %", 0, 1, percent=True),
    )  # fmt: skip


def _means(parts: Sequence[tuple[Number, ...]], clean: Number) -> tuple[tuple[float, Number], ...]:
    points: list[tuple[float, Number]] = [(0.0, clean)]
    for place in range(5):
        values = [number_of(one[place]) for one in parts if one[place].value is not None]
        if values:
            points.append((place + 1.0, Number.of(sum(values) / len(values))))
    return tuple(points)


def _sheet(result: Corrupted, shelf: Shelf) -> Section | None:
    picture = shelf.show(result.sheet, "one image under every corruption", target=5 * MAP) if result.sheet else None
    if picture is None:
        return None
    lines = (("rows", "15 corruptions"), ("columns", "clean, then severities 1 to 5"))
    content = {"figures": [Figure(picture, lines)], "page": ""}
    return Section("attacked", "One image", "One image under every corruption, clean at the left.", content)


def _pictures(result: Universal | Patched | Spatial, shelf: Shelf) -> Section | None:
    figures = _made(result, shelf)
    own = len(figures)
    for one in result.per_image:
        if len(figures) < MOST and one.picture and one.picture in shelf:
            picture = shelf.show(one.picture, f"{one.name} with it", target=MAP)
            if picture is not None:
                figures.append(Figure(picture, _lines(one, result.names)))
    if not figures:
        return None
    page = result.page if isinstance(result, Patched) else ""
    of = "as they fooled it" if isinstance(result, Spatial) else "with it, of those that it was not fitted on"
    claim = f"{count(len(figures) - own, 'image')} {of}."
    return Section("attacked", "Images", claim, {"figures": figures, "page": page})


def _made(result: Universal | Patched | Spatial, shelf: Shelf) -> list[Figure]:
    """The one thing that was made for all images."""
    if isinstance(result, Spatial):
        return []
    made, words = (result.delta, f"the difference, times {result.factor:g}") if isinstance(result, Universal) else (
        result.patch, "the patch"
    )  # fmt: skip
    picture = shelf.show(made, words, target=MAP) if made in shelf else None
    return [] if picture is None else [Figure(picture, ((words, ""),))]


def _lines(one: Judged | Move, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    lines = [("is", class_name(names, one.label)), ("seen as", class_name(names, one.predicted))]
    if isinstance(one, Move) and one.across is not None and one.down is not None and one.degrees is not None:
        lines.append(("moved", f"{one.across:.1f} across, {one.down:.1f} down, {one.degrees:.0f} degrees"))
    return (*lines, ("", one.name))
