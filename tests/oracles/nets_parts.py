"""Normalisations and units of the papers as loops over single numbers, in float64."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float64]


def local_response(maps: Maps, *, k: float = 2.0, n: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> Maps:
    """Krizhevsky et al. 2012, section 3.3, of maps (N, C, H, W)."""
    out = np.empty_like(maps)
    channels = maps.shape[1]
    for image, channel, row, column in np.ndindex(*maps.shape):
        low, high = max(0, channel - n // 2), min(channels - 1, channel + n // 2)
        squares = sum(maps[image, j, row, column] ** 2 for j in range(low, high + 1))
        out[image, channel, row, column] = maps[image, channel, row, column] / (k + alpha * squares) ** beta
    return out


def local_contrast(maps: Maps, *, side: int = 9) -> Maps:
    """Jarrett et al. 2009, section 2.1.3, weights of places within the map alone, of maps (N, C, H, W)."""
    count, channels, height, width = maps.shape
    half, deviation = side // 2, side / 4
    out = np.empty_like(maps)
    for image in range(count):

        def mean_around(values: Maps, row: int, column: int) -> float:
            total = weight = 0.0
            for p in range(-half, half + 1):
                for q in range(-half, half + 1):
                    if 0 <= row + p < height and 0 <= column + q < width:
                        bell = math.exp(-(p * p + q * q) / (2 * deviation**2))
                        for channel in range(channels):
                            total += bell * values[channel, row + p, column + q]
                            weight += bell
            return total / weight

        centred = np.empty_like(maps[image])
        for row, column in np.ndindex(height, width):
            centred[:, row, column] = maps[image, :, row, column] - mean_around(maps[image], row, column)
        spread = np.empty((height, width))
        for row, column in np.ndindex(height, width):
            spread[row, column] = math.sqrt(mean_around(centred**2, row, column))
        out[image] = centred / np.maximum(spread, spread.mean())
    return out


def grouped(maps: Maps, groups: int, *, epsilon: float = 1e-5) -> Maps:
    """Wu & He 2018, equations 1, 2 and 7, of maps (N, C, H, W)."""
    out = np.empty_like(maps)
    each = maps.shape[1] // groups
    for image in range(maps.shape[0]):
        for group in range(groups):
            part = maps[image, group * each : (group + 1) * each]
            mean = part.sum() / part.size
            variance = ((part - mean) ** 2).sum() / part.size
            out[image, group * each : (group + 1) * each] = (part - mean) / math.sqrt(variance + epsilon)
    return out


def largest_pieces(values: NDArray[np.float64], pieces: int) -> NDArray[np.float64]:
    """Goodfellow et al. 2013, section 3: the largest of each unit's pieces, of rows (N, units * pieces)."""
    return np.array([[max(row[u * pieces : (u + 1) * pieces]) for u in range(len(row) // pieces)] for row in values])
