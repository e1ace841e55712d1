"""AutoPGD for one image in float64, written from the papers; slow, and importing nothing of ours."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray


def project(point: Array, centre: Array, radius: float, norm: float) -> Array:
    """The nearest point of the ball that lies in [0, 1], by bisection of the ball's multiplier."""
    if math.isinf(norm):
        return np.clip(point, np.maximum(centre - radius, 0), np.minimum(centre + radius, 1))
    difference = point - centre

    def at(multiplier: float) -> Array:
        if norm == 2:
            shrunk = difference / (1 + multiplier)
        else:
            shrunk = np.sign(difference) * np.maximum(np.abs(difference) - multiplier, 0)
        return np.clip(centre + shrunk, 0, 1)

    def length(one: Array) -> float:
        return np.linalg.norm((one - centre).ravel(), ord=norm)

    if length(at(0.0)) <= radius:
        return at(0.0)
    low, high = 0.0, 1.0
    while length(at(high)) > radius:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if length(at(middle)) > radius else (low, middle)
    return at(high)


def auto_pgd(
    look: Callable[[Array], tuple[float, Array]],
    centre: Array,
    begin: Array,
    *,
    radius: float,
    norm: float,
    steps: int,
    momentum: float = 0.75,
    rho: float = 0.75,
) -> tuple[float, Array]:
    """Best score and point of Algorithm 1 of Croce & Hein 2020, with the checkpoints of its section 3.1."""
    stretches, at, stretch = set(), 0, max(22 * steps // 100, 1)
    while at + stretch < steps:
        at += stretch
        stretches.add(at)
        stretch = max(stretch - max(3 * steps // 100, 1), 6 * steps // 100, 1)
    x, before, length = begin.copy(), begin.copy(), 2 * radius
    scores, slopes, points = [], [], []
    last_check, halved_there, best_there = 0, True, -math.inf
    for step in range(steps + 1):
        score, slope = look(x)
        scores.append(score)
        slopes.append(slope)
        points.append(x.copy())
        top = int(np.argmax(scores))
        if step == 0:
            best_there = score
        if step == steps:
            break
        start, direction_of = x, slope
        if step in stretches:
            rises = sum(scores[k] > scores[k - 1] for k in range(last_check + 1, step + 1))
            halve = rises <= rho * (step - last_check) or (not halved_there and scores[top] <= best_there)
            if halve:
                length /= 2
                start, direction_of = points[top], slopes[top]
            last_check, halved_there, best_there = step, halve, scores[top]
        direction = np.sign(direction_of) if math.isinf(norm) else direction_of / np.linalg.norm(direction_of)
        share = momentum if step else 1.0
        straight = project(start + length * direction, centre, radius, norm)
        moved = project(start + share * (straight - start) + (1 - share) * (start - before), centre, radius, norm)
        before, x = start, moved
    return scores[top], points[top]


def sparse_auto_pgd(
    look: Callable[[Array], tuple[float, Array]], centre: Array, begin: Array, *, radius: float, steps: int
) -> tuple[float, Array]:
    """Best score and point of the L1 variant of Croce & Hein 2021, from a first point that counts as dense."""
    x, length, share, sparsity = begin.copy(), radius, 0.2, centre.size
    scores, slopes, points = [], [], []
    for step in range(steps + 1):
        score, slope = look(x)
        scores.append(score)
        slopes.append(slope)
        points.append(x.copy())
        top = int(np.argmax(scores))
        if step == steps:
            break
        start, by = x, slope
        if step and step % max(4 * steps // 100, 1) == 0:
            now = max(int((points[top] != centre).sum()), 1)
            if now / sparsity < 0.95:
                length, start, by = radius, points[top], slopes[top]
            else:
                length = max(length / 1.5, radius / 10)
            share, sparsity = now / centre.size / 1.5, now
        count = min(max(math.ceil(share * centre.size), 1), centre.size)
        chosen = np.argsort(-np.abs(by).ravel(), kind="stable")[:count]
        direction = np.zeros(centre.size)
        direction[chosen] = np.sign(by.ravel()[chosen])
        direction = direction.reshape(centre.shape) / max(np.abs(direction).sum(), 1)
        x = project(start + length * direction, centre, radius, 1.0)
    return scores[top], points[top]
