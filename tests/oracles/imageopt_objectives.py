"""Slow objectives for one image at a time, float64 loops from the papers' formulas; imports nothing of striate."""

from __future__ import annotations

import math

import numpy as np


def difference_of_logits_ratio(logits: np.ndarray, label: int, target: int | None = None) -> float:
    """Croce & Hein 2020: minus (z_y - max others) over z_1 - z_3; with a target over z_1 - (z_3 + z_4) / 2."""
    ordered = sorted((float(each) for each in logits), reverse=True)
    if target is None:
        other = max(float(each) for place, each in enumerate(logits) if place != label)
        return -(logits[label] - other) / (ordered[0] - ordered[2])
    return -(logits[label] - logits[target]) / (ordered[0] - (ordered[2] + ordered[3]) / 2)


def gram(maps: np.ndarray) -> np.ndarray:
    """Means over places of the products of two channels of maps (C, H, W)."""
    channels, height, width = maps.shape
    out = np.zeros((channels, channels))
    for one in range(channels):
        for two in range(channels):
            for row in range(height):
                for column in range(width):
                    out[one, two] += maps[one, row, column] * maps[two, row, column]
    return out / (height * width)


def gatys_loss(maps: np.ndarray, other: np.ndarray) -> float:
    """Gatys et al. 2016, equation 4, with Gram matrices of sums: maps of the same shape."""
    channels, places = maps.shape[0], maps.shape[1] * maps.shape[2]
    difference = (gram(maps) - gram(other)) * places
    return float((difference**2).sum() / (4 * channels**2 * places**2))


def patches(maps: np.ndarray, size: int, stride: int) -> list[np.ndarray]:
    """All patches of maps (C, H, W), flat."""
    _, height, width = maps.shape
    return [
        maps[:, row : row + size, column : column + size].flatten()
        for row in range(0, height - size + 1, stride)
        for column in range(0, width - size + 1, stride)
    ]


def markov_loss(maps: np.ndarray, styles: list[np.ndarray], size: int, stride: int) -> float:
    """Li & Wand 2016, equations 2 and 3."""
    given = [each for style in styles for each in patches(style, size, stride)]
    total = 0.0
    for own in patches(maps, size, stride):
        alike = [float(own @ each) / math.sqrt(float(own @ own) * float(each @ each)) for each in given]
        total += float(((own - given[alike.index(max(alike))]) ** 2).sum())
    return total


def variation(image: np.ndarray, beta: float) -> float:
    """Mahendran & Vedaldi 2015: sum (dx^2 + dy^2)^(beta/2); nothing differs beyond the last row and column."""
    channels, height, width = image.shape
    total = 0.0
    for k in range(channels):
        for row in range(height):
            for column in range(width):
                down = image[k, row + 1, column] - image[k, row, column] if row + 1 < height else 0.0
                across = image[k, row, column + 1] - image[k, row, column] if column + 1 < width else 0.0
                total += (down**2 + across**2) ** (beta / 2)
    return total


def cosine(one: np.ndarray, two: np.ndarray) -> float:
    """Of two arrays as vectors."""
    a, b = one.flatten(), two.flatten()
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def diversity(maps: list[np.ndarray], row: int) -> float:
    """Minus the mean cosine of one image's Gram matrix with those of the others."""
    others = [cosine(gram(maps[row]), gram(each)) for place, each in enumerate(maps) if place != row]
    return -sum(others) / len(others)
