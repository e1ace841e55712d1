"""Losses, one number per image, of logits (N, K) against labels: numbers (N,), or shares (N, K) where said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError

from .catalog import LOSSES


def cross_entropy(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, shape (N,), of logits (N, K) against labels: numbers (N,), or shares (N, K).

    With ``smoothing`` s a target p becomes (1 - s) p + s/K, so 1 - s + s/K on a labelled class and s/K on every other.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture", section 7.
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


def hinge(logits: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    """Sum over the wrong classes j of max(0, margin + s_j - s_y); labels are numbers.

    Source: Weston & Watkins 1999, equation 9, whose margin is 2 with scores twice as large.
    """
    return _short_of(logits, labels, margin).sum(1)


def squared_hinge(logits: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    """Sum over the wrong classes j of max(0, margin + s_j - s_y) squared; labels are numbers.

    Source: the L2 loss of Crammer & Singer 2001 and Tang 2013, section 2.2, summed as Weston & Watkins sum.
    """
    return _short_of(logits, labels, margin).square().sum(1)


def squared_error(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Sum over classes of (s_k - p_k) squared, p being 1 on the label and 0 elsewhere, smoothed; or shares (N, K).

    Source: Hui & Belkin 2021, equation 1, without their rescaling for many classes.
    """
    count = logits.shape[1]
    wanted = F.one_hot(labels, count).to(logits) if labels.dim() == 1 else labels.to(logits)
    return (logits - ((1 - smoothing) * wanted + smoothing / count)).square().sum(1)


def focal(logits: Tensor, labels: Tensor, *, gamma: float = 2.0, alpha: float = 1.0) -> Tensor:
    """-alpha (1 - p)^gamma log p of the label's probability p by softmax; labels are numbers. Cross-entropy at gamma 0.

    Source: Lin et al. 2017, "Focal loss", equation 5. We differ: softmax in place of one sigmoid a class, and one alpha
    for all classes (class weights are set apart).
    """
    log = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
    return -alpha * (1 - log.exp()).clamp(min=1e-12) ** gamma * log


def _short_of(logits: Tensor, labels: Tensor, margin: float) -> Tensor:
    """By how much each wrong class comes closer than the margin to the label's score (N, K); 0 at the label."""
    gap = (margin + logits - logits.gather(1, labels[:, None])).clamp(min=0)
    return gap.scatter(1, labels[:, None], 0.0)


SHARED = ("cross_entropy", "squared_error")  # losses that take shares of classes, so mixed images, and smoothing


@dataclass(frozen=True)
class Loss:
    """A loss by name (`striate methods` lists them) with its numbers, as a recipe has it.

    Raises:
        StriateError: The name is unknown, a number is not one of that loss's, or is negative.
    """

    name: str = "cross_entropy"
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise UnknownNameError("loss", self.name, LOSSES)
        for key, value in self.numbers.items():
            if not (math.isfinite(value) and value >= 0):
                raise StriateError(f"{key} of loss {self.name} is {value}", accepted="a number of at least 0")
        try:
            self(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
        except TypeError as error:
            raise StriateError(f"loss {self.name} does not take {sorted(self.numbers)} ({error})") from error

    def __call__(self, logits: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
        """One number per image (N,)."""
        smoothed = {"smoothing": smoothing} if smoothing else {}
        result: Tensor = LOSSES.load(self.name)(logits, labels, **self.numbers, **smoothed)
        return result


def expected_at_start(loss: Loss, classes: int) -> float:
    """The loss of a net that does not know yet: all logits 0, so all classes alike.

    cross_entropy ln K (smoothed or not); hinge (K - 1) margin; squared_hinge (K - 1) margin^2; squared_error 1;
    focal alpha (1 - 1/K)^gamma ln K.

    >>> round(expected_at_start(Loss("cross_entropy"), 10), 4), expected_at_start(Loss("hinge"), 10)
    (2.3026, 9.0)
    """
    return float(loss(torch.zeros(1, classes, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)))


def balanced_weights(counts: Tensor) -> Tensor:
    """Weight of each class (K,) float32, N / (K n_k): every class weighs alike, and the mean over images is 1.

    ``counts`` (K,) are the training images of each class.

    Source: King & Zeng 2001, section 3, for classes of equal shares.
    """
    total = counts.sum().to(torch.float64)
    return (total / (len(counts) * counts.clamp(min=1))).to(torch.float32)
