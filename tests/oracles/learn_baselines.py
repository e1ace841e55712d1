"""Baselines as the papers write them, in slow loops of numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pyramid_match(one: Array, other: Array, cells: Array, words: int, levels: int) -> float:
    """Lazebnik 2006, equation 3, with the Bhattacharyya coefficient: words (P,) of two images on one grid of cells."""
    side, total = 2**levels, 0.0
    for level in range(levels + 1):
        weight = 1 / 2**levels if level == 0 else 1 / 2 ** (levels - level + 1)
        factor = 2 ** (levels - level)
        for row in range(2**level):
            for column in range(2**level):
                inside = [
                    p
                    for p, cell in enumerate(cells)
                    if (cell // side) // factor == row and (cell % side) // factor == column
                ]
                for word in range(words):
                    a = sum(one[p] == word for p in inside) / len(one)
                    b = sum(other[p] == word for p in inside) / len(other)
                    total += weight * math.sqrt(a * b)
    return total


def perceptron(rows: Array, labels: Array, order: list[int], classes: int) -> tuple[Array, Array, int]:
    """Weights after the last image, mean of the weights that met each image, mistakes; a 1 stands behind each row."""
    weights = [[0.0] * (rows.shape[1] + 1) for _ in range(classes)]
    met: list[list[list[float]]] = []
    mistakes = 0
    for place in order:
        image = [*map(float, rows[place]), 1.0]
        met.append([list(each) for each in weights])
        scores = [sum(w * x for w, x in zip(each, image, strict=True)) for each in weights]
        said = scores.index(max(scores))
        if said != labels[place]:
            mistakes += 1
            for j, x in enumerate(image):
                weights[labels[place]][j] += x
                weights[said][j] -= x
    return np.array(weights), np.mean(np.array(met), 0), mistakes


def joint_histogram(image: Array, bins: int) -> Array:
    """Shares of the colours of an image (C, H, W) in [0, 1], channel after channel."""
    channels, height, width = image.shape
    found = np.zeros((bins,) * channels)
    for i in range(height):
        for j in range(width):
            found[tuple(min(int(image[c, i, j] * bins), bins - 1) for c in range(channels))] += 1
    return found.ravel() / (height * width)
