"""Slow style losses, flow and colours, float64 loops from the papers' formulas; imports nothing of striate."""

from __future__ import annotations

import numpy as np


def guided_gram(maps: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Gatys et al. 2017, equations 5 and 6: maps (C, H, W) times a guide T (H, W) whose squares sum to 1."""
    guide = guide / np.sqrt((guide**2).sum())
    channels, height, width = maps.shape
    out = np.zeros((channels, channels))
    for one in range(channels):
        for two in range(channels):
            for row in range(height):
                for column in range(width):
                    place = guide[row, column]
                    out[one, two] += place * maps[one, row, column] * place * maps[two, row, column]
    return out


def warped(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The image (C, H, W) at p plus the flow (2, H, W; x, y), linear between pixels, the edge continued."""
    channels, height, width = image.shape
    out = np.zeros((channels, *flow.shape[1:]))
    for row in range(flow.shape[1]):
        for column in range(flow.shape[2]):
            x = min(max(column + flow[0, row, column], 0.0), width - 1.0)
            y = min(max(row + flow[1, row, column], 0.0), height - 1.0)
            left, top = int(np.floor(x)), int(np.floor(y))
            right, below = min(left + 1, width - 1), min(top + 1, height - 1)
            for k in range(channels):
                upper = (1 - (x - left)) * image[k, top, left] + (x - left) * image[k, top, right]
                lower = (1 - (x - left)) * image[k, below, left] + (x - left) * image[k, below, right]
                out[k, row, column] = (1 - (y - top)) * upper + (y - top) * lower
    return out


def visible(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Ruder et al. 2016, section 4.2: 0 where |w~ + w^|^2 > .01 (|w~|^2 + |w^|^2) + .5, where
    |grad u^|^2 + |grad v^|^2 > .01 |w^|^2 + .002, and where w^ leads out of the picture; else 1."""
    there = warped(forward, backward)
    _, height, width = backward.shape
    out = np.ones((height, width))
    for row in range(height):
        for column in range(width):
            back, ahead = backward[:, row, column], there[:, row, column]
            if ((ahead + back) ** 2).sum() > 0.01 * ((ahead**2).sum() + (back**2).sum()) + 0.5:
                out[row, column] = 0
            slope = 0.0
            for k in range(2):
                if column + 1 < width:
                    slope += (backward[k, row, column + 1] - back[k]) ** 2
                if row + 1 < height:
                    slope += (backward[k, row + 1, column] - back[k]) ** 2
            if slope > 0.01 * (back**2).sum() + 0.002:
                out[row, column] = 0
            if not (0 <= column + back[0] <= width - 1 and 0 <= row + back[1] <= height - 1):
                out[row, column] = 0
    return out


def long_term(visible_back: list[np.ndarray]) -> list[np.ndarray]:
    """Ruder et al. 2016, section 4.3: max(c_j - sum of the c of nearer frames, 0), nearest first."""
    return [np.maximum(each - sum(visible_back[:k], np.zeros_like(each)), 0) for k, each in enumerate(visible_back)]
