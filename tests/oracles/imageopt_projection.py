"""Slow, exact answers for regions: nearest points by scipy, dual norms by definition; imports nothing of striate."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize


def nearest_in_ball_and_box(x: np.ndarray, centre: np.ndarray, radius: float, norm: float) -> np.ndarray:
    """argmin ||y - x||^2 over ||y - centre||_norm <= radius and 0 <= y <= 1, flat float64 vectors, by SLSQP."""
    low, high = np.zeros_like(x), np.ones_like(x)
    constraints = []
    if math.isinf(norm):
        low, high = np.maximum(low, centre - radius), np.minimum(high, centre + radius)
    else:
        constraints = [
            {
                "type": "ineq",
                "fun": lambda y: radius**2 - ((y - centre) ** 2).sum(),
                "jac": lambda y: -2 * (y - centre),
            }
        ]
    answer = minimize(
        lambda y: ((y - x) ** 2).sum(),
        np.clip(centre, low, high),
        jac=lambda y: 2 * (y - x),
        bounds=list(zip(low, high, strict=True)),
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-11},
    )
    assert getattr(answer, "status", 0) in {0, 8}, answer.message  # 8: no further descent within rounding
    return answer.x


def nearest_by_bisection(x: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The L2 and box case by bisecting the multiplier m of y = clip((x + m * centre) / (1 + m), 0, 1)."""

    def point(multiplier: float) -> np.ndarray:
        return np.clip((x + multiplier * centre) / (1 + multiplier), 0, 1)

    def length(multiplier: float) -> float:
        return float(np.sqrt(((point(multiplier) - centre) ** 2).sum()))

    if length(0.0) <= radius:
        return point(0.0)
    low, high = 0.0, 1.0
    while length(high) > radius:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if length(middle) > radius else (low, middle)
    return point(high)


def dual_norm(gradient: np.ndarray, norm: float) -> float:
    """max <gradient, d> over ||d||_norm <= 1 (Boyd & Vandenberghe 2004, section A.1.6)."""
    other = {1.0: math.inf, 2.0: 2.0, math.inf: 1.0}[norm]
    return float(np.linalg.norm(gradient, other))


def linear_margin_after_attack(
    weights: np.ndarray, bias: np.ndarray, image: np.ndarray, *, label: int, radius: float, norm: float
) -> float:
    """The least lead of ``label`` over the other of two classes within the ball: Hoelder's inequality with equality."""
    other = 1 - label
    difference = weights[label] - weights[other]
    return float(difference @ image + bias[label] - bias[other]) - radius * dual_norm(difference, norm)
