"""Slow answers for searches, from their papers or by scipy, in float64; imports nothing of striate."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def quadratic(size: int, seed: int, condition: float) -> tuple[np.ndarray, np.ndarray]:
    """A positive definite matrix with eigenvalues from 1 to ``condition``, and its linear term."""
    draw = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(draw.normal(size=(size, size)))
    return basis @ np.diag(np.geomspace(1, condition, size)) @ basis.T, draw.normal(size=size)


def lowest_in_box(matrix: np.ndarray, linear: np.ndarray, low: float, high: float) -> np.ndarray:
    """argmin 1/2 x'Ax - b'x over low <= x <= high, by L-BFGS-B at its tightest."""
    answer = minimize(
        lambda x: 0.5 * x @ matrix @ x - linear @ x,
        np.full(len(linear), (low + high) / 2),
        jac=lambda x: matrix @ x - linear,
        bounds=[(low, high)] * len(linear),
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000, "maxcor": 30},
    )
    return answer.x


def momentum_iterates(
    gradients: list[np.ndarray], start: np.ndarray, *, size: float, decay: float, low: np.ndarray, high: np.ndarray
) -> list[np.ndarray]:
    """Dong et al. 2018, algorithm 1: g <- decay g + grad / ||grad||_1; x <- clip(x + size sign(g)), given gradients."""
    x, g, visited = start.copy(), np.zeros_like(start), []
    for gradient in gradients:
        g = decay * g + gradient / np.abs(gradient).sum()
        x = np.clip(x + size * np.sign(g), low, high)
        visited.append(x.copy())
    return visited


def two_loops(pairs: list[tuple[np.ndarray, np.ndarray]], gradient: np.ndarray) -> np.ndarray:
    """H g by the explicit BFGS matrix (Nocedal & Wright 2006, equations 7.16 to 7.20), pairs from old to new."""
    size = len(gradient)
    s, y = pairs[-1]
    inverse = (s @ y) / (y @ y) * np.eye(size)
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = np.eye(size) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    return inverse @ gradient


def polynomial_change(u: np.ndarray, index: float) -> np.ndarray:
    """Deb & Goyal 1996: the change whose density is (index + 1) / 2 (1 - |d|)^index, by inverting its distribution."""
    grid = np.linspace(-1, 1, 400_001)
    density = 0.5 * (index + 1) * (1 - np.abs(grid)) ** index
    distribution = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    return np.interp(u, distribution, grid)
