"""A shifted and turned image, pixel by pixel in float64; imports nothing of striate."""

from __future__ import annotations

import math

import numpy as np


def moved(image: np.ndarray, right: float, down: float, degrees: float) -> np.ndarray:
    """The image (C, H, W) turned counter-clockwise as seen about its middle, then shifted; bilinear, black outside.

    A point of the picture at (u, v) from the middle, v upwards, goes to (u cos - v sin, u sin + v cos) and then by
    the shift; every pixel of the result therefore asks where the point in its middle came from.
    """
    channels, height, width = image.shape
    out = np.zeros((channels, height, width))
    angle = math.radians(degrees)
    for y in range(height):
        for x in range(width):
            u, v = x + 0.5 - right - width / 2, height / 2 - (y + 0.5 - down)
            u, v = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
            column, line = u + width / 2 - 0.5, height / 2 - v - 0.5
            left, top = math.floor(column), math.floor(line)
            for j in (top, top + 1):
                for i in (left, left + 1):
                    if 0 <= j < height and 0 <= i < width:
                        out[:, y, x] += (1 - abs(line - j)) * (1 - abs(column - i)) * image[:, j, i]
    return out
