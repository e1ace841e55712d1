"""HOG by loops over pixels, cells and blocks. Source: Dalal & Triggs 2005, section 6, without interpolation."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
EPSILON = 1e-5


def histograms(image: Array, cell: int, bins: int) -> Array:
    """(C, H, W) to (rows, columns, bins)."""
    channels, height, width = image.shape
    result = np.zeros((height // cell, width // cell, bins))
    for y in range(height // cell * cell):
        for x in range(width // cell * cell):
            best = (0.0, 0.0, 0.0)
            for c in range(channels):
                down = image[c, y + 1, x] - image[c, y - 1, x] if 0 < y < height - 1 else 0.0
                across = image[c, y, x + 1] - image[c, y, x - 1] if 0 < x < width - 1 else 0.0
                if math.hypot(down, across) > best[0]:
                    best = (math.hypot(down, across), down, across)
            degrees = math.degrees(math.atan2(best[1], best[2])) % 180.0
            number = min(int(degrees // (180.0 / bins)), bins - 1)
            result[y // cell, x // cell, number] += best[0] / cell**2
    return result


def normalised(block: Array, norm: str) -> Array:
    if norm == "L1":
        return block / (np.abs(block).sum() + EPSILON)
    if norm == "L1-sqrt":
        return np.sqrt(block / (np.abs(block).sum() + EPSILON))
    unit = block / math.sqrt((block**2).sum() + EPSILON**2)
    if norm == "L2":
        return unit
    unit = np.minimum(unit, 0.2)
    return unit / math.sqrt((unit**2).sum() + EPSILON**2)


def hog(image: Array, *, cell: int, block: int, bins: int, norm: str) -> Array:
    cells = histograms(image, cell, bins)
    rows, columns, _ = cells.shape
    return np.concatenate(
        [
            normalised(cells[y : y + block, x : x + block], norm).ravel()
            for y in range(rows - block + 1)
            for x in range(columns - block + 1)
        ]
    )
