"""Tables without a net: logits drawn so that the classifier is healthy, or with one planted weakness."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.data.dataset import Dataset
from striate.measure.table import Table

NAMES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay")


def data_of(labels: Tensor, names: tuple[str, ...] = NAMES) -> Dataset:
    """Black images with these labels."""
    return Dataset.of(torch.zeros(len(labels), 1, 2, 2), labels, classes=names, name="drawn")


def table_of(logits: Tensor, labels: Tensor, names: tuple[str, ...] = NAMES) -> Table:
    """A table of these logits."""
    rows = torch.arange(len(labels))
    return Table(logits, labels, rows, rows, names, "key")


def healthy(seed: int, n: int, names: tuple[str, ...] = NAMES, *, scale: float = 6.0) -> tuple[Tensor, Tensor]:
    """Logits and labels drawn from their softmax: calibrated, and all classes alike."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, len(names), generator=generator)
    chances = torch.softmax(logits.to(torch.float64), 1)
    return logits, torch.multinomial(chances, 1, generator=generator)[:, 0]


def answers(labels: Tensor, predicted: Tensor, classes: int = 10, *, margin: float = 4.0) -> Tensor:
    """Logits that predict what they are told to."""
    return margin * torch.nn.functional.one_hot(predicted, classes).to(torch.float32)
