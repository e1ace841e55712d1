"""One mean a class: the nearest decides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.progress import Step, idle


@dataclass(frozen=True)
class Means:
    """Mean codes (K, width); infinite for a class without images, which is then never nearest."""

    settings: tuple[str, ...]
    means: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        """The class of the nearest mean, (1, N)."""
        there = self.means.isfinite().all(1)
        known = self.means[there]
        scores = 2 * codes @ known.T - known.square().sum(1)
        return there.nonzero()[:, 0][scores.argmax(1)][None]


def nearest_mean(codes: Tensor, labels: Tensor, *, classes: int, seed: int = 0, step: Step = idle) -> Means:
    """The mean of each class's codes, by Euclidean distance. Deterministic.

    Source: Tibshirani et al. 2002, the nearest centroid without its shrinking.
    """
    del seed, step
    sums = torch.zeros(classes, codes.shape[1], dtype=torch.float64).index_add_(0, labels, codes.double())
    counts = torch.bincount(labels, minlength=classes)[:, None]
    means = torch.where(counts > 0, sums / counts.clamp_min(1), torch.inf).to(codes.dtype)
    return Means(("",), means)
