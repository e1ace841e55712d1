"""Outlines of the ten classes of `shapes` as signed distances: negative inside, positive outside, 1 is the radius.

Coordinates are (n, H, W) each, x to the right and y up, in units of the shape's radius.

Source: the distance to a polygon is the least distance to its edges, its sign the parity of crossings (the even-odd
rule; Foley, van Dam, Feiner & Hughes 1990, section 19.5); the others follow from the distance to a circle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Outline = Callable[[Tensor, Tensor], Tensor]
Corner = tuple[float, float]


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.sqrt(x * x + y * y) - 0.92


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.sqrt(x * x + y * y) - 0.71).abs() - 0.23


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    disc = torch.sqrt((x + 0.12) ** 2 + y * y) - 0.94
    bite = 0.76 - torch.sqrt((x - 0.36) ** 2 + y * y)
    return torch.maximum(disc, bite)


def _heart(x: Tensor, y: Tensor) -> Tensor:
    side = 0.62  # half the side of the square on its corner; the lobes sit on the middles of its upper sides
    y = y + 0.06
    across, up = (x + y) * math.sqrt(0.5), (y - x) * math.sqrt(0.5)
    square = torch.maximum(across.abs(), up.abs()) - side
    right = torch.sqrt((across - side) ** 2 + up**2) - side
    left = torch.sqrt(across**2 + (up - side) ** 2) - side
    return torch.minimum(square, torch.minimum(left, right))


def polygon(corners: Sequence[Corner]) -> Outline:
    """The outline with these corners, in order; it may be concave."""

    def outline(x: Tensor, y: Tensor) -> Tensor:
        nearest = torch.full_like(x, 1e9)
        inside = torch.zeros_like(x, dtype=torch.bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            ex, ey = x1 - x0, y1 - y0
            wx, wy = x - x0, y - y0
            along = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp_(0.0, 1.0)
            nearest = torch.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
            if ey != 0.0:
                inside ^= ((y > y0) != (y > y1)) & (wx < ex / ey * wy)
        return torch.where(inside, -1.0, 1.0) * torch.sqrt(nearest)

    return outline


def _regular(count: int, radius: float, *, turn: float, inner: float | None = None) -> list[Corner]:
    corners = count if inner is None else 2 * count
    radii = [radius if inner is None or not number % 2 else inner for number in range(corners)]
    angles = [turn + 2 * math.pi * number / corners for number in range(corners)]
    return [(r * math.cos(angle), r * math.sin(angle)) for r, angle in zip(radii, angles, strict=True)]


_UP = math.pi / 2
_BAR = 0.3
_CROSS = [
    (_BAR, 0.95), (_BAR, _BAR), (0.95, _BAR), (0.95, -_BAR), (_BAR, -_BAR), (_BAR, -0.95),
    (-_BAR, -0.95), (-_BAR, -_BAR), (-0.95, -_BAR), (-0.95, _BAR), (-_BAR, _BAR), (-_BAR, 0.95),
]  # fmt: skip
_ARROW = [(1.0, 0.0), (0.12, 0.84), (0.12, 0.3), (-0.95, 0.3), (-0.95, -0.3), (0.12, -0.3), (0.12, -0.84)]

OUTLINES: dict[str, Outline] = {
    "circle": _circle,
    "ring": _ring,
    "crescent": _crescent,
    "heart": _heart,
    "triangle": polygon(_regular(3, 1.05, turn=_UP)),
    "square": polygon(_regular(4, 1.12, turn=_UP / 2)),
    "hexagon": polygon(_regular(6, 1.0, turn=_UP)),
    "star": polygon(_regular(5, 1.08, turn=_UP, inner=0.46)),
    "cross": polygon(_CROSS),
    "arrow": polygon(_ARROW),
}
CLASSES = tuple(OUTLINES)
