"""Could it be chance: exact tests of counts, and the interval of a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .intervals import square_and_add, wilson


def binomial_tail(k: int, n: int, p: float) -> float:
    """Chance of at least ``k`` successes in ``n`` trials of probability ``p``."""
    if not (0 <= k <= n and 0 <= p <= 1):
        raise StriateError(f"{k} of {n} with probability {p}", accepted="0 <= k <= n, 0 <= p <= 1")
    if k == 0 or p == 1:
        return 1.0
    if p == 0:
        return 0.0
    each = torch.arange(k, n + 1, dtype=torch.float64)
    return _summed(_log_choose(float(n), each) + each * math.log(p) + (n - each) * math.log1p(-p))


def fisher_lower(k: int, n: int, other_k: int, other_n: int) -> float:
    """Chance of at most ``k`` of ``n`` where ``k + other_k`` of all are spread blindly: small if the first is worse.

    Source: Fisher 1935, "The logic of inductive inference", section 5 (the exact test of a two-by-two table).
    """
    if not (0 <= k <= n and 0 <= other_k <= other_n):
        raise StriateError(f"{k} of {n} against {other_k} of {other_n}", accepted="0 <= k <= n")
    right = k + other_k
    each = torch.arange(max(0, right - other_n), k + 1, dtype=torch.float64)
    logs = _log_choose(float(n), each) + _log_choose(float(other_n), right - each)
    return _summed(logs - _log_choose(float(n + other_n), torch.tensor(float(right), dtype=torch.float64)))


def difference(k: int, n: int, other_k: int, other_n: int) -> Number:
    """``k / n - other_k / other_n`` of two independent groups.

    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
    """
    if n == 0 or other_n == 0:
        return Number.missing("0/0: a group is empty")
    parts = [wilson(k, n), wilson(other_k, other_n)]
    low, high = square_and_add(parts, [1.0, -1.0])
    return Number(float(parts[0]) - float(parts[1]), low, high, n + other_n)


def holm(chances: Sequence[float]) -> list[float]:
    """Each chance corrected for all having been tested: no more than a share a of families holds one below a by luck.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    corrected, largest = [1.0] * len(chances), 0.0
    for place, row in enumerate(sorted(range(len(chances)), key=lambda row: chances[row])):
        largest = max(largest, min(1.0, chances[row] * (len(chances) - place)))
        corrected[row] = largest
    return corrected


def benjamini_hochberg(chances: Sequence[float]) -> list[float]:
    """Each chance corrected so that, of those below q, no more than a share q are luck on average.

    It finds more than `holm` and promises less: single ones among many may be luck. For independent chances.

    Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate".
    """
    corrected, least = [1.0] * len(chances), 1.0
    order = sorted(range(len(chances)), key=lambda row: chances[row])
    for place in range(len(order) - 1, -1, -1):
        row = order[place]
        least = min(least, chances[row] * len(chances) / (place + 1))
        corrected[row] = least
    return corrected


def _log_choose(n: float, k: Tensor) -> Tensor:
    return math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)


def _summed(logs: Tensor) -> float:
    return min(1.0, float(logs.logsumexp(0).exp())) if logs.numel() else 0.0
