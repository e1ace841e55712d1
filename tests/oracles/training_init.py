"""Variances of starting weights, from the papers' formulas, and an LSUV that repeats passes as the paper has it."""

from __future__ import annotations

import numpy as np


def variance(scheme: str, fan_in: int, fan_out: int) -> float:
    """Variance of one weight."""
    if scheme.startswith("xavier"):
        return 2 / (fan_in + fan_out)
    if scheme.startswith("he"):
        return 2 / fan_in
    if scheme == "sparse":
        return min(15, fan_in) / fan_in
    if scheme == "normal_01":
        return 1e-4
    raise ValueError(scheme)


def fourth_moment(scheme: str, fan_in: int) -> float:
    """Fourth moment over the squared second: 3 for a normal, 9/5 for a uniform, more where most are 0."""
    return 1.8 if scheme.endswith("uniform") else 3 * fan_in / min(15, fan_in) if scheme == "sparse" else 3.0


def lsuv(weights: list[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Weights (out, in) of a chain of linear layers with ReLU between, layer by layer, in passes over all rows."""
    done: list[np.ndarray] = []
    for weight in weights:
        current = weight.astype(np.float64)
        for _ in range(10):
            hidden = rows.astype(np.float64)
            for earlier in done:
                hidden = np.maximum(hidden @ earlier.T, 0)
            spread = (hidden @ current.T).std(ddof=1)
            if abs(spread**2 - 1) < 1e-12:
                break
            current = current / spread
        done.append(current)
    return done
