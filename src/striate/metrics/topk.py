"""Is the label among the k highest scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .intervals import wilson


def label_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """How many classes stand before the label, shape (N,), int64: 0 where the label has the highest score.

    Of equal scores the class with the lower number stands first, as in ``argmax``: rank 0 is what ``argmax`` calls
    right, and a net whose outputs are all equal is no better than one that always names class 0.

    Raises:
        StriateError: Scores are no (N, K) table for the labels, or hold NaN, which has no rank.
    """
    if scores.dim() != 2 or labels.shape != scores.shape[:1]:
        raise StriateError(
            f"scores have shape {tuple(scores.shape)} and labels {tuple(labels.shape)}", accepted="(N, K) and (N,)"
        )
    if bool(scores.isnan().any()):
        raise StriateError("scores hold NaN", accepted="numbers that can be ordered")
    own = scores.gather(1, labels[:, None])
    before = torch.arange(scores.shape[1], device=scores.device)[None, :] < labels[:, None]
    return ((scores > own) | ((scores == own) & before)).sum(1)


@dataclass(frozen=True)
class TopK:
    """Top-k accuracy batch by batch; every update gives a new value."""

    k: int
    hits: int = 0
    n: int = 0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise StriateError(f"k is {self.k}", accepted="a whole number of at least 1")

    def update(self, scores: Tensor, labels: Tensor) -> TopK:
        """With these images added."""
        hits = int((label_ranks(scores, labels) < self.k).sum())
        return TopK(self.k, self.hits + hits, self.n + len(labels))

    def merge(self, other: TopK) -> TopK:
        """Both counted together."""
        if other.k != self.k:
            raise StriateError(f"top {self.k} and top {other.k} do not add up", accepted="one k")
        return TopK(self.k, self.hits + other.hits, self.n + other.n)

    def compute(self) -> Number:
        """The share with its Wilson interval."""
        return wilson(self.hits, self.n)


def top_k_accuracy(scores: Tensor, labels: Tensor, k: int) -> Number:
    """Share of images whose label is among the k highest scores; ties as in `label_ranks`."""
    return TopK(k).update(scores, labels).compute()
