"""Yosinski et al. 2015, section 3.1, pixel by pixel in float64; imports nothing of striate."""

from __future__ import annotations

import math

import numpy as np


def decayed(image: np.ndarray, share: float) -> np.ndarray:
    """x <- (1 - share) x, counted from mid grey."""
    result = image.copy()
    for index in np.ndindex(image.shape):
        result[index] = 0.5 + (1 - share) * (image[index] - 0.5)
    return result


def blurred(image: np.ndarray, width: float) -> np.ndarray:
    """A Gaussian of ``width`` pixels along rows and columns; beyond an edge stands the mirror image, edge included."""

    def smooth(row: np.ndarray) -> np.ndarray:
        side, reach = len(row), math.ceil(8 * width)
        weights = [math.exp(-0.5 * (k / width) ** 2) for k in range(-reach, reach + 1)]
        result = np.zeros(side)
        for i in range(side):
            for k, weight in zip(range(-reach, reach + 1), weights, strict=True):
                at = (i + k) % (2 * side)
                result[i] += weight * row[at if at < side else 2 * side - 1 - at]
        return result / sum(weights)

    result = image.copy()
    for channel in range(image.shape[0]):
        for i in range(image.shape[1]):
            result[channel, i] = smooth(result[channel, i])
        for j in range(image.shape[2]):
            result[channel, :, j] = smooth(result[channel, :, j])
    return result


def clipped_norm(image: np.ndarray, share: float) -> np.ndarray:
    """Pixels grey whose norm over channels lies below the percentile."""
    _, height, width = image.shape
    norms = np.array(
        [[math.sqrt(sum((v - 0.5) ** 2 for v in image[:, i, j])) for j in range(width)] for i in range(height)]
    )
    return _grey_below(image, norms, share)


def clipped_contribution(image: np.ndarray, gradient: np.ndarray, share: float) -> np.ndarray:
    """Pixels grey whose |sum over channels of x * gradient| lies below the percentile."""
    _, height, width = image.shape
    parts = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            parts[i, j] = abs(sum((image[c, i, j] - 0.5) * gradient[c, i, j] for c in range(image.shape[0])))
    return _grey_below(image, parts, share)


def ascent(
    start: np.ndarray,
    gradient: np.ndarray,
    *,
    rate: float,
    steps: int,
    decay: float,
    width: float,
    every: int,
    norm: float,
) -> np.ndarray:
    """x <- r(x + rate * gradient) with decay, blur every so many steps, clipping by norm, and values held in [0, 1]."""
    x = start.copy()
    for step in range(1, steps + 1):
        x = decayed(x + rate * gradient, decay)
        if step % every == 0:
            x = blurred(x, width)
        x = np.clip(clipped_norm(x, norm), 0, 1)
    return x


def _grey_below(image: np.ndarray, strength: np.ndarray, share: float) -> np.ndarray:
    least = np.percentile(strength, 100 * share)
    result = image.copy()
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            if strength[i, j] < least:
                result[:, i, j] = 0.5
    return result
