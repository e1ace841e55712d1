"""Slow inversion of linear codes in float64, loops from the paper's formulas; imports nothing of striate."""

from __future__ import annotations

import math

import numpy as np


def regulariser(
    image: np.ndarray, *, alpha: float, beta: float, bound: float, value: float, smoothness: float
) -> float:
    """Mahendran & Vedaldi 2015, section 3, of sigma x = image - 1/2: l_a sum |x|^a + l_V sum (dx^2 + dy^2)^(b/2)."""
    channels, height, width = image.shape
    sigma = value * math.sqrt(channels * height * width)
    weight = sigma**alpha / (height * width * bound**alpha)
    x = (image - 0.5) / sigma
    powers, variation = 0.0, 0.0
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                powers += abs(x[c, i, j]) ** alpha
                across = x[c, i, j + 1] - x[c, i, j] if j + 1 < width else 0.0
                down = x[c, i + 1, j] - x[c, i, j] if i + 1 < height else 0.0
                variation += (across**2 + down**2) ** (beta / 2)
    return weight * powers + smoothness * variation


def ridge(matrix: np.ndarray, code: np.ndarray, shape: tuple[int, int, int], mu: float, nu: float) -> np.ndarray:
    """argmin |M y - code|^2 / |code|^2 + mu |y - 1/2|^2 + nu sum of squared differences, from its normal equations."""
    channels, height, width = shape
    size = channels * height * width
    number = np.arange(size).reshape(shape)
    rough = np.zeros((size, size))
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                for k, l in ((i + 1, j), (i, j + 1)):  # noqa: E741
                    if k < height and l < width:
                        edge = np.zeros(size)
                        edge[number[c, k, l]], edge[number[c, i, j]] = 1.0, -1.0
                        rough += np.outer(edge, edge)
    norm = float(code @ code)
    left = matrix.T @ matrix / norm + mu * np.eye(size) + nu * rough
    right = matrix.T @ code / norm + mu * 0.5 * np.ones(size)
    return np.linalg.solve(left, right).reshape(shape)


def on_the_arc(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """A turn of the plane of two codes by a share of the angle between them, at the length in between."""
    a = start / np.linalg.norm(start)
    across = end - (end @ a) * a
    b = across / np.linalg.norm(across)
    angle = share * math.acos(float(start @ end / np.linalg.norm(start) / np.linalg.norm(end)))
    length = (1 - share) * np.linalg.norm(start) + share * np.linalg.norm(end)
    return length * (math.cos(angle) * a + math.sin(angle) * b)
