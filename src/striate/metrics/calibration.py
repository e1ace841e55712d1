"""How far confidence can be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.rng import Rng

BINS = 15
DRAWS = 1000
STEPS = 10  # halvings in the search for an end of the interval


@dataclass(frozen=True)
class Reliability:
    """Images counted in bins of confidence of equal width (low, high]; every update gives a new value.

    Attributes:
        n: Images in each bin, shape (bins,), float64.
        confidence: Sum of their confidences.
        right: How many of them are right.
        spread: Sum of c (1 - c) over all confidences c: the variance of the number right of a calibrated net.
    """

    n: Tensor
    confidence: Tensor
    right: Tensor
    spread: float = 0.0

    @classmethod
    def empty(cls, bins: int = BINS) -> Reliability:
        """Nothing counted yet."""
        if bins < 1:
            raise StriateError(f"bins is {bins}", accepted="a whole number of at least 1")
        zero = torch.zeros(bins, dtype=torch.float64)
        return cls(zero, zero, zero)

    def update(self, confidence: Tensor, correct: Tensor) -> Reliability:
        """With these images added: the probability of the predicted class, and whether it is the label.

        Raises:
            StriateError: A confidence is outside [0, 1], or the two differ in length.
        """
        if confidence.shape != correct.shape or confidence.dim() != 1:
            raise StriateError(
                f"confidence has shape {tuple(confidence.shape)} and correct {tuple(correct.shape)}",
                accepted="two vectors of one length",
            )
        exact = confidence.detach().cpu().to(torch.float64)
        if not bool(((exact >= 0) & (exact <= 1)).all()):  # also refuses NaN
            raise StriateError("confidence is not in [0, 1]", accepted="probabilities; for logits a softmax")
        bins = len(self.n)
        where = ((exact * bins).ceil().to(torch.int64) - 1).clamp(0, bins - 1)
        right = correct.detach().cpu().to(torch.float64)

        def summed(weights: Tensor) -> Tensor:
            return torch.bincount(where, weights=weights, minlength=bins)

        return Reliability(
            self.n + torch.bincount(where, minlength=bins),
            self.confidence + summed(exact),
            self.right + summed(right),
            self.spread + float((exact * (1 - exact)).sum()),
        )

    def merge(self, other: Reliability) -> Reliability:
        """Both counted together."""
        if len(other.n) != len(self.n):
            raise StriateError(f"{len(self.n)} bins and {len(other.n)} do not add up", accepted="one number of bins")
        return Reliability(
            self.n + other.n,
            self.confidence + other.confidence,
            self.right + other.right,
            self.spread + other.spread,
        )

    def compute(self, *, seed: int = 0) -> Number:
        """The expected calibration error, as `expected_calibration_error` has it."""
        total = int(self.n.sum())
        if total == 0:
            return Number(None, n=0, why="no images")
        value = float((self.right - self.confidence).abs().sum()) / total
        chance = chance_error(self, seed=seed)
        low, high = _interval(self, value, Rng(seed, "calibration/interval"))
        why = (
            f"95 % by inverting its sampling over {len(self.n)} bins; "
            f"a calibrated net with these confidences would show {chance.mean:.4f} by chance"
        )
        return Number(value, low, high, total, why)


@dataclass(frozen=True)
class ChanceError:
    """The calibration error that a calibrated net with these confidences shows by chance.

    Attributes:
        mean: On average.
        high: Exceeded in 2.5 % of the draws.
        p: Share of draws at or above the error that was measured: small where the net is not calibrated.
    """

    mean: float
    high: float
    p: float


def chance_error(bins: Reliability, *, seed: int = 0) -> ChanceError:
    """What sampling alone makes of the expected calibration error, from 1,000 draws of the number right in each bin.

    Draws are binomial with the bin's mean confidence, which spreads a little wider than the confidences themselves
    would (Hoeffding 1956): a net is called uncalibrated a little too seldom, never too often.

    Source: Broecker & Smith 2007, "Increasing the reliability of reliability diagrams", section 3.
    """
    total = float(bins.n.sum())
    if total == 0:
        raise StriateError("no images were counted", accepted="at least one")
    drawn = _errors(bins, bins.confidence / bins.n.clamp_min(1), Rng(seed, "calibration/chance"))
    measured = float((bins.right - bins.confidence).abs().sum()) / total
    above = int((drawn >= measured).sum())
    return ChanceError(float(drawn.mean()), _quantile(drawn, 0.975), (1 + above) / (1 + len(drawn)))


def expected_calibration_error(confidence: Tensor, correct: Tensor, *, bins: int = BINS, seed: int = 0) -> Number:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by images, in [0, 1].

    The figure is above 0 by chance even for a calibrated net, and `chance_error` says how much. The interval takes
    that away: it holds the errors under which a figure like the measured one is no surprise, the gap of every bin
    being shrunk or stretched alike; it reaches to 0 where the net may well be calibrated.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", equation 3; 15 bins.
    """
    return Reliability.empty(bins).update(confidence, correct).compute(seed=seed)


def _interval(bins: Reliability, value: float, rng: Rng) -> tuple[float, float]:
    """The true errors, gaps being ``t`` times the measured ones, that leave the measured one within 95 %."""
    mean = bins.confidence / bins.n.clamp_min(1)
    gap = bins.right / bins.n.clamp_min(1) - mean

    def end(share: float, most: float) -> float:
        """The largest t at which at most ``share`` of the draws lie at or above the measured error."""
        low, high = 0.0, most
        for _ in range(STEPS):
            t = (low + high) / 2
            drawn = _errors(bins, (mean + t * gap).clamp(0, 1), rng)
            low, high = (t, high) if float((drawn >= value).to(torch.float64).mean()) <= share else (low, t)
        rate = (mean + low * gap).clamp(0, 1)
        return float(((rate - mean).abs() * bins.n).sum() / bins.n.sum())

    return min(end(0.025, 1.0), value), max(end(0.975, 3.0), value)


def _errors(bins: Reliability, rates: Tensor, rng: Rng) -> Tensor:
    """Calibration errors of draws in which each bin's number right is binomial with its rate, shape (DRAWS,)."""
    uniform = rng.uniform(torch.arange(DRAWS), (len(bins.n),)).to(torch.float64)
    total = torch.zeros(DRAWS, dtype=torch.float64)
    for b in range(len(bins.n)):
        n = int(bins.n[b])
        if n:
            right = torch.searchsorted(_binomial_cdf(n, float(rates[b])), uniform[:, b].contiguous())
            total += (right - bins.confidence[b]).abs()
    return total / float(bins.n.sum())


def _binomial_cdf(n: int, p: float) -> Tensor:
    """P(X <= k) for k = 0 .. n - 1; a uniform number above the last belongs to n."""
    p = min(max(p, 0.0), 1.0)
    if p in (0.0, 1.0):
        return torch.full((n,), 1.0 - p, dtype=torch.float64)
    k = torch.arange(n, dtype=torch.float64)
    logs = torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    return (logs + k * math.log(p) + (n - k) * math.log1p(-p)).exp().cumsum(0)


def _quantile(values: Tensor, q: float) -> float:
    return float(torch.quantile(values, q))
