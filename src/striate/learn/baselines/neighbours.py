"""The vote of the nearest training images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.progress import Step, idle
from striate.measure.nearest import nearest

COUNTS = (1, 3, 5, 9, 15)


@dataclass(frozen=True)
class Neighbours:
    """Training codes with their labels."""

    settings: tuple[str, ...]
    counts: tuple[int, ...]
    codes: Tensor
    labels: Tensor
    classes: int

    def __call__(self, codes: Tensor) -> Tensor:
        """The class with most votes for each k, (counts, N); of equal votes the nearest decides."""
        found = self.labels[nearest(codes, self.codes, max(self.counts))[0]]
        chosen = []
        for count in self.counts:
            worth = 1.0 + 0.5 ** (1.0 + torch.arange(count, dtype=torch.float64))  # the halves sum to less than a vote
            votes = torch.zeros(len(codes), self.classes, dtype=torch.float64)
            votes.scatter_add_(1, found[:, :count], worth.expand(len(codes), count))
            chosen.append(votes.argmax(1))
        return torch.stack(chosen)


def nearest_images(codes: Tensor, labels: Tensor, *, classes: int, seed: int = 0, step: Step = idle) -> Neighbours:
    """The k nearest by Euclidean distance, exact, for k of 1 to 15. Deterministic.

    Source: Cover & Hart 1967.
    """
    del seed, step
    counts = tuple(count for count in COUNTS if count <= len(codes))
    return Neighbours(tuple(f"k = {count}" for count in counts), counts, codes, labels, classes)
