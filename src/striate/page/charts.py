"""Charts as inline SVG: thin axes, few ticks, labels at the lines themselves, intervals as bands or whiskers.

Colours are classes, so that the page's style gives them in light and dark. Text stays text. A `Chart` also carries its
title, which is its finding, and its data as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from striate.core.number import Number

from .format import cut, shown, value_of
from .scale import Scale, Ticks, cover, label, ticks
from .svg import drawing, element, group, line, path, text

WIDTH = 440
HEIGHT = 272
TOP = 30  # room for what the vertical axis measures
APART = 15  # pixels between the base lines of two labels
Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A drawing with the sentence that it shows and the table that it was drawn from."""

    svg: Markup
    title: str
    desc: str
    head: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True)
class Axis:
    """What an axis measures; ``percent`` writes shares times 100; ends that are None follow from the data."""

    label: str
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True)
class Series:
    """One line: its label and its points; a missing y breaks the line."""

    label: str
    points: tuple[tuple[float, Number], ...]


@dataclass(frozen=True)
class Point:
    """One point of a scatter: its name, where it stands."""

    label: str
    x: float
    y: Number


@dataclass(frozen=True)
class Level:
    """A constant to compare with, such as chance."""

    value: float
    label: str


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its number, and whether it is the one to look at."""

    label: str
    number: Number
    marked: bool = False


@dataclass(frozen=True)
class Frame:
    """The plot's place in the drawing with its two scales and their ticks."""

    x: Scale
    y: Scale
    x_ticks: Ticks
    y_ticks: Ticks


def frame_of(
    x_values: list[float], y_values: list[float], x: Axis, y: Axis, *, right: float = 100, height: float = HEIGHT
) -> Frame:
    """Scales that hold all values, with round ends given by the axes where they give them."""
    x_low, x_high = cover([value for value in (*x_values, x.low, x.high) if value is not None])
    y_low, y_high = cover([value for value in (*y_values, y.low, y.high) if value is not None], zero=y.low == 0)
    y_marks = ticks(y_low, y_high)
    if y.high is None and y_marks.values[-1] < y_high - 1e-9 * y_marks.step:
        y_high = y_marks.values[-1] + y_marks.step
        y_marks = ticks(y_low, y_high, most=6)
    return Frame(
        Scale(x_low, x_high, 44, WIDTH - right),
        Scale(y_low, y_high, height - 40, TOP),
        ticks(x_low, x_high, most=6),
        y_marks,
    )


def axes(frame: Frame, x: Axis, y: Axis) -> list[Markup]:
    """Hairlines at the ticks of y, a base line, the tick labels, and what the axes measure."""
    left, right, bottom = frame.x.start, frame.x.end, frame.y.start
    drawn = [line(left, frame.y(at), right, frame.y(at), "grid") for at in frame.y_ticks.values]
    drawn.append(line(left, bottom, right, bottom, "axis"))
    drawn += [
        text(left - 8, frame.y(at) + 4, label(at, frame.y_ticks, percent=y.percent), "tick", anchor="end")
        for at in frame.y_ticks.values
    ]
    for at in frame.x_ticks.values:
        drawn.append(line(frame.x(at), bottom, frame.x(at), bottom + 4, "axis"))
        words = label(at, frame.x_ticks, percent=x.percent)
        drawn.append(text(frame.x(at), bottom + 18, words, "tick", anchor="middle"))
    drawn.append(text((left + right) / 2, bottom + 36, x.label, "tick", anchor="middle"))
    drawn.append(text(0, 12, y.label, "tick"))
    return drawn


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    key: str,
    x: Axis,
    y: Axis,
    levels: Sequence[Level] = (),
    mark: tuple[float, Number, str] | None = None,
    x_names: Sequence[str] = (),
) -> Chart:
    """Lines over x, each with its label at its end and its intervals as a band.

    Args:
        title: The finding.
        series: At most five; the first is the one that the colour stresses.
        key: Unique on the page.
        x: Horizontal axis.
        y: Vertical axis.
        levels: Constants drawn as dashed lines.
        mark: The point that matters: x, number, words.
        x_names: How the x values are written in the table, where not as plain numbers.
    """
    known = [(at, number) for each in series for at, number in each.points if number.value is not None]
    ends = [end for _, one in known for end in (one.value, one.low, one.high) if end is not None]
    frame = frame_of([at for at, _ in known], [*ends, *(level.value for level in levels)], x, y)
    if x_names:  # what stands there is counted: no ticks between
        whole = [at for at in frame.x_ticks.values if at == int(at)]
        frame = replace(frame, x_ticks=Ticks(tuple(whole), max(1.0, frame.x_ticks.step)))
    drawn = axes(frame, x, y)
    labels = []
    for level in levels:
        drawn.append(line(frame.x.start, frame.y(level.value), frame.x.end, frame.y(level.value), "level"))
        labels.append((frame.y(level.value), level.label, "quiet"))
    for index, each in enumerate(series):
        drawn.append(_band(each, frame, index))
        for part in _unbroken(each):
            places = [(frame.x(at), frame.y(float(number))) for at, number in part]
            drawn.append(element("polyline", points=path(places), class_=f"line s{index + 1}"))
            if len(each.points) <= 16:
                drawn += [element("circle", cx=px, cy=py, r=2.5, class_=f"dot s{index + 1}") for px, py in places]
        last = next((number for _, number in reversed(each.points) if number.value is not None), None)
        if last is not None:
            labels.append((frame.y(float(last)), each.label, f"s{index + 1}"))
    drawn += [
        text(frame.x.end + 8, at + 4, cut(words, 15), f"label {kind}") for at, words, kind in apart(labels, frame.y)
    ]
    if mark is not None and mark[1].value is not None:
        drawn += _mark(frame, mark[0], float(mark[1]), mark[2])
    head = (x.label, *(each.label for each in series))
    desc = f"{y.label} over {x.label}: " + "; ".join(_span(each, y) for each in series)
    return Chart(
        drawing(WIDTH, HEIGHT, drawn, key=key, title=title, desc=desc), title, desc, head, _table(series, y, x_names)
    )


def bar_chart(
    title: str,
    bars: Sequence[Bar],
    *,
    key: str,
    axis: Axis,
    levels: Sequence[Level] = (),
    name: str = "",
    room: int = 124,
) -> Chart:
    """Horizontal bars from 0, each with its label before it, its interval as a whisker and its number behind it.

    ``room`` is the width kept for the labels; what does not fit is cut, and stands whole in the table.
    """
    ends = [end for bar in bars for end in (bar.number.value, bar.number.high) if end is not None]
    low, high = cover(
        [0.0, *ends, *([axis.high] if axis.high is not None else []), *(one.value for one in levels)], zero=True
    )
    row, top = 24, 26 if levels else 8
    bottom = top + row * len(bars)
    scale, marks = Scale(low, high, room, WIDTH - 72), ticks(low, high, most=5 if room < WIDTH / 3 else 3)
    drawn = [line(scale(at), top, scale(at), bottom, "grid") for at in marks.values]
    for index, bar in enumerate(bars):
        middle = top + row * index + row / 2
        drawn.append(text(room - 8, middle + 4, cut(bar.label, (room - 8) // 7), "label", anchor="end"))
        drawn += _bar(bar, scale, middle)
        drawn.append(text(WIDTH, middle + 4, value_of(bar.number, percent=axis.percent), "label", anchor="end"))
    for level in levels:
        place = scale(level.value)
        side = "end" if place > (scale.start + scale.end) / 2 else "start"
        drawn.append(line(place, top - 6, place, bottom, "level"))
        drawn.append(text(place + (4 if side == "end" else -4), 14, level.label, "label quiet", anchor=side))
    drawn.append(line(scale(0), top, scale(0), bottom, "axis"))
    for at in marks.values:
        drawn.append(text(scale(at), bottom + 16, label(at, marks, percent=axis.percent), "tick", anchor="middle"))
    drawn.append(text((scale.start + scale.end) / 2, bottom + 34, axis.label, "tick", anchor="middle"))
    rows = tuple((bar.label, shown(bar.number, percent=axis.percent)) for bar in bars)
    desc = f"{axis.label}, {len(bars)} bars" + (
        f"; {bars[0].label} {rows[0][1]} to {bars[-1].label} {rows[-1][1]}" if bars else ""
    )
    svg = drawing(WIDTH, bottom + 42, drawn, key=key, title=title, desc=desc)
    return Chart(svg, title, desc, (name or "bar", axis.label), rows)


def scatter(title: str, points: Sequence[Point], *, key: str, x: Axis, y: Axis, name: str = "") -> Chart:
    """Points with their names beside them, and the interval of y as a whisker."""
    ends = [end for one in points for end in (one.y.value, one.y.low, one.y.high) if end is not None]
    frame = frame_of([one.x for one in points], ends, x, y)
    drawn = axes(frame, x, y)
    labels = []
    for one in points:
        px, py = frame.x(one.x), frame.y(float(one.y))
        drawn += _whisker(px, one.y, frame.y)
        drawn.append(element("circle", cx=px, cy=py, r=4, class_="dot s1"))
        labels.append((py, one.label, px))
    for at, words, _ in apart([(py, words, str(px)) for py, words, px in labels], frame.y):
        px = next(place for _, own, place in labels if own == words)
        side = "end" if px > (frame.x.start + frame.x.end) / 2 else "start"
        drawn.append(text(px + (-8 if side == "end" else 8), at + 4, cut(words, 24), "label halo", anchor=side))
    head = (name or "point", x.label, y.label)
    rows = tuple((one.label, value_of(one.x), shown(one.y, percent=y.percent)) for one in points)
    desc = f"{y.label} over {x.label} of {len(points)}: " + "; ".join(f"{row[0]} {row[2]} at {row[1]}" for row in rows)
    return Chart(drawing(WIDTH, HEIGHT, drawn, key=key, title=title, desc=desc), title, desc, head, rows)


def reliability_diagram(title: str, bins: Sequence[tuple[float, float, int, Number, Number]], *, key: str) -> Chart:
    """How often the net is right where it is so sure, against the line where both agree; counts stand below.

    Args:
        title: The finding.
        bins: (low, high, n, mean confidence, accuracy) of each; empty ones are left out.
        key: Unique on the page.
    """
    x, y = Axis("confidence, %", 0, 1, percent=True), Axis("right, %", 0, 1, percent=True)
    frame = Frame(Scale(0, 1, 44, WIDTH - 116), Scale(0, 1, 264, TOP), ticks(0, 1), ticks(0, 1))
    drawn = axes(frame, x, y)
    drawn.append(line(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "level"))
    drawn.append(text(frame.x.end + 8, frame.y(1) + 4, "as sure as right", "label quiet"))
    filled = [each for each in bins if each[2] and each[3].value is not None and each[4].value is not None]
    most = max((each[2] for each in filled), default=1)
    floor, points = frame.y.start + 92, []
    for low, high, n, confidence, accuracy in filled:
        px, py = frame.x(float(confidence)), frame.y(float(accuracy))
        drawn.append(line(px, frame.y(float(confidence)), px, py, "gap"))
        drawn += _whisker(px, accuracy, frame.y)
        drawn.append(element("circle", cx=px, cy=py, r=3.5, class_="dot s1"))
        points.append((px, py))
        tall = 36 * n / most
        left, right = frame.x(low) + 1, frame.x(high) - 1
        drawn.append(element("rect", x=left, y=floor - tall, width=right - left, height=tall, class_="bar faint"))
    if points:
        drawn.insert(-1, element("polyline", points=path(points), class_="line s1 thin"))
        near = points[-1][1] < frame.y(1) + APART
        drawn.append(text(frame.x.end + 8, (frame.y(1) + 22) if near else points[-1][1] + 4, "measured", "label s1"))
    drawn.append(line(frame.x.start, floor, frame.x.end, floor, "axis"))
    drawn.append(text(frame.x.end + 8, floor - 3, "images", "label quiet"))
    head = ("confidence", "images", "mean confidence", "right")
    rows = tuple(
        (f"{100 * low:.0f} to {100 * high:.0f} %", f"{n:,}", value_of(sure, percent=True), shown(right, percent=True))
        for low, high, n, sure, right in filled
    )
    desc = f"share right over confidence, {len(filled)} bins with images; points below the line are overconfident"
    svg = drawing(WIDTH, floor + 8, drawn, key=key, title=title, desc=desc)
    return Chart(svg, title, desc, head, rows)


def sparkline(values: Sequence[float], *, width: float = 88, height: float = 20) -> Markup:
    """A line the size of a word, with a dot at its end; decoration beside a number, so hidden from screen readers."""
    if not values:
        return Markup("")
    low, high = cover(list(values))
    across, up = Scale(0, max(len(values) - 1, 1), 2, width - 4), Scale(low, high, height - 3, 3)
    places = [(across(index), up(value)) for index, value in enumerate(values)]
    dot = element("circle", cx=places[-1][0], cy=places[-1][1], r=2.5, class_="dot s1")
    parts = [element("polyline", points=path(places), class_="line s1 thin"), dot]
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        class_="spark",
        aria_hidden="true",
    )


def interval_glyph(
    number: Number, *, low: float = 0.0, high: float = 1.0, level: float | None = None, width: float = 104
) -> Markup:
    """A number on a line from ``low`` to ``high`` with its interval, a tick at ``level``; hidden likewise."""
    if number.value is None:
        return Markup("")
    across = Scale(low, high, 3, width - 3)
    parts = [line(3, 7, width - 3, 7, "grid"), line(3, 4, 3, 10, "axis"), line(width - 3, 4, width - 3, 10, "axis")]
    if level is not None:
        parts.append(line(across(level), 2, across(level), 12, "level"))
    if number.low is not None and number.high is not None:
        start, end = across(number.low), across(number.high)
        parts.append(element("rect", x=start, y=5, width=max(end - start, 1), height=4, class_="band s1"))
    parts.append(element("circle", cx=across(float(number)), cy=7, r=3, class_="dot s1"))
    return element(
        "svg", *parts, viewBox=f"0 0 {width:g} 14", width=width, height=14, class_="glyph", aria_hidden="true"
    )


def apart(labels: Sequence[tuple[float, str, str]], y: Scale) -> list[tuple[float, str, str]]:
    """Labels moved up or down until no two are closer than `APART`, inside the plot, in their order."""
    placed: list[tuple[float, str, str]] = []
    for at, words, kind in sorted(labels, key=lambda each: each[0]):
        placed.append((max(at, placed[-1][0] + APART) if placed else at, words, kind))
    if placed and placed[-1][0] > y.start:
        floor = y.start
        for index in range(len(placed) - 1, -1, -1):
            at, words, kind = placed[index]
            placed[index] = (min(at, floor), words, kind)
            floor = placed[index][0] - APART
    return placed


def _bar(bar: Bar, scale: Scale, middle: float) -> list[Markup]:
    if bar.number.value is None:
        return []
    start, end = sorted((scale(0), scale(bar.number.value)))
    kind = "bar marked" if bar.marked else "bar"
    drawn = [element("rect", x=start, y=middle - 7, width=end - start, height=14, class_=kind)]
    if bar.number.low is not None and bar.number.high is not None:
        left, right = scale(bar.number.low), scale(bar.number.high)
        drawn.append(line(left, middle, right, middle, "whisker"))
        drawn += [line(at, middle - 3, at, middle + 3, "whisker") for at in (left, right)]
    return drawn


def _whisker(at: float, number: Number, y: Scale) -> list[Markup]:
    if number.low is None or number.high is None:
        return []
    top, bottom = y(number.high), y(number.low)
    return [line(at, top, at, bottom, "whisker"), *(line(at - 3, end, at + 3, end, "whisker") for end in (top, bottom))]


def _unbroken(series: Series) -> list[list[tuple[float, Number]]]:
    parts: list[list[tuple[float, Number]]] = [[]]
    for at, number in series.points:
        if number.value is None:
            parts.append([])
        else:
            parts[-1].append((at, number))
    return [part for part in parts if part]


def _band(series: Series, frame: Frame, index: int) -> Markup:
    held = [
        (frame.x(at), one.low, one.high) for at, one in series.points if one.low is not None and one.high is not None
    ]
    edge = [(at, frame.y(high)) for at, _, high in held] + [(at, frame.y(low)) for at, low, _ in reversed(held)]
    return group([element("polygon", points=path(edge), class_=f"band s{index + 1}")] if len(held) > 1 else [])


def _mark(frame: Frame, at: float, value: float, words: str) -> list[Markup]:
    px, py = frame.x(at), frame.y(value)
    near_end = px > (frame.x.start + frame.x.end) / 2
    above = py - 10 if py - 10 > frame.y.end + 8 else py + 20
    place = px - 8 if near_end else px + 8
    return [
        line(px, frame.y.start, px, py, "gap"),
        element("circle", cx=px, cy=py, r=4.5, class_="mark"),
        text(place, above, words, "label strong halo", anchor="end" if near_end else "start"),
    ]


def _span(series: Series, y: Axis) -> str:
    known = [number for _, number in series.points if number.value is not None]
    if not known:
        return f"{series.label} has no values"
    first, last = (value_of(number, percent=y.percent) for number in (known[0], known[-1]))
    return f"{series.label} goes from {first} to {last}"


def _table(series: Sequence[Series], y: Axis, x_names: Sequence[str]) -> Rows:
    places = list(dict.fromkeys(at for each in series for at, _ in each.points))
    names = list(x_names) if len(x_names) == len(places) else [f"{at:g}" for at in places]
    found = [dict(each.points) for each in series]
    return tuple(
        (name, *(shown(each[at], percent=y.percent) if at in each else "" for each in found))
        for at, name in sorted(zip(places, names, strict=True))
    )
