"""Charts whose axes may be logarithmic: decades instead of round steps, values that have no logarithm at the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from striate.core.number import Number

from .charts import HEIGHT, TOP, WIDTH, Chart, Level, Series, apart
from .format import cut, shown
from .scale import Scale, cover, label, ticks
from .svg import drawing, element, group, line, path, text

MOST = 5  # colours; more lines are dashed in the same colours
LETTER = 8  # pixels of a letter of a label, at most
LABELS = 15  # letters of a label at a line's end


@dataclass(frozen=True)
class Ruler:
    """An axis that may be logarithmic: from values to places, with its ticks and what stands at them."""

    scale: Scale
    log: bool
    marks: tuple[tuple[float, str], ...]

    def __call__(self, value: float) -> float:
        """The place of a value; what has no logarithm lies at the low end."""
        if not self.log:
            return self.scale(value)
        return self.scale(math.log10(value)) if value > 0 else self.scale.start


def ruler(values: Sequence[float], start: float, end: float, *, log: bool, decades: int = 6) -> Ruler:
    """An axis over all values, decades at its ticks where it is logarithmic."""
    if not log:
        low, high = cover(list(values))
        marks = ticks(low, high, most=5)
        return Ruler(Scale(low, high, start, end), False, tuple((at, label(at, marks)) for at in marks.values))
    powers = [math.log10(value) for value in values if value > 0] or [0.0]
    low, high = min(powers), max(powers)
    if high - low < 1:
        low, high = math.floor(low), math.ceil(high) if math.ceil(high) > math.floor(low) else math.floor(low) + 1
    pad = 0.04 * (high - low)
    low, high = low - pad, high + pad
    step = max(1, math.ceil((high - low) / decades))
    marked = [power for power in range(math.ceil(low), math.floor(high) + 1) if power % step == 0]
    return Ruler(Scale(low, high, start, end), True, tuple((10.0**power, decade(power)) for power in marked))


def decade(power: int) -> str:
    """A power of ten as it stands at a tick.

    >>> decade(-2), decade(4), decade(6)
    ('0.01', '10,000', '1e6')
    """
    if 0 <= power <= 5:
        return f"{10**power:,}"
    return f"{10.0**power:g}" if -3 <= power < 0 else f"1e{power}"


def log_chart(
    title: str,
    series: Sequence[Series],
    *,
    key: str,
    x: str,
    y: str,
    log_x: bool = False,
    log_y: bool = True,
    levels: Sequence[Level] = (),
    marks: Sequence[Level] = (),
    within: tuple[float, float] | None = None,
    band: tuple[float, float, str] | None = None,
) -> Chart:
    """Lines over x with their labels at their ends; ``levels`` are horizontal, ``marks`` vertical.

    Args:
        title: The finding.
        series: At most ten; from the sixth on they are dashed.
        key: Unique on the page.
        x: What the horizontal axis measures.
        y: What the vertical axis measures.
        log_x: Whether x is logarithmic.
        log_y: Whether y is.
        levels: Constants to compare with.
        marks: Places on the x axis to point at.
        within: The values of y that are drawn, where some lie far off; what is beyond is drawn at the edge.
        band: Values of y between which it is as it should be, with what stands there.
    """
    known = [(at, float(one)) for each in series for at, one in each.points if one.value is not None]
    heights = [value for _, value in known if within is None or within[0] <= value <= within[1]]
    across = ruler([at for at, _ in known] or [0.0, 1.0], 52, WIDTH - 104, log=log_x)
    ends = [] if band is None else [band[0], band[1]]
    up = ruler([*heights, *(each.value for each in levels), *ends] or [1.0], HEIGHT - 40, TOP, log=log_y)
    drawn = _axes(across, up, x, y)
    labels: list[tuple[float, str, str]] = []
    if band is not None:
        left, top, bottom = across.scale.start, up(band[1]), up(band[0])
        wide = across.scale.end - left
        drawn.insert(0, element("rect", x=left, y=top, width=wide, height=bottom - top, class_="band healthy"))
        drawn.append(text(left + 4, bottom - 5, band[2], "label quiet halo"))
    for level in levels:
        drawn.append(line(across.scale.start, up(level.value), across.scale.end, up(level.value), "level"))
        labels.append((up(level.value), level.label, "quiet"))
    named = []  # drawn last: a line across a name is hidden by its halo
    for number, mark in enumerate(marks):
        at = across(mark.value)
        drawn.append(line(at, up.scale.start, at, up.scale.end, "level"))
        side = "start" if at + LETTER * len(mark.label) < across.scale.end else "end"
        place = at + (-4 if side == "end" else 4)
        named.append(text(place, TOP + 10 + 15 * number, mark.label, "label quiet halo", anchor=side))
    for index, each in enumerate(series):
        colour = f"s{index % MOST + 1}"
        places = [(across(at), up(float(one))) for at, one in each.points if one.value is not None]
        if not places:
            continue
        dashes = "5 3" if index >= MOST else None
        drawn.append(element("polyline", points=path(places), class_=f"line {colour} thin", stroke_dasharray=dashes))
        if len(places) <= 16:
            drawn += [element("circle", cx=px, cy=py, r=2.2, class_=f"dot {colour}") for px, py in places]
        labels.append((places[-1][1], each.label, colour))
    drawn += named
    spread = apart(labels, up.scale)
    drawn += [text(across.scale.end + 8, at + 4, cut(words, LABELS), f"label {kind}") for at, words, kind in spread]
    desc = f"{y} over {x}: " + "; ".join(_span(each) for each in series)
    svg = drawing(WIDTH, HEIGHT, drawn, key=key, title=title, desc=desc)
    return Chart(svg, title, desc, (x, *(each.label for each in series)), table_of(series))


def _axes(across: Ruler, up: Ruler, x: str, y: str) -> list[Markup]:
    left, right, bottom = across.scale.start, across.scale.end, up.scale.start
    drawn = [line(left, up(at), right, up(at), "grid") for at, _ in up.marks]
    drawn.append(line(left, bottom, right, bottom, "axis"))
    drawn += [text(left - 8, up(at) + 4, words, "tick", anchor="end") for at, words in up.marks]
    for at, words in across.marks:
        drawn.append(line(across(at), bottom, across(at), bottom + 4, "axis"))
        drawn.append(text(across(at), bottom + 18, words, "tick", anchor="middle"))
    drawn.append(text((left + right) / 2, bottom + 36, x, "tick", anchor="middle"))
    drawn.append(text(0, 12, y, "tick"))
    return drawn


def table_of(series: Sequence[Series], *, most: int = 60) -> tuple[tuple[str, ...], ...]:
    """The lines' numbers by x; of very many, evenly chosen ones."""
    places = sorted({at for each in series for at, _ in each.points})
    stride = max(1, math.ceil(len(places) / most))
    found = [dict(each.points) for each in series]
    return tuple(
        (f"{at:,.0f}" if at >= 1000 else f"{at:.4g}", *(shown(each[at]) if at in each else "" for each in found))
        for at in places[::stride]
    )


def _span(series: Series) -> str:
    known = [number.value for _, number in series.points if number.value is not None]
    return f"{series.label} goes from {known[0]:.3g} to {known[-1]:.3g}" if known else f"{series.label} has no values"


def histogram_grid(
    title: str,
    rows: Sequence[tuple[str, Sequence[tuple[str, Sequence[int]]]]],
    *,
    key: str,
    desc: str,
) -> Chart:
    """Small histograms: a row for each name, in each its columns with a word below; heights are within each alone."""
    wide, tall, room = 72, 44, 112
    columns = max((len(cells) for _, cells in rows), default=0)
    drawn: list[Markup] = []
    for down, (name, cells) in enumerate(rows):
        top = down * (tall + 26) + 4
        drawn.append(text(room - 8, top + tall - 2, cut(name, 15), "label", anchor="end"))
        for place, (words, counts) in enumerate(cells):
            left, most = room + place * (wide + 8), max([*counts, 1])
            each = wide / max(len(counts), 1)
            bars = [
                element(
                    "rect", x=left + index * each, y=top + tall - tall * one / most, width=each,
                    height=tall * one / most, class_="bar",
                )
                for index, one in enumerate(counts)
                if one
            ]  # fmt: skip
            drawn.append(group(bars))
            drawn.append(line(left, top + tall, left + wide, top + tall, "axis"))
            drawn.append(text(left + wide / 2, top + tall + 14, words, "tick", anchor="middle"))
    width = room + columns * (wide + 8)
    svg = drawing(width, len(rows) * (tall + 26) + 8, drawn, key=key, title=title, desc=desc)
    table = tuple((name, words, " ".join(map(str, counts))) for name, cells in rows for words, counts in cells)
    return Chart(svg, title, desc, ("row", "column", "counts"), table)


def numbers(points: Sequence[tuple[float, float | None]]) -> tuple[tuple[float, Number], ...]:
    """Points of a `Series` from plain floats; None breaks nothing, it is left out."""
    return tuple((at, Number.of(value)) for at, value in points if value is not None)
