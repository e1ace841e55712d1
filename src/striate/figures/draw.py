"""Small SVG pictures of figures: grids of numbers, curves, boxes. Text is text; no other library is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

BLUE, RED, GREEN, PURPLE, AMBER, SKY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B", "#3F8FBF"
PALETTE = (BLUE, RED, GREEN, PURPLE, AMBER, SKY)  # told apart with every kind of colour vision; Okabe & Ito 2008
INK, FAINT = "#1b1b1b", "#8a8a8a"
FONT = "font-family='system-ui, sans-serif'"
Matrix = Sequence[Sequence[Any]]
Box = tuple[float, float, float, float]


def svg(width: float, height: float, title: str, body: str, *, says: str = "") -> str:
    """A picture on a white plate, so that it reads the same on either page; ``says`` tells it to who cannot see it."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' "
        f"height='{height:.0f}' role='img' {FONT}><title>{escape(title)}</title>"
        f"<desc>{escape(says)}</desc>"
        f"<rect width='100%' height='100%' fill='#ffffff'/>{text(12, 22, title, size=15, weight=600)}{body}</svg>"
    )


def text(
    x: float, y: float, words: str, *, size: int = 13, anchor: str = "start", fill: str = INK, weight: int = 400
) -> str:
    """One line of text; ``anchor`` is start, middle or end."""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{fill}' "
        f"font-weight='{weight}' font-variant-numeric='tabular-nums'>{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = FAINT, width: float = 1) -> str:
    """A straight line."""
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}' stroke-width='{width}'/>"


def rectangle(box: Box, *, fill: str = "none", stroke: str = FAINT, width: float = 1, opacity: float = 1) -> str:
    """A rectangle from (x1, y1) to (x2, y2)."""
    x1, y1, x2, y2 = box
    return (
        f"<rect x='{x1:.1f}' y='{y1:.1f}' width='{x2 - x1:.1f}' height='{y2 - y1:.1f}' fill='{fill}' "
        f"fill-opacity='{opacity}' stroke='{stroke}' stroke-width='{width}'/>"
    )


def grids(title: str, panels: Mapping[str, Any], *, cell: int = 44) -> str:
    """Matrices side by side, a number in each cell; blue ground for high, red for negative, white for zero."""
    body, x, bottom = [], 12.0, 0.0
    for label, values in panels.items():
        rows: Matrix = values.tolist() if hasattr(values, "tolist") else values
        peak = max((abs(float(value)) for row in rows for value in row), default=1.0) or 1.0
        body.append(text(x, 50, label, fill=FAINT))
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                left, top = x + j * cell, 58 + i * cell
                colour = BLUE if float(value) >= 0 else RED
                box = (left, top, left + cell, top + cell)
                body.append(rectangle(box, fill=colour, opacity=round(0.35 * abs(float(value)) / peak, 3)))
                shown = f"{float(value):.{3 if cell < 40 else 4}g}"
                body.append(
                    text(left + cell / 2, top + cell / 2 + 5, shown, size=11 if cell < 40 else 13, anchor="middle")
                )
        wide = max(len(rows[0]) * cell, 7 * len(label))
        x, bottom = x + wide + 28, max(bottom, 58 + len(rows) * cell)
    says = f"Grids of numbers: {', '.join(panels)}."
    return svg(max(x, 30 + 9 * len(title)), bottom + 14, title, "".join(body), says=says)


def curves(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    size: tuple[int, int] = (640, 360),
) -> str:
    """Lines, at most six, with their names at their ends instead of a legend."""
    width, height = size
    left, right, top, foot = 64, width - 130, 64, height - 44
    every_x = [x for xs, _ in series.values() for x in xs]
    every_y = [math.log10(y) if log_y else y for _, ys in series.values() for y in ys]
    (x_low, x_high), (y_low, y_high) = _span(every_x), _span(every_y)

    def place(x: float, y: float) -> tuple[float, float]:
        y = math.log10(y) if log_y else y
        return (
            left + (x - x_low) / (x_high - x_low) * (right - left),
            foot - (y - y_low) / (y_high - y_low) * (foot - top),
        )

    body = [line(left, foot, right, foot), line(left, top, left, foot), text(left, top - 14, y_label, fill=FAINT)]
    body.append(text(right, foot + 36, x_label, anchor="end", fill=FAINT))
    for tick in _ticks(x_low, x_high):
        at = left + (tick - x_low) / (x_high - x_low) * (right - left)
        body += [line(at, foot, at, foot + 4), text(at, foot + 19, f"{tick:g}", anchor="middle", fill=FAINT)]
    for tick in _ticks(y_low, y_high):
        at = foot - (tick - y_low) / (y_high - y_low) * (foot - top)
        label = f"{10**tick:.2g}" if log_y else f"{tick:g}"
        body += [line(left - 4, at, left, at), text(left - 8, at + 4, label, anchor="end", fill=FAINT)]
    ends: list[tuple[float, float]] = []
    for colour, (label, (xs, ys)) in zip(PALETTE, series.items(), strict=False):
        points = [place(x, y) for x, y in zip(xs, ys, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        x, y = points[-1][0] + 6, min(points[-1][1] + 4, foot - 4)
        down = 2 if y < (top + foot) / 2 else -2
        while any(abs(y - taken) < 14 and abs(x - other) < 90 for other, taken in ends):
            y += down  # names never lie on each other
        ends.append((x, y))
        body.append(text(x, y, label, fill=colour))
    ends_at = ", ".join(f"{label} ends at {ys[-1]:.4g}" for label, (_, ys) in series.items())
    return svg(width, height, title, "".join(body), says=f"{y_label} over {x_label}: {ends_at}.")


def boxes(title: str, named: Mapping[str, Box], *, size: tuple[int, int] = (520, 360)) -> str:
    """Named boxes, in one plane, y downwards; each name stands in its box's lower left corner."""
    width, height = size
    xs, ys = [box[i] for box in named.values() for i in (0, 2)], [box[i] for box in named.values() for i in (1, 3)]
    scale = min((width - 24) / (max(xs) - min(xs)), (height - 56) / (max(ys) - min(ys)))
    body = []
    for index, (label, (x1, y1, x2, y2)) in enumerate(named.items()):
        colour = PALETTE[index % len(PALETTE)]
        a, b = 12 + (x1 - min(xs)) * scale, 44 + (y1 - min(ys)) * scale
        shape = (a, b, a + (x2 - x1) * scale, b + (y2 - y1) * scale)
        body += [rectangle(shape, stroke=colour, width=2), text(a + 6, shape[3] - 7, label, fill=colour)]
    return svg(width, height, title, "".join(body), says=f"Boxes: {', '.join(named)}.")


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
