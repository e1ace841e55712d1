"""Whether a point lies inside each outline, by plain geometry in float64: half planes, discs, even-odd rays."""

from __future__ import annotations

import math


def _disc(x: float, y: float, cx: float, cy: float, r: float) -> bool:
    return math.hypot(x - cx, y - cy) < r


def _convex(x: float, y: float, sides: int, radius: float, turn: float) -> bool:
    apothem = radius * math.cos(math.pi / sides)
    normals = [turn + math.pi / sides + 2 * math.pi * k / sides for k in range(sides)]
    return all(x * math.cos(a) + y * math.sin(a) < apothem for a in normals)


def _star(x: float, y: float) -> bool:
    """In the sector of each arm the edge is the straight line from the tip to the notch."""
    outer, inner, angle = 1.08, 0.46, math.atan2(y, x) - math.pi / 2
    angle = abs((angle + math.pi / 5) % (2 * math.pi / 5) - math.pi / 5)
    px, py = math.hypot(x, y) * math.cos(angle), math.hypot(x, y) * math.sin(angle)
    nx, ny = inner * math.cos(math.pi / 5), inner * math.sin(math.pi / 5)
    return (nx - outer) * py - ny * (px - outer) > 0


def _heart(x: float, y: float) -> bool:
    y, half, root = y + 0.06, 0.62, math.sqrt(0.5)
    lobes = _disc(x, y, half * root, half * root, half) or _disc(x, y, -half * root, half * root, half)
    return (abs(x + y) * root < half and abs(y - x) * root < half) or lobes


def _arrow(x: float, y: float) -> bool:
    head = 0.12 < x < 1.0 and abs(y) < 0.84 * (1.0 - x) / 0.88
    return head or (-0.95 < x <= 0.12 and abs(y) < 0.3)


INSIDE = {
    "circle": lambda x, y: _disc(x, y, 0, 0, 0.92),
    "ring": lambda x, y: 0.48 < math.hypot(x, y) < 0.94,
    "crescent": lambda x, y: _disc(x, y, -0.12, 0, 0.94) and not _disc(x, y, 0.36, 0, 0.76),
    "heart": _heart,
    "triangle": lambda x, y: _convex(x, y, 3, 1.05, math.pi / 2),
    "square": lambda x, y: max(abs(x), abs(y)) < 1.12 * math.sqrt(0.5),
    "hexagon": lambda x, y: _convex(x, y, 6, 1.0, math.pi / 2),
    "star": _star,
    "cross": lambda x, y: min(abs(x), abs(y)) < 0.3 and max(abs(x), abs(y)) < 0.95,
    "arrow": _arrow,
}
