"""Losses, one number per image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, shape (N,), of logits (N, K) against labels: numbers (N,), or shares (N, K).

    With ``smoothing`` s a target p becomes (1 - s) p + s/K, so 1 - s + s/K on a labelled class and s/K on every other.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture", section 7.
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
