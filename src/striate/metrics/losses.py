"""Proper scores of probabilities, one number an image, in float64. Lower is better; stream them through `Mean`."""

from __future__ import annotations

import torch
from torch import Tensor

from .inputs import check_labels, check_probabilities


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Minus the log-probability of the label in nats, shape (N,), from logits (N, K)."""
    check_labels(logits, labels, name="logits")
    return -torch.log_softmax(logits.to(torch.float64), 1).gather(1, labels[:, None])[:, 0]


def log_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Minus the log of the probability given to the label, shape (N,); infinite where that is 0, never clipped.

    Source: Good 1952, "Rational decisions", section 9. scikit-learn clips probabilities at the rounding error of the
    type, which hides a label that was held to be impossible.
    """
    check_probabilities(probabilities, labels)
    return -probabilities.to(torch.float64).gather(1, labels[:, None])[:, 0].log()


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Squared distance from the probabilities to the one-hot label, shape (N,), in [0, 2].

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability", equation 2: summed over the
    classes. The form for two classes that looks at one of them alone is half of it.
    """
    check_probabilities(probabilities, labels)
    exact = probabilities.to(torch.float64)
    own = exact.gather(1, labels[:, None])[:, 0]
    return exact.square().sum(1) - 2 * own + 1
