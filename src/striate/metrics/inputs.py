"""What scores, truths, labels and probabilities have to be, checked once and told in one way."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.errors import StriateError


def exact_scores(scores: Tensor, *, name: str = "scores") -> Tensor:
    """The scores in float64 on the CPU.

    Raises:
        StriateError: One is NaN, which has no rank, or plus infinity, which no threshold is above.
    """
    exact = scores.detach().cpu().to(torch.float64)
    wrong = ~(exact < math.inf)  # also true of NaN
    if bool(wrong.any()):
        place = tuple(wrong.nonzero()[0].tolist())
        raise StriateError(
            f"{name} hold {float(exact[place])} at row {place[0] if place else 0}",
            accepted="numbers that can be ordered, below infinity",
        )
    return exact


def exact_truths(truths: Tensor, *, name: str = "truths") -> Tensor:
    """The truths as booleans on the CPU.

    Raises:
        StriateError: They hold anything but True and False, 1 and 0.
    """
    known = truths.detach().cpu()
    if known.dtype != torch.bool and not bool(((known == 0) | (known == 1)).all()):
        wrong = known[(known != 0) & (known != 1)].flatten()[0]
        raise StriateError(f"{name} hold {wrong.item()}", accepted="True and False, or 1 and 0")
    return known.to(torch.bool)


def score_vectors(scores: Tensor, truths: Tensor, *, names: tuple[str, str] = ("scores", "truths")) -> list[Tensor]:
    """Scores (N,) in float64 and truths (N,) as booleans.

    Raises:
        StriateError: They are no two vectors of one length, or hold what cannot be used.
    """
    if scores.dim() != 1 or scores.shape != truths.shape:
        raise StriateError(
            f"{names[0]} have shape {tuple(scores.shape)} and {names[1]} {tuple(truths.shape)}",
            accepted="two vectors of one length",
        )
    return [exact_scores(scores, name=names[0]), exact_truths(truths, name=names[1])]


def label_tables(first: Tensor, truths: Tensor, *, name: str) -> None:
    """Refuses what are no two (N, K) tables of one shape."""
    if first.dim() != 2 or first.shape != truths.shape:
        raise StriateError(
            f"{name} have shape {tuple(first.shape)} and truths {tuple(truths.shape)}",
            accepted="two tables (N, K) of one shape",
        )


def check_labels(scores: Tensor, labels: Tensor, *, name: str = "scores") -> None:
    """Refuses scores that are no (N, K) table for the labels, and labels outside ``range(K)``."""
    if scores.dim() != 2 or labels.shape != scores.shape[:1]:
        raise StriateError(
            f"{name} have shape {tuple(scores.shape)} and labels {tuple(labels.shape)}", accepted="(N, K) and (N,)"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise StriateError(f"labels are {labels.dtype}", accepted="class numbers (integers)")
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= scores.shape[1]):
        raise StriateError(
            f"labels go from {int(labels.min())} to {int(labels.max())}", accepted=f"0 to {scores.shape[1] - 1}"
        )


def check_probabilities(probabilities: Tensor, labels: Tensor) -> None:
    """Refuses what `check_labels` refuses, and rows that are no probabilities, whatever range they happen to lie in."""
    check_labels(probabilities, labels, name="probabilities")
    if probabilities.numel() == 0:
        return
    if not bool((probabilities >= 0).all()):  # also refuses NaN
        raise StriateError("probabilities are negative or NaN", accepted="numbers of at least 0; for logits a softmax")
    off = float((probabilities.to(torch.float64).sum(1) - 1).abs().max())
    if off > 1e-3:
        raise StriateError(f"probabilities sum to {1 + off:.4g} or {1 - off:.4g}", accepted="rows that sum to 1")
