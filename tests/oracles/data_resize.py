"""Resizing by the definition, one output pixel at a time, in float64; and the size after a resize of the short side."""

from __future__ import annotations

import math

import numpy as np


def triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def cubic(x: float) -> float:  # Keys 1981 with a = -1/2, Pillow's
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def lanczos(x: float) -> float:
    if abs(x) >= 3:
        return 0.0
    return 1.0 if x == 0 else 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


FILTERS = {"bilinear": (triangle, 1.0), "bicubic": (cubic, 2.0), "lanczos": (lanczos, 3.0)}


def resized_line(line: np.ndarray, count: int, interpolation: str) -> np.ndarray:
    kernel, _ = FILTERS[interpolation]
    scale = len(line) / count
    wide = max(scale, 1.0)
    out = np.zeros(count)
    for place in range(count):
        centre = (place + 0.5) * scale
        weights = np.array([kernel((source + 0.5 - centre) / wide) for source in range(len(line))])
        out[place] = (weights * line).sum() / weights.sum()
    return out


def resized(plane: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    across = np.stack([resized_line(row, width, interpolation) for row in plane.astype(np.float64)])
    down = np.stack([resized_line(column, height, interpolation) for column in across.T], axis=1)
    return np.clip(down, 0.0, 1.0)
