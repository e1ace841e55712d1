"""Corruptions pixel by pixel. Source: Hendrycks & Dietterich 2019 and ImageMagick's documentation of motion blur."""

from __future__ import annotations

import colorsys
import math

Plane = list[list[float]]


def smeared(plane: Plane, radius: float, sigma: float, degrees: float) -> Plane:
    """Half a Gaussian along a line of whole-pixel offsets; edge pixels go on beyond."""
    height, width = len(plane), len(plane[0])
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(2 * math.ceil(radius) + 1)]
    angle = math.radians(degrees)
    result = [[0.0] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            for i, weight in enumerate(weights):
                at_x = min(max(x + math.ceil(i * math.cos(angle) - 0.5), 0), width - 1)
                at_y = min(max(y + math.ceil(i * math.sin(angle) - 0.5), 0), height - 1)
                result[y][x] += weight / sum(weights) * plane[at_y][at_x]
    return result


def brightened(pixel: tuple[float, float, float], more: float) -> tuple[float, float, float]:
    """A colour with more value."""
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1.0))


def disc_mean(plane: Plane, radius: int, y: int, x: int) -> float:
    """The mean over a hard disc about a pixel that lies wholly inside."""
    values = [
        plane[y + dy][x + dx]
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if dy * dy + dx * dx <= radius * radius
    ]
    return sum(values) / len(values)
