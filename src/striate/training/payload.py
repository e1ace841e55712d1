"""What `train` gives: the best epoch, the history, and where the run lies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Best:
    """The epoch whose weights the run folder holds as its result."""

    metric: str
    value: float
    epoch: int


@dataclass(frozen=True)
class Epoch:
    """One row of ``metrics.csv``: losses in nats an image, accuracies as shares, the learning rate at the end."""

    epoch: int
    train_loss: float
    train_accuracy: float
    dev_loss: float
    dev_accuracy: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class Training:
    """A finished (or stopped) run; ``notes`` are sentences on what was noticed about the data."""

    run: str
    net: str
    data: str
    recipe: str
    epochs: int
    best: Best
    history: tuple[Epoch, ...]
    complete: bool
    notes: tuple[str, ...] = ()
