"""Proper scores of probabilities, one number an image, in float64. Lower is better; stream them through `Mean`."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Minus the log-probability of the label in nats, shape (N,), from logits (N, K)."""
    _check(logits, labels, "logits")
    return -torch.log_softmax(logits.to(torch.float64), 1).gather(1, labels[:, None])[:, 0]


def log_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Minus the log of the probability given to the label, shape (N,); infinite where that is 0, never clipped.

    Source: Good 1952, "Rational decisions", section 9. scikit-learn clips probabilities at the rounding error of the
    type, which hides a label that was held to be impossible.
    """
    _check_probabilities(probabilities, labels)
    return -probabilities.to(torch.float64).gather(1, labels[:, None])[:, 0].log()


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Squared distance from the probabilities to the one-hot label, shape (N,), in [0, 2].

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability", equation 2: summed over the
    classes. The form for two classes that looks at one of them alone is half of it.
    """
    _check_probabilities(probabilities, labels)
    exact = probabilities.to(torch.float64)
    own = exact.gather(1, labels[:, None])[:, 0]
    return exact.square().sum(1) - 2 * own + 1


def _check(scores: Tensor, labels: Tensor, name: str) -> None:
    if scores.dim() != 2 or labels.shape != scores.shape[:1]:
        raise StriateError(
            f"{name} have shape {tuple(scores.shape)} and labels {tuple(labels.shape)}", accepted="(N, K) and (N,)"
        )
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= scores.shape[1]):
        raise StriateError(
            f"labels go from {int(labels.min())} to {int(labels.max())}", accepted=f"0 to {scores.shape[1] - 1}"
        )


def _check_probabilities(probabilities: Tensor, labels: Tensor) -> None:
    _check(probabilities, labels, "probabilities")
    if probabilities.numel() == 0:
        return
    if not bool((probabilities >= 0).all()):  # also refuses NaN
        raise StriateError("probabilities are negative or NaN", accepted="numbers of at least 0; for logits a softmax")
    off = float((probabilities.to(torch.float64).sum(1) - 1).abs().max())
    if off > 1e-3:
        raise StriateError(f"probabilities sum to {1 + off:.4g} or {1 - off:.4g}", accepted="rows that sum to 1")
