"""Lines of equal height over a grid, and paths upon them, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from striate.training.descent.payload import Place, Scene

from .charts import Chart
from .format import cut
from .log_charts import MOST
from .scale import Scale, label, ticks
from .svg import drawing, element, line, path, short, text

WIDTH, TALL = 440, 340
LEVELS = 14
Grid = Sequence[Sequence[float]]


def contour_chart(scene: Scene, *, key: str, title: str) -> Chart:
    """A surface with the path of every optimiser; a cross marks each lowest point, a ring the start."""
    left, right, low, high = scene.window
    across, up = Scale(left, right, 40, WIDTH - 8), Scale(low, high, TALL - 24, 8)
    drawn = [_level(scene, at, across, up) for at in levels_of(scene)]
    drawn += _axes(across, up)
    for index, each in enumerate(scene.paths):
        places = [(across(x), up(y)) for x, y in each.places]
        dashes = "5 3" if index >= MOST else None
        colour = f"s{index % MOST + 1}"
        drawn.append(element("polyline", points=path(places), class_=f"line {colour} thin", stroke_dasharray=dashes))
        drawn.append(element("circle", cx=places[-1][0], cy=places[-1][1], r=3, class_=f"dot {colour}"))
    for x, y in scene.minima:
        px, py = across(x), up(y)
        drawn += [line(px - 5, py - 5, px + 5, py + 5, "axis"), line(px - 5, py + 5, px + 5, py - 5, "axis")]
    drawn.append(element("circle", cx=across(scene.start[0]), cy=up(scene.start[1]), r=4.5, class_="mark"))
    drawn += _names(scene)
    rows = tuple(
        (
            each.optimizer,
            f"{each.rate:.3g}",
            "-" if each.arrived.value is None else f"{each.arrived.value:.0f}",
            f"{each.losses[-1] - scene.lowest:.3g}",
            f"{each.places[-1][0]:.4g}, {each.places[-1][1]:.4g}",
            f"{each.evaluations:,}",
        )
        for each in scene.paths
    )
    head = ("optimiser", "rate", "arrives at step", "height above lowest", "ends at", "evaluations")
    desc = f"{scene.formula} with {len(scene.paths)} paths from {scene.start}"
    tall = TALL + 16 + 18 * ((len(scene.paths) + 2) // 3)
    return Chart(drawing(WIDTH, tall, drawn, key=key, title=title, desc=desc), title, desc, head, rows)


def levels_of(scene: Scene) -> list[float]:
    """Heights to draw: closer together the lower, from the lowest point to the window's highest."""
    highest = max(max(row) for row in scene.grid) - scene.lowest
    return [scene.lowest + highest * 10 ** (-4 + 4 * (number + 0.5) / LEVELS) for number in range(LEVELS)]


def _level(scene: Scene, at: float, across: Scale, up: Scale) -> Markup:
    left, right, low, high = scene.window
    side = len(scene.grid) - 1
    parts = []
    for (ax, ay), (bx, by) in segments(scene.grid, at):
        ends = [
            (across(left + (right - left) * x / side), up(low + (high - low) * y / side))
            for x, y in ((ax, ay), (bx, by))
        ]
        parts.append(f"M{short(ends[0][0])} {short(ends[0][1])}L{short(ends[1][0])} {short(ends[1][1])}")
    return element("path", d="".join(parts), class_="grid", fill="none") if parts else Markup("")


def segments(grid: Grid, at: float) -> list[tuple[Place, Place]]:
    """Pieces of the line where a grid has the height ``at``, as (column, row) with fractions.

    Each cell is cut into two triangles, in each of which a plane goes through the corners: no cell is ambiguous.
    """
    found = []
    for row in range(len(grid) - 1):
        for column in range(len(grid[0]) - 1):
            corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
            heights = [grid[y][x] for x, y in corners]
            if min(heights) > at or max(heights) < at:
                continue
            for a, b, c in ((0, 1, 2), (0, 2, 3)):
                cuts = [
                    _between(corners[p], corners[q], heights[p], heights[q], at)
                    for p, q in ((a, b), (b, c), (c, a))
                    if (heights[p] < at) != (heights[q] < at)
                ]
                if len(cuts) == 2:
                    found.append((cuts[0], cuts[1]))
    return found


def _between(a: tuple[int, int], b: tuple[int, int], low: float, high: float, at: float) -> Place:
    share = (at - low) / (high - low)
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _axes(across: Scale, up: Scale) -> list[Markup]:
    drawn = [line(across.start, up.start, across.end, up.start, "axis")]
    for scale, vertical in ((across, False), (up, True)):
        marks = ticks(scale.low, scale.high, most=5)
        for at in marks.values:
            words = label(at, marks)
            if vertical:
                drawn.append(text(across.start - 6, up(at) + 4, words, "tick", anchor="end"))
            else:
                drawn.append(text(across(at), up.start + 16, words, "tick", anchor="middle"))
    return drawn


def _names(scene: Scene) -> list[Markup]:
    drawn = []
    for index, each in enumerate(scene.paths):
        row, column = divmod(index, 3)
        x, y = 8 + 146 * column, TALL + 14 + 18 * row
        colour, dashes = f"s{index % MOST + 1}", "5 3" if index >= MOST else None
        drawn.append(
            element(
                "polyline", points=path([(x, y - 4), (x + 20, y - 4)]), class_=f"line {colour}", stroke_dasharray=dashes
            )
        )
        drawn.append(text(x + 26, y, cut(f"{each.optimizer} {each.rate:.2g}", 15), f"label {colour}"))
    return drawn
