"""Slow, exact answers for regions: nearest points by scipy, dual norms by definition; imports nothing of striate."""

from __future__ import annotations

import itertools
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


def nearest_in_l1_and_box(x: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """argmin ||y - x||^2 in the L1 ball and [0, 1], as y = centre + p - q with p, q >= 0, by SLSQP."""
    size = len(x)

    def point(parts: np.ndarray) -> np.ndarray:
        return centre + parts[:size] - parts[size:]

    def slope(parts: np.ndarray) -> np.ndarray:
        difference = 2 * (point(parts) - x)
        return np.concatenate([difference, -difference])

    answer = minimize(
        lambda parts: ((point(parts) - x) ** 2).sum(),
        np.zeros(2 * size),
        jac=slope,
        bounds=[(0, 1 - c) for c in centre] + [(0, c) for c in centre],
        constraints=[
            {"type": "ineq", "fun": lambda parts: radius - parts.sum(), "jac": lambda parts: -np.ones_like(parts)}
        ],
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    assert answer.status in {0, 8}, answer.message
    return point(answer.x)


def nearest_in_l0_and_box(x: np.ndarray, centre: np.ndarray, count: int) -> float:
    """min ||y - x||^2 over at most ``count`` pixels (columns of (C, D)) that differ and 0 <= y <= 1: every choice."""
    best = math.inf
    for chosen in itertools.combinations(range(x.shape[1]), min(count, x.shape[1])):
        y = centre.copy()
        y[:, list(chosen)] = np.clip(x[:, list(chosen)], 0, 1)
        best = min(best, float(((y - x) ** 2).sum()))
    return best


def nearest_in_two_balls_and_box(x: np.ndarray, centre: np.ndarray, radius: float, cube: float) -> np.ndarray:
    """argmin ||y - x||^2 over ||y - centre||_2 <= radius, ||y - centre||_inf <= cube and 0 <= y <= 1, by SLSQP."""
    answer = minimize(
        lambda y: ((y - x) ** 2).sum(),
        np.clip(centre, 0, 1),
        jac=lambda y: 2 * (y - x),
        bounds=list(zip(np.maximum(0, centre - cube), np.minimum(1, centre + cube), strict=True)),
        constraints=[
            {
                "type": "ineq",
                "fun": lambda y: radius**2 - ((y - centre) ** 2).sum(),
                "jac": lambda y: -2 * (y - centre),
            }
        ],
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    assert answer.status in {0, 8}, answer.message
    return answer.x
