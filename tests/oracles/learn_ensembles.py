"""Averages of members one number at a time, in float64; and views of an image by its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

Logits = Sequence[Sequence[float]]


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities of one row."""
    top = max(logits)
    powers = [math.exp(each - top) for each in logits]
    return [each / sum(powers) for each in powers]


def mean_probabilities(members: Sequence[Logits]) -> list[list[float]]:
    """The mean over members, image by image and class by class."""
    found = []
    for rows in zip(*members, strict=True):
        shares = [softmax(row) for row in rows]
        found.append([sum(column) / len(members) for column in zip(*shares, strict=True)])
    return found


def geometric_mean(members: Sequence[Logits]) -> list[list[float]]:
    """The geometric mean over members, divided by its sum."""
    found = []
    for rows in zip(*members, strict=True):
        shares = [softmax(row) for row in rows]
        products = [math.prod(column) ** (1 / len(members)) for column in zip(*shares, strict=True)]
        found.append([each / sum(products) for each in products])
    return found


def window(image: Logits, height: int, width: int, top: int, left: int) -> list[list[float]]:
    """A window of an image of one channel, 0 outside of it."""
    return [
        [image[y][x] if 0 <= y < len(image) and 0 <= x < len(image[0]) else 0.0 for x in range(left, left + width)]
        for y in range(top, top + height)
    ]
