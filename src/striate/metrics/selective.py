"""What a net gains by keeping silent where it is least sure: risk against coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .curves import kept_along
from .inputs import score_vectors
from .intervals import wilson
from .ranked import Ranked
from .ranking import moved_interval


@dataclass(frozen=True)
class RiskCoverage:
    """Share wrong among the images that are answered, against the share answered, at every distinct confidence.

    Attributes:
        thresholds: Confidences, falling, shape (T,), float64: images at or above one are answered.
        coverage: Share answered at each, rising to 1.
        risk: Share wrong among them.
        answered: How many are answered, int64.
        wrong: How many of them are wrong, int64.
        n: Images in all.
        aurc: Area under the curve: the risk averaged over all numbers of images that can be answered.
        excess: What of it an order that puts every wrong image last would not have.
    """

    thresholds: Tensor
    coverage: Tensor
    risk: Tensor
    answered: Tensor
    wrong: Tensor
    n: int
    aurc: Number
    excess: Number

    def risk_at(self, coverage: float) -> Number:
        """Share wrong where at least this share is answered, with its Wilson interval; the threshold counts as given.

        Images of one confidence are answered together, so that a little more may be answered than was asked for.

        Raises:
            StriateError: ``coverage`` is not in (0, 1].
        """
        if not 0 < coverage <= 1:
            raise StriateError(f"coverage is {coverage}", accepted="a share above 0, at most 1")
        if self.n == 0:
            return Number(None, n=0, why="0/0: no images")
        # counts, not shares: 0.3 of 10 images is 3, though the product of floats is above it
        wanted = math.ceil(coverage * self.n - 1e-9)
        row = int(torch.searchsorted(self.answered, wanted))
        return wilson(int(self.wrong[row]), int(self.answered[row]))

    def thin(self, most: int = 200) -> RiskCoverage:
        """At most so many of the points, the ends among them, for drawing; the areas stay those of all points."""
        if most < 4:
            raise StriateError(f"most is {most}", accepted="a whole number of at least 4")
        if self.n == 0:
            return self
        climbs = self.risk.diff().abs().cumsum(0)
        rows = kept_along(self.coverage + torch.cat([torch.zeros(1, dtype=torch.float64), climbs]), most)
        names = ("thresholds", "coverage", "risk", "answered", "wrong")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def risk_coverage(confidence: Tensor, correct: Tensor) -> RiskCoverage:
    """The curve of confidences (N,), on any scale, and whether each image is right (N,).

    Images of one confidence have no order: the area is the mean over all their orders, so it does not depend on the
    order in which images come. Intervals by the infinitesimal jackknife.

    Raises:
        StriateError: Confidences are NaN or infinite, or the two differ in length.

    Source: El-Yaniv & Wiener 2010, "On the foundations of noise-free selective classification"; for nets Geifman
    & El-Yaniv 2017, "Selective classification for deep neural networks"; AURC and excess of
    Geifman, Uziel & El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural classifiers"; the
    best area is summed exactly here, where they take r + (1 - r) ln(1 - r) for it.
    """
    scores, right = score_vectors(confidence, correct, names=("confidence", "correct"))
    ranked = Ranked.of(scores, ~right)
    total = ranked.hits + ranked.misses
    answered, wrong = total.cumsum(0), ranked.hits.cumsum(0)
    aurc, excess = _areas(ranked)
    return RiskCoverage(
        ranked.thresholds,
        answered / max(len(scores), 1),
        wrong / answered,
        answered.to(torch.int64),
        wrong.to(torch.int64),
        len(scores),
        aurc,
        excess,
    )


def _areas(ranked: Ranked) -> tuple[Number, Number]:
    n = ranked.positives + ranked.negatives
    if n == 0:
        nothing = Number(None, n=0, why="0/0: no images")
        return nothing, nothing
    total = ranked.hits + ranked.misses
    number = torch.arange(1, n + 1, dtype=torch.float64)
    # of the images of one confidence each is taken to be as wrong as they are on average
    mean_wrong = (ranked.hits / total).repeat_interleave(total.to(torch.int64))
    area = float((mean_wrong.cumsum(0) / number).mean())
    least = float(((number - ranked.negatives).clamp_min(0) / number).mean())
    by_wrong, by_right = ranked.share_influence(total, by_hit=False)
    moved = torch.cat([by_wrong.repeat_interleave(ranked.hits.to(torch.int64))])
    moved = torch.cat([moved, by_right.repeat_interleave(ranked.misses.to(torch.int64))])
    excess = max(area - least, 0.0)
    if not 0 < ranked.positives < n:
        said = f"no interval: all images are {'wrong' if ranked.positives else 'right'}"
        return Number(area, n=n, why=said), Number(excess, n=n, why=said)
    rate = ranked.positives / n
    # the best area is r + (1 - r) ln(1 - r) but for 1 / n; its derivative by r is -ln(1 - r)
    is_wrong = torch.arange(n) < ranked.positives
    of_least = -math.log1p(-rate) * (is_wrong.to(torch.float64) - rate)
    return moved_interval(area, moved), moved_interval(excess, moved - of_least)
