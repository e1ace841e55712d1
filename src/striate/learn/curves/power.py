"""A power law through errors at several sizes, with intervals by drawing the errors anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from striate.core.number import Number
from striate.core.rng import Rng

from .payload import Forecast, PowerLaw

DRAWS, LEAST_SIZES, FARTHEST = 300, 3, 16.0
Array = NDArray[np.float64]
_EXPONENTS = np.geomspace(0.02, 3.0, 160)
WHY = "percentiles of fits to errors drawn anew, binomial beside the spread of the seeds"


def fit_power(
    sizes: Sequence[int], errors: Sequence[float], counts: Sequence[int], *, seed: int = 0, ahead: Sequence[float] = ()
) -> PowerLaw:
    """``error = floor + scale * n ** -exponent`` by least squares, with floor and scale at least 0.

    For each exponent of a fine grid the two others follow in closed form (non-negative least squares of two columns);
    the best exponent is kept. Errors are weighed by their binomial variance. Intervals: each error is drawn anew from
    its spread (the seeds of one size, or the images counted, whichever is wider), the fit made again, `DRAWS` times.

    Args:
        sizes: Training images, one for each error; the same size may come several times.
        errors: Shares of test images that are wrong.
        counts: Test images behind each error.
        seed: Of the draws.
        ahead: Multiples of the largest size at which to forecast.

    Source: Hestness et al. 2017, "Deep learning scaling is predictable, empirically", section 3; Cortes et al. 1994.
    """
    grid = sorted(set(sizes))
    if len(grid) < LEAST_SIZES:
        none = Number.missing(f"{len(grid)} sizes, and a power law needs {LEAST_SIZES}")
        return PowerLaw(none, none, none, why=none.why)
    n, e, k = (np.asarray(each, dtype=np.float64) for each in (sizes, errors, counts))
    means = np.array([e[n == size].mean() for size in grid])
    spread = np.array([_spread(e[n == size], k[n == size]) for size in grid])
    at = np.array(grid, dtype=np.float64)
    where = [*grid, *(round(grid[-1] * each) for each in ahead)]
    best = _fit(at, means[None], spread)[0]
    drawn = Rng(seed, "learning-curve/power").normal(torch.arange(DRAWS), (len(grid),)).numpy()
    fits = _fit(at, np.clip(means + spread * drawn, 0.0, 1.0), spread)
    told = np.array(where, dtype=np.float64)
    curves = np.array([_law(told, each) for each in fits])
    scale, exponent, floor = (_number(value, fits[:, place]) for place, value in enumerate(best))
    forecasts = tuple(
        Forecast(size, _number(value, curves[:, place]))
        for place, (size, value) in enumerate(zip(where, _law(told, best), strict=True))
    )
    return PowerLaw(scale, exponent, floor, forecasts)


def _fit(sizes: Array, errors: Array, spread: Array) -> Array:
    """Scale, exponent and floor (D, 3) of the least weighted squares, of each row of ``errors`` (D, S).

    Of each exponent the best scale and floor that are not negative are those of the plain least squares where these
    are none below 0, else one of them alone.
    """
    a, b, y = _EXPONENTS[:, None], 1.0 / spread, errors / spread
    column = sizes[None, :] ** -a * b
    aa, bb, ab = (column**2).sum(1), float(b @ b), column @ b
    ay, by = y @ column.T, (y @ b)[:, None]
    determinant = np.maximum(aa * bb - ab**2, 1e-300)
    both = (bb * ay - ab * by) / determinant, (aa * by - ab * ay) / determinant
    right = (both[0] >= 0) & (both[1] >= 0) & (determinant > 1e-12 * aa * bb)
    nothing = np.zeros_like(ay)
    found = [both, (np.maximum(ay / aa, 0.0), nothing), (nothing, np.maximum(by / bb, 0.0) + nothing)]
    rest = [p**2 * aa + q**2 * bb + 2 * p * q * ab - 2 * p * ay - 2 * q * by for p, q in found]
    rest[0] = np.where(right, rest[0], np.inf)
    way = np.argmin(rest, 0)
    at = np.take_along_axis(np.array(rest), way[None], 0)[0].argmin(1)
    rows = np.arange(len(errors))
    chosen = way[rows, at]
    scale, floor = (np.array([pair[part] for pair in found])[chosen, rows, at] for part in (0, 1))
    return np.stack([scale, _EXPONENTS[at], floor], 1)


def _law(sizes: Array, fit: Sequence[float] | Array) -> Array:
    scale, exponent, floor = fit
    return np.asarray(floor + scale * sizes**-exponent, dtype=np.float64)


def _spread(errors: Array, counts: Array) -> float:
    """Standard error of the mean error at one size: by its seeds or by its images, whichever is wider."""
    mean, count = float(errors.mean()), float(counts.mean())
    by_images = np.sqrt(max(mean * (1 - mean), 1.0 / count) / count)
    by_seeds = float(errors.std(ddof=1) / np.sqrt(len(errors))) if len(errors) > 1 else 0.0
    return float(max(by_images, by_seeds))


def _number(value: float, draws: Array) -> Number:
    low, high = (float(each) for each in np.quantile(draws, [0.025, 0.975]))
    return Number(float(value), min(low, float(value)), max(high, float(value)), why=WHY)
