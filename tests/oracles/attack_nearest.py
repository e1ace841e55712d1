"""Smallest distances and searches for them, slowly and in float64, from the papers; a small net with its gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize

Array = np.ndarray


def smallest_step(x: Array, rows: Array, gaps: Array, norm: float) -> Array:
    """The d of least norm with ``rows @ d >= gaps`` and 0 <= x + d <= 1: a linear program (L1, Linf) or SLSQP (L2)."""
    n = len(x)
    if norm == 2:
        found = minimize(
            lambda d: d @ d,
            np.clip(x + 0.1 * np.sign(rows[0]), 0, 1) - x,
            jac=lambda d: 2 * d,
            bounds=list(zip(-x, 1 - x, strict=True)),
            constraints=[{"type": "ineq", "fun": lambda d: rows @ d - gaps, "jac": lambda _: rows}],
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        assert found.success, found.message
        return found.x
    eye = np.eye(n)
    if math.isinf(norm):
        cost, sizes = np.append(np.zeros(n), 1.0), np.ones((n, 1))
    else:
        cost, sizes = np.append(np.zeros(n), np.ones(n)), eye
    extra = sizes.shape[1]
    above = np.block([[eye, -sizes], [-eye, -sizes], [-rows, np.zeros((len(rows), extra))]])
    limit = np.concatenate([np.zeros(2 * n), -gaps])
    bounds = [*zip(-x, 1 - x, strict=True), *[(0, None)] * extra]
    found = linprog(cost, A_ub=above, b_ub=limit, bounds=bounds, method="highs")
    assert found.success, found.message
    return found.x[:n]


def length(d: Array, norm: float) -> float:
    return float(np.linalg.norm(d.ravel(), norm))


def smallest_distance(weights: Array, bias: Array, x: Array, norm: float, *, label: int, target: int | None) -> float:
    """How far x has to go in the box until a linear net takes it for any other class, or for the target."""
    scores = weights @ x + bias
    classes = [k for k in range(len(bias)) if k != label]
    if target is not None:
        others = [k for k in range(len(bias)) if k != target]
        rows = weights[target] - weights[others]
        return length(smallest_step(x, rows, scores[others] - scores[target], norm), norm)
    ways = []
    for k in classes:
        try:
            rows = (weights[k] - weights[label])[None]
            ways.append(length(smallest_step(x, rows, scores[label, None] - scores[k], norm), norm))
        except AssertionError:  # no image of the box is taken for this class
            continue
    return min(ways)


def fewest_values(normal: Array, gap: float, x: Array) -> int:
    """How many values of x have to change, in the box, for ``normal @ x`` to rise by more than the gap: greedily."""
    gains = np.sort(np.maximum(normal * (1 - x), -normal * x))[::-1]
    return int(np.searchsorted(gains.cumsum(), gap, side="right")) + 1


def saliency_pairs(net: TanhNet, x: Array, target: int, *, ends: tuple[float, ...], steps: int) -> Array:
    """Papernot et al. 2016, algorithm 3: all pairs looked at one by one; the last point."""
    point, free = x.copy(), np.ones(len(x), dtype=bool)
    for _ in range(steps):
        if net.scores(point).argmax() == target:
            break
        jacobian = net.jacobian(point)
        raised, lowered = jacobian[target], jacobian.sum(0) - jacobian[target]
        best = (0.0, None)
        for end in ends:
            way = 1 if end == 1 else -1
            for p in range(len(x)):
                for q in range(p):
                    if not (free[p] and free[q]) or point[p] == end or point[q] == end:
                        continue
                    a, b = way * (raised[p] + raised[q]), way * (lowered[p] + lowered[q])
                    if a > 0 > b and -a * b > best[0]:
                        best = (-a * b, (p, q, end))
        if best[1] is None:
            break
        p, q, end = best[1]
        point[[p, q]], free[[p, q]] = end, False
    return point


@dataclass(frozen=True)
class TanhNet:
    """Scores ``second @ tanh(first @ x)``."""

    first: Array
    second: Array

    def scores(self, x: Array) -> Array:
        return self.second @ np.tanh(self.first @ x)

    def jacobian(self, x: Array) -> Array:
        return (self.second * (1 - np.tanh(self.first @ x) ** 2)) @ self.first


def deepfool(net: TanhNet, x: Array, label: int, *, norm: float, overshoot: float, steps: int) -> Array:
    """Moosavi-Dezfooli et al. 2016, algorithm 2 (L2) and section 3.3 (Linf), each step clamped; the last point."""
    point = x.copy()
    order = 1 if math.isinf(norm) else 2
    for _ in range(steps):
        scores, jacobian = net.scores(point), net.jacobian(point)
        if scores.argmax() != label:
            break
        best = (math.inf, None)
        for k in range(len(scores)):
            if k == label:
                continue
            gap, slope = abs(scores[k] - scores[label]), jacobian[k] - jacobian[label]
            away = gap / np.linalg.norm(slope, order)
            if away < best[0]:
                best = (away, slope)
        away, slope = best
        way = np.sign(slope) if math.isinf(norm) else slope / np.linalg.norm(slope)
        point = np.clip(point + (1 + overshoot) * max(away, 1e-4) * way, 0, 1)
    return point


def fab(
    net: TanhNet, x: Array, label: int, target: int, *, norm: float, steps: int, alpha: float, eta: float, beta: float
) -> Array:
    """Croce & Hein 2020, algorithm 1, on the boundary between label and target; the nearest point across."""
    point, best, nearest = x.copy(), x.copy(), math.inf
    for _ in range(steps):
        scores, jacobian = net.scores(point), net.jacobian(point)
        slope, gap = jacobian[target] - jacobian[label], scores[label] - scores[target]
        step = _either_way(point, slope, gap, norm)
        fresh = _either_way(x, slope, gap - slope @ (x - point), norm)
        share = min(length(step, norm) / (length(step, norm) + length(fresh, norm)), alpha)
        point = np.clip((1 - share) * (point + eta * step) + share * (x + eta * fresh), 0, 1)
        if net.scores(point).argmax() != label:
            if length(point - x, norm) < nearest:
                best, nearest = point.copy(), length(point - x, norm)
            point = x + beta * (point - x)
    return best


def _either_way(x: Array, slope: Array, gap: float, norm: float) -> Array:
    """The shortest step in the box that changes ``slope @ x`` by the gap; the furthest corner where none does."""
    if gap < 0:
        slope, gap = -slope, -gap
    corner = np.where(slope > 0, 1.0, np.where(slope < 0, 0.0, x)) - x
    return corner if slope @ corner <= gap else smallest_step(x, slope[None], np.array([gap]), norm)
