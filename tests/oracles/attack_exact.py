"""What is known exactly of attacks on linear nets, by trying everything or in closed form; imports nothing of ours."""

from __future__ import annotations

from itertools import product

import numpy as np


def best_pixel(image: np.ndarray, weight: np.ndarray, bias: np.ndarray, label: int) -> float:
    """The largest lead of another class that one pixel can give: it is convex in the colour, so at a corner.

    image (C, H, W), weight (K, C, H, W), bias (K,).
    """
    channels, height, width = image.shape
    best = -np.inf
    for i in range(height):
        for j in range(width):
            for colour in product((0.0, 1.0), repeat=channels):
                changed = image.copy()
                changed[:, i, j] = colour
                logits = (weight * changed).sum((1, 2, 3)) + bias
                best = max(best, np.delete(logits, label).max() - logits[label])
    return best


def distance_to_plane(image: np.ndarray, weight: np.ndarray, bias: np.ndarray, label: int, norm: float) -> float:
    """How far the nearest other class of a linear net is, where no box is in the way: lead over dual norm."""
    logits = (weight * image).sum((1, 2, 3)) + bias
    lengths = []
    for other in range(len(bias)):
        if other != label:
            apart = weight[other] - weight[label]
            dual = np.abs(apart).sum() if np.isinf(norm) else np.sqrt((apart**2).sum())
            lengths.append((logits[label] - logits[other]) / dual)
    return min(lengths)
