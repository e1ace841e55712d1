"""Intervals of proportions and means, at 95 % unless told otherwise."""

from __future__ import annotations

import math
from statistics import NormalDist

from striate.core.errors import StriateError
from striate.core.number import Number

LEVEL = 0.95


def quantile_of_normal(level: float = LEVEL) -> float:
    """How many standard errors a two-sided interval of this level reaches to each side: 1.96 for 0.95."""
    if not 0 < level < 1:
        raise StriateError(f"level is {level}", accepted="a share between 0 and 1")
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson_bounds(k: float, n: float, *, level: float = LEVEL, continuity: bool = False) -> tuple[float, float]:
    """Ends of the interval of a proportion ``k / n``; they stay inside [0, 1], also where k is 0 or n.

    Raises:
        StriateError: ``n`` is not positive, or ``k`` lies outside [0, n].

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; with ``continuity``
    Newcombe 1998, "Two-sided confidence intervals for the single proportion", method 4.
    """
    if not 0 <= k <= n or n <= 0:
        raise StriateError(f"{k} of {n} is no proportion", accepted="0 <= k <= n, n > 0")
    z, p = quantile_of_normal(level), k / n
    low = high = p
    if continuity:
        if k > 0:
            root = math.sqrt(z * z - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))
            low = (2 * n * p + z * z - 1 - z * root) / (2 * (n + z * z))
        if k < n:
            root = math.sqrt(z * z + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))
            high = (2 * n * p + z * z + 1 + z * root) / (2 * (n + z * z))
    else:
        centre, scale = p + z * z / (2 * n), 1 + z * z / n
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (centre - half) / scale, (centre + half) / scale
    # the ends are exact where the count is at its own end; rounding must not put the estimate outside
    return (max(0.0, min(low, p)) if k > 0 else 0.0, min(1.0, max(high, p)) if k < n else 1.0)


def wilson(k: int, n: int, *, level: float = LEVEL, continuity: bool = False, of: str = "images") -> Number:
    """The share ``k / n`` with its Wilson interval, a Number without value where ``n`` is 0.

    >>> wilson(9, 10).low
    0.5958499732047615
    """
    if n == 0:
        return Number(None, n=0, why=f"0/0: no {of}")
    low, high = wilson_bounds(k, n, level=level, continuity=continuity)
    return Number(k / n, low, high, n)


def normal_interval(value: float, error: float, n: int, *, why: str = "", level: float = LEVEL) -> Number:
    """A value with the interval of its standard error."""
    if not (math.isfinite(value) and math.isfinite(error)):
        return Number.of(value, n=n, why=why or ("" if math.isfinite(value) else f"the computation gave {value}"))
    half = quantile_of_normal(level) * error
    return Number(value, value - half, value + half, n, why)


def logit_interval(value: float, error: float, n: int, *, why: str = "", level: float = LEVEL) -> Number:
    """A share with the interval of its standard error on the scale of log odds, which keeps it inside (0, 1).

    There is no interval where the value is 0 or 1 or the error has no width, and ``why`` says so.

    Source: Pepe 2003, "The statistical evaluation of medical tests for classification and prediction", chapter 5.
    """
    if not (0 < value < 1 and 1e-12 < error < math.inf):
        return Number(min(max(value, 0.0), 1.0), n=n, why=f"no interval: {why or 'its error'} has no width here")
    middle, half = math.log(value / (1 - value)), quantile_of_normal(level) * error / (value * (1 - value))
    low, high = (_logistic(middle + side * half) for side in (-1, 1))
    return Number(value, min(low, value), max(high, value), n, f"95 % by {why}" if why else "")


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def square_and_add(parts: list[Number], weights: list[float]) -> tuple[float, float]:
    """Ends of the interval of a weighted sum of independent figures, from the interval of each.

    Source: Zou & Donner 2008, "Construction of confidence limits about effect measures: a general approach"; for
    a difference of two proportions with Wilson intervals it is Newcombe 1998, method 10.
    """
    low = high = middle = 0.0
    for part, weight in zip(parts, weights, strict=True):
        if part.value is None or part.low is None or part.high is None:
            raise ValueError("every part needs a value and an interval")
        down, up = part.value - part.low, part.high - part.value
        if weight < 0:
            down, up = up, down
        middle += weight * part.value
        low += (weight * down) ** 2
        high += (weight * up) ** 2
    return middle - math.sqrt(low), middle + math.sqrt(high)
