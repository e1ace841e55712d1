"""Images in groups of equal score, highest first: what every curve over a threshold is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ranked:
    """Groups of images with one score, highest first; T is the number of groups.

    Attributes:
        thresholds: The groups' scores, falling, shape (T,), float64.
        hits: Images of the class in each group, float64.
        misses: The others in each group, float64.
        group: The group of each image, shape (N,), int64.
    """

    thresholds: Tensor
    hits: Tensor
    misses: Tensor
    group: Tensor

    @classmethod
    def of(cls, scores: Tensor, truths: Tensor) -> Ranked:
        """Groups of checked scores (N,) in float64 and truths (N,) in bool."""
        rising, place = torch.unique(scores, return_inverse=True)
        groups = len(rising)
        group = groups - 1 - place
        total = torch.bincount(group, minlength=groups).to(torch.float64)
        hits = torch.bincount(group, weights=truths.to(torch.float64), minlength=groups).to(torch.float64)
        return cls(rising.flip(0), hits, total - hits, group)

    @property
    def positives(self) -> int:
        """Images of the class in all."""
        return int(self.hits.sum())

    @property
    def negatives(self) -> int:
        """The others in all."""
        return int(self.misses.sum())

    def mean_share(self, base: Tensor) -> float:
        """Share of hits at or above a threshold, averaged over thresholds by ``base``, shape (T,).

        With ``base`` the hits it is the average precision.
        """
        share = self.hits.cumsum(0) / (self.hits + self.misses).cumsum(0)
        return float((share * base).sum() / base.sum())

    def share_influence(self, base: Tensor, *, by_hit: bool) -> tuple[Tensor, Tensor]:
        """How much one more hit, and one more miss, of each group moves `mean_share`, shape (T,) each, times N.

        Derivatives by an image's weight. ``base`` counts the hits (``by_hit``) or all images of each group.

        Source: Jaeckel 1972, "The infinitesimal jackknife".
        """
        total = self.hits + self.misses
        above = total.cumsum(0)
        share = self.hits.cumsum(0) / above
        n, of = total.sum(), base.sum()
        value = (share * base).sum() / of
        # an image counts at its own threshold and at every lower one: sums run from its group to the end
        density = base / of * n / above
        of_one = density.flip(0).cumsum(0).flip(0)
        of_share = (density * share).flip(0).cumsum(0).flip(0)
        own = (share - value) * n / of
        return own + of_one - of_share, (0.0 if by_hit else own) - of_share
