"""Colour scales of heat maps: a few anchor colours each, light enough for whoever draws the colour bar."""

from __future__ import annotations

Anchors = tuple[tuple[int, int, int], ...]

# Ten evenly spaced colours of viridis (van der Walt & Smith 2015): lightness rises evenly from 0 to the top.
UNSIGNED: Anchors = (
    (68, 1, 84),
    (72, 40, 120),
    (62, 73, 137),
    (49, 104, 142),
    (38, 130, 142),
    (31, 158, 137),
    (53, 183, 121),
    (110, 206, 88),
    (181, 222, 43),
    (253, 231, 37),
)

# Blue, white, red; the middle is exactly white, so zero is. Hues of ColorBrewer's RdBu (Brewer 2002).
SIGNED: Anchors = (
    (5, 48, 97),
    (33, 102, 172),
    (103, 169, 207),
    (209, 229, 240),
    (255, 255, 255),
    (253, 219, 199),
    (239, 138, 98),
    (178, 24, 43),
    (103, 0, 31),
)

OPACITY = 0.5  # of the map where it lies over the grey image


def anchors(signed: bool) -> Anchors:
    """The colours of a scale at even distances, low end first, as RGB from 0 to 255."""
    return SIGNED if signed else UNSIGNED


def stops(signed: bool) -> tuple[str, ...]:
    """The same colours as ``#rrggbb``, for a gradient in CSS or SVG."""
    return tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in anchors(signed))
