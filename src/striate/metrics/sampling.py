"""What sampling alone does to images counted in bins: draws of how many of each bin are right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.rng import Rng

DRAWS = 1000
STEPS = 10  # halvings in the search for an end of the interval


def drawn_gaps(n: Tensor, confidence: Tensor, rates: Tensor, rng: Rng) -> Tensor:
    """Distances between the number right and the sum of confidences where each number is binomial, (DRAWS, bins)."""
    uniform = rng.uniform(torch.arange(DRAWS), (len(n),)).to(torch.float64)
    gaps = torch.zeros(DRAWS, len(n), dtype=torch.float64)
    for b in range(len(n)):
        if n[b]:
            right = torch.searchsorted(binomial_cdf(int(n[b]), float(rates[b])), uniform[:, b].contiguous())
            gaps[:, b] = (right - confidence[b]).abs()
    return gaps


def error_interval(n: Tensor, confidence: Tensor, right: Tensor, rng: Rng) -> tuple[float, float]:
    """The true errors, gaps being ``t`` times the measured ones, that leave the measured one within 95 %."""
    total = float(n.sum())
    value = float((right - confidence).abs().sum()) / total
    mean = confidence / n.clamp_min(1)
    gap = right / n.clamp_min(1) - mean

    def end(share: float, most: float) -> float:
        """The largest t at which at most ``share`` of the draws lie at or above the measured error."""
        low, high = 0.0, most
        for _ in range(STEPS):
            t = (low + high) / 2
            drawn = drawn_gaps(n, confidence, (mean + t * gap).clamp(0, 1), rng).sum(1) / total
            low, high = (t, high) if float((drawn >= value).to(torch.float64).mean()) <= share else (low, t)
        rate = (mean + low * gap).clamp(0, 1)
        return float(((rate - mean).abs() * n).sum() / total)

    return min(end(0.025, 1.0), value), max(end(0.975, 3.0), value)


def binomial_cdf(n: int, p: float) -> Tensor:
    """P(X <= k) for k = 0 .. n - 1; a uniform number above the last belongs to n."""
    p = min(max(p, 0.0), 1.0)
    if p in (0.0, 1.0):
        return torch.full((n,), 1.0 - p, dtype=torch.float64)
    k = torch.arange(n, dtype=torch.float64)
    logs = torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    return (logs + k * math.log(p) + (n - k) * math.log1p(-p)).exp().cumsum(0)
