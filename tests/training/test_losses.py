from __future__ import annotations

import pytest
import torch

from oracles.train_rules import smoothed_cross_entropy
from striate.training.losses import cross_entropy

LOGITS = [[0.5, -1.0, 2.0, 0.0], [3.0, 3.0, -2.0, 1.0], [-4.0, 0.1, 0.2, 0.3]]


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.5])
def test_cross_entropy_is_the_sum_over_the_smoothed_target(smoothing):
    labels = [2, 3, 0]
    losses = cross_entropy(torch.tensor(LOGITS, dtype=torch.float64), torch.tensor(labels), smoothing=smoothing)
    expected = [smoothed_cross_entropy(row, label, smoothing) for row, label in zip(LOGITS, labels, strict=True)]
    assert losses.tolist() == pytest.approx(expected, rel=1e-12)


def test_each_image_has_its_own_loss():
    logits, labels = torch.tensor(LOGITS, dtype=torch.float64), torch.tensor([2, 3, 0])
    alone = cross_entropy(logits[1:2], labels[1:2], smoothing=0.1)
    assert cross_entropy(logits, labels, smoothing=0.1)[1].item() == pytest.approx(alone.item(), rel=1e-12)
