"""Whether two figures rise together, whatever their scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.core.errors import StriateError


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho, from -1 to 1: the correlation of ranks, equal values having their mean rank.

    None where one of them never changes.

    Raises:
        StriateError: Sequences of different lengths, or of fewer than two numbers, or with one that is not finite.

    >>> rank_correlation([1, 2, 3, 4], [0.1, 0.2, 0.2, 9.0])
    0.9486832980505138

    Source: Spearman 1904; ties as in Kendall 1948.
    """
    if len(first) != len(second) or len(first) < 2:
        raise StriateError(f"{len(first)} and {len(second)} numbers", accepted="as many of each, at least two")
    ranks = [average_ranks(np.asarray(each, dtype=np.float64)) for each in (first, second)]
    one, other = (each - each.mean() for each in ranks)
    length = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / length if length else None


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of numbers (n,) from 1, equal ones having their mean rank, float64.

    Raises:
        StriateError: One is not finite.
    """
    if not np.isfinite(values).all():
        raise StriateError("a number to be ranked is not finite", accepted="finite numbers")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends: np.ndarray = np.cumsum(counts)
    found: np.ndarray = (ends - (counts - 1) / 2.0)[place]
    return found
