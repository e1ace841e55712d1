"""The page of units: layers and their fields, first-layer filters beside Gabor functions, units with their patches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from striate.core.number import Number
from striate.core.report import Report
from striate.inside.ablation.payload import Effect
from striate.inside.meaning.payload import UnitLabel
from striate.inside.units.payload import FirstFilters, Layer, Patch, Unit, Units

from . import record
from .attended import attention_pictures, attention_section
from .charts import Axis, Series, line_chart
from .format import count, fixed, named, readable, shown, value_of
from .meant import meaning_section, sheets_section
from .outline import Outline
from .pictures import Picture, Shelf
from .section import Section, class_name
from .verdict import Headline, tally

# a strip is four times its target long
STRIP, SMALL, CONTROL, FILTER, PAINTED = 160, 96, 64, 56, 144


@dataclass(frozen=True)
class Shown:
    """One unit with its pictures and lines of (what, value)."""

    anchor: str
    unit: Unit
    picture: Picture | None
    small: Picture | None
    controls: tuple[tuple[str, Picture], ...]
    painted: Picture | None
    lines: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    neighbours: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class ShownLayer:
    """One layer with its units."""

    layer: Layer
    words: str
    units: tuple[Shown, ...]


def outline(report: Report[Units]) -> Outline:
    """What units put on their page."""
    result = report.result
    arguments = report.origin.arguments
    return Outline(
        subject=named(str(arguments.get("net", "a net")), 60),
        other=named(str(arguments.get("data", "images")), 60),
        lead=f"{units_claim(result)} {tally(report.findings)}",
        headlines=tuple(headlines(result)),
        pictures=tuple(unit_pictures(result)),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def units_claim(result: Units) -> str:
    """How many units were followed on how many images."""
    total = sum(layer.units for layer in result.layers)
    return (
        f"{count(total, 'unit')} of {count(len(result.layers), 'layer')} were followed over "
        f"{count(result.images, 'image')}; {count(len(result.units), 'unit')} are shown."
    )


def headlines(result: Units) -> Iterator[Headline]:
    """Units, silent ones, equal ones, how far the deepest sees, how well Gabor functions fit."""
    total, dead = sum(layer.units for layer in result.layers), sum(len(layer.dead) for layer in result.layers)
    yield Headline("", "units", _counted(total), percent=False, note=count(len(result.layers), "layer"))
    yield Headline("", "never fire", _counted(dead), percent=False)
    twins = sum(layer.duplicated for layer in result.layers)
    yield Headline("", "pairs that do the same", _counted(twins), percent=False, note="correlation above .99")
    last = result.layers[-1]
    yield Headline(
        "", "field in theory", _counted(max(last.field)), percent=False, note=f"pixels, {named(last.site, 24)}"
    )
    yield Headline("", "field by gradient", last.effective, percent=False, note=f"pixels, {named(last.site, 24)}")
    if result.filters is not None:
        yield Headline("", "filters near a Gabor function", _gabors(result.filters), percent=False, note="median R²")


def _counted(value: int) -> Number:
    return Number(float(value), n=value, why="counted")


def _gabors(filters: FirstFilters) -> Number:
    ordered = sorted(fit.r2 for fit in filters.fits)
    return Number.of(ordered[len(ordered) // 2], n=len(ordered), why="a median over the filters")


def unit_pictures(result: Units) -> Iterator[str]:
    """Keys of the pictures, those first that the page must not lack."""
    yield from (one.picture for one in result.units if one.picture)
    if result.filters is not None:
        yield from (*result.filters.pictures, *result.filters.fitted)
    yield from (one.painted for one in result.units if one.painted)
    yield from (sheet.picture for each in result.layers for sheet in (each.maps, each.kernel) if sheet is not None)
    if result.attention is not None:
        yield from attention_pictures(result.attention)
    yield from (name for one in result.units for name in (one.least_picture, one.random_picture) if name)


def _sections(report: Report[Units], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        units_section(result, shelf),
        meaning_section(result),
        attention_section(result.attention, shelf),
        fields_section(result),
        sheets_section(result, shelf),
        fits_section(result.filters, shelf),
        record.method_section(report, dropped, left_out=result.notes),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def units_section(result: Units, shelf: Shelf) -> Section:
    """Each layer as a grid of units, then each unit with all that is known of it."""
    shown_layers = []
    for layer in result.layers:
        rows = [_shown(one, shelf, layer.listed, result.names) for one in result.units if one.site == layer.site]
        shown_layers.append(ShownLayer(layer, _layer_words(layer), tuple(rows)))
    dead = sum(len(layer.dead) for layer in result.layers)
    claim = "Each unit has patches that excite it most, the strongest at the left."
    if dead:
        total = sum(layer.units for layer in result.layers)
        claim = f"{dead:,} of {count(total, 'unit')} never fire on these images; of the others these excite them most."
    return Section("units", "Units", claim, {"layers": shown_layers, "images": result.images})


def _layer_words(layer: Layer) -> str:
    shape = " × ".join(map(str, layer.shape))
    words = f"{count(layer.units, 'unit')}, output {shape}, field {_field(layer.field)} pixels"
    if len(layer.listed) < layer.units:
        words += f"; {len(layer.listed)} are shown"
    if layer.dead:
        few = ", ".join(map(str, layer.dead[:12]))
        words += f"; never fire: {few}{' and more' if len(layer.dead) > 12 else ''}"
    return words


def _field(field: tuple[int, int]) -> str:
    return " × ".join(map(str, field))


def anchor_of(site: str, unit: int) -> str:
    """The anchor of a unit on the page."""
    return f"unit-{re.sub(r'[^A-Za-z0-9_-]+', '-', site)}-{unit}"


def _shown(one: Unit, shelf: Shelf, listed: tuple[int, ...], names: tuple[str, ...]) -> Shown:
    name = f"{one.site} unit {one.unit}"
    controls = [
        (words, picture)
        for words, key in (("images that excite it least", one.least_picture), ("random patches", one.random_picture))
        if key and (picture := shelf.show(key, f"{words}, {name}", target=CONTROL)) is not None
    ]
    lines = [("field in theory", f"{_field(one.field.theoretical)} pixels")]
    if one.field.empirical.value is not None:
        lines.append(("field under occluders", f"{value_of(one.field.empirical)} pixels"))
    if one.top:
        lines.append(("activation", f"{value_of(one.top[0].value)} to {value_of(one.top[-1].value)}"))
    if one.label is not None:
        lines.append(("follows", follows(one.label)))
    if one.effect is not None:
        lines += _losses(one.effect, names)
    near = tuple(
        (
            anchor_of(one.site, each.unit) if each.unit in listed else "",
            str(each.unit),
            f"correlation {fixed(each.correlation, 2)}"
            + ("" if each.cosine is None else f", filters {fixed(each.cosine, 2)}"),
        )
        for each in one.neighbours
    )
    strip = shelf.show(one.picture, f"patches that excite {name} most", target=STRIP) if one.picture else None
    return Shown(
        anchor_of(one.site, one.unit), one, strip,
        shelf.show(one.picture, f"patches that excite {name} most", target=SMALL) if one.picture else None,
        tuple(controls),
        shelf.show(one.painted, f"image painted for {name}", target=PAINTED) if one.painted else None,
        tuple(lines), tuple(_place(each) for each in one.top), near,
    )  # fmt: skip


def follows(label: UnitLabel) -> str:
    """The concept that a unit follows, with its evidence."""
    if not label.nearest:
        return "nothing: it is never above its threshold"
    evidence = f"IoU {shown(label.iou)}, chance {fixed(label.chance, 3)}"
    if not label.concept:
        return f"no concept above chance (nearest {readable(label.nearest)}, {evidence})"
    also = [readable(name) for name, _ in label.above[1:4]]
    return f"{readable(label.concept)} ({label.kind}), {evidence}" + (f"; also {', '.join(also)}" if also else "")


def _losses(effect: Effect, names: tuple[str, ...]) -> list[tuple[str, str]]:
    lines = [
        ("without it, accuracy changes by", f"{shown(effect.change, percent=True).replace(' %', '')} points"),
        ("and the loss by", f"{shown(effect.loss)} nats"),
    ]
    worst = min(range(len(effect.classes)), key=effect.classes.__getitem__, default=None)
    if worst is not None and effect.classes[worst] < 0:
        lines.append(("hits most", f"{class_name(names, worst)}, {fixed(100 * effect.classes[worst], 1)} points"))
    return lines


def _place(patch: Patch) -> str:
    top, left, bottom, right = patch.box
    return f"{readable(patch.image)}, rows {top} to {bottom}, columns {left} to {right}: {value_of(patch.value)}"


def fields_section(result: Units) -> Section | None:
    """Actual against theoretical fields, layer by layer."""
    layers = [layer for layer in result.layers if any(layer.stride)]
    if not layers:
        return None
    rows = [
        (
            layer.site,
            _field(layer.field),
            fixed(float(layer.effective), 0),
            value_of(layer.sigma),
            value_of(layer.empirical),
            f"{fixed(100 * float(layer.effective) / max(layer.field), 0)} %",
        )
        for layer in layers
    ]
    ratios = [float(layer.effective) / max(layer.field) for layer in layers]
    claim = (
        f"At {named(layers[-1].site)} the square that holds 95 % of the gradient has a side of "
        f"{fixed(100 * ratios[-1], 0)} % of the field in theory."
    )
    chart = None
    if len(layers) > 1:
        series = [
            Series("theory", tuple((float(k + 1), _counted(max(each.field))) for k, each in enumerate(layers))),
            Series("gradient", tuple((float(k + 1), each.effective) for k, each in enumerate(layers))),
        ]
        if all(each.empirical.value is not None for each in layers):
            series.append(Series("occluders", tuple((float(k + 1), each.empirical) for k, each in enumerate(layers))))
        chart = line_chart(
            claim, series, key="fields", x=Axis("layer"), y=Axis("side of the field, pixels", 0),
            x_names=[layer.site for layer in layers],
        )  # fmt: skip
    head = ("layer", "theory, px", "gradient, px", "sigma, px", "occluders, px", "gradient of theory")
    return Section("fields", "Fields", claim, {"rows": rows, "head": head, "chart": chart, "size": _field(result.size)})


def fits_section(filters: FirstFilters | None, shelf: Shelf) -> Section | None:
    """First-layer filters beside their Gabor functions."""
    if filters is None:
        return None
    pairs = []
    for key, fitted, fit in zip(filters.pictures, filters.fitted, filters.fits, strict=False):
        one = shelf.show(key, f"filter {fit.filter} of {filters.site}", target=FILTER)
        other = shelf.show(fitted, f"Gabor function nearest to filter {fit.filter}", target=FILTER)
        if one is not None and other is not None:
            pairs.append((one, other, fit))
    if not pairs:
        return None
    near = sum(fit.r2 >= 0.8 for fit in filters.fits)
    claim = (
        f"{near} of {count(len(filters.fits), 'filter')} of {named(filters.site)} are Gabor functions by at least "
        "80 % of their variance."
    )
    end = f"{filters.limits[1]:.3g}"
    return Section("fits", "Filters", claim, {"pairs": pairs, "end": end, "filters": filters})
