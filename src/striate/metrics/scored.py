"""Scores that arrive in batches: kept exactly, or counted in bins with a bound on what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .inputs import score_vectors
from .ranked import Ranked
from .ranking import auc_of


@dataclass(frozen=True)
class Scored:
    """Every score with its truth, 9 bytes an image; every update gives a new value.

    What `compute` gives goes into any figure of scores: `auc`, `average_precision`, `risk_coverage`, `by_cost`.

    >>> seen = Scored().update(torch.tensor([0.1, 0.4]), torch.tensor([False, False]))
    >>> seen = seen.update(torch.tensor([0.4, 0.8]), torch.tensor([True, True]))
    >>> from striate.metrics.ranking import auc
    >>> auc(*seen.compute()).value
    0.875
    """

    parts: tuple[tuple[Tensor, Tensor], ...] = ()

    def update(self, scores: Tensor, truths: Tensor) -> Scored:
        """With these images added.

        Raises:
            StriateError: Scores are NaN or infinite, or the two differ in length.
        """
        exact, known = score_vectors(scores, truths)
        return Scored((*self.parts, (exact, known)))

    def merge(self, other: Scored) -> Scored:
        """Both together, this one first."""
        return Scored(self.parts + other.parts)

    def compute(self) -> tuple[Tensor, Tensor]:
        """All scores in float64 and all truths in bool, in the order they came."""
        if not self.parts:
            return torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.bool)
        return torch.cat([scores for scores, _ in self.parts]), torch.cat([truths for _, truths in self.parts])


@dataclass(frozen=True)
class BinnedScores:
    """Probabilities counted in bins of equal width [low, high), whatever their number; every update a new value.

    Attributes:
        hits: Images of the class in each bin, shape (bins,), float64.
        misses: The others in each bin.
    """

    hits: Tensor
    misses: Tensor

    @classmethod
    def empty(cls, bins: int = 4096) -> BinnedScores:
        """Nothing counted yet."""
        if bins < 1:
            raise StriateError(f"bins is {bins}", accepted="a whole number of at least 1")
        zero = torch.zeros(bins, dtype=torch.float64)
        return cls(zero, zero)

    def update(self, probabilities: Tensor, truths: Tensor) -> BinnedScores:
        """With these images added.

        Raises:
            StriateError: A probability is outside [0, 1], or the two differ in length.
        """
        exact, known = score_vectors(probabilities, truths, names=("probabilities", "truths"))
        if not bool(((exact >= 0) & (exact <= 1)).all()):
            raise StriateError("probabilities are not in [0, 1]", accepted="probabilities; for logits a softmax")
        bins = len(self.hits)
        where = (exact * bins).floor().to(torch.int64).clamp(0, bins - 1)
        hits = torch.bincount(where, weights=known.to(torch.float64), minlength=bins)
        return BinnedScores(self.hits + hits, self.misses + torch.bincount(where, minlength=bins) - hits)

    def merge(self, other: BinnedScores) -> BinnedScores:
        """Both counted together."""
        if len(other.hits) != len(self.hits):
            raise StriateError(
                f"{len(self.hits)} bins and {len(other.hits)} do not add up", accepted="one number of bins"
            )
        return BinnedScores(self.hits + other.hits, self.misses + other.misses)

    @property
    def bound(self) -> float:
        """How far binning can move the area: half the share of pairs that fall into one bin; NaN without pairs."""
        pairs = float(self.hits.sum() * self.misses.sum())
        return float((self.hits * self.misses).sum()) / pairs / 2 if pairs else math.nan

    def compute(self) -> Number:
        """Area under the ROC curve, pairs in one bin taken for ties; the interval is DeLong's, wider by `bound`."""
        filled = (self.hits + self.misses).flip(0) > 0
        edges = torch.arange(len(self.hits), dtype=torch.float64).flip(0) / len(self.hits)
        no_rows = torch.zeros(0, dtype=torch.int64)
        number = auc_of(Ranked(edges[filled], self.hits.flip(0)[filled], self.misses.flip(0)[filled], no_rows))[0]
        if number.value is None:
            return number
        said = f"{number.why}; off by at most {self.bound:.2g} through {len(self.hits)} bins"
        if number.low is None or number.high is None:
            return Number(number.value, n=number.n, why=said)
        low, high = max(number.low - self.bound, 0.0), min(number.high + self.bound, 1.0)
        return Number(number.value, low, high, number.n, said)
