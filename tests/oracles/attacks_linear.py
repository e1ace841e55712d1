"""The smallest change of a linear classifier in a box, by general solvers: linear programs and bisection."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linprog

Vector = np.ndarray


def smallest(x: Vector, slope: Vector, lead: float, norm: float) -> float:
    """The least norm of d with ``<slope, d> >= lead`` and x + d in [0, 1]; infinity where there is none."""
    low, high = -x, 1 - x
    if np.maximum(slope * low, slope * high).sum() < lead:
        return math.inf
    if norm == 2:
        return _quadratic(low, high, slope, lead)
    n = len(x)
    if norm == 1:  # d = p - q
        found = linprog(
            np.ones(2 * n), A_ub=[np.concatenate([-slope, slope])], b_ub=[-lead],
            bounds=[(0, h) for h in high] + [(0, -each) for each in low],
        )  # fmt: skip
        return float(found.fun)
    rows = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))], [-slope[None], np.zeros((1, 1))]])
    found = linprog(
        np.append(np.zeros(n), 1.0), A_ub=rows, b_ub=np.append(np.zeros(2 * n), -lead),
        bounds=[*zip(low, high, strict=True), (0, None)],
    )  # fmt: skip
    return float(found.fun)


def _quadratic(low: Vector, high: Vector, slope: Vector, lead: float) -> float:
    """d = clip(t * slope), by bisection over the multiplier t."""
    few, many = 0.0, 1.0
    while (slope * np.clip(many * slope, low, high)).sum() < lead and many < 1e12:
        many *= 2
    for _ in range(200):
        middle = (few + many) / 2
        if (slope * np.clip(middle * slope, low, high)).sum() < lead:
            few = middle
        else:
            many = middle
    return float(np.linalg.norm(np.clip(many * slope, low, high)))
