"""Named events of a run, and the state that whoever watches is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from .averages import Average
from .payload import BY_ACCURACY, Best, Choice, Epoch
from .task import Task

EVENTS = ("run_start", "epoch_start", "step", "epoch_end", "checkpoint", "run_end", "interrupted")


class Scaler(Protocol):
    """What scales losses, and leaves out steps."""

    skipped: int

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Go on where `state_dict` was taken."""


@dataclass
class State:
    """Where a run stands. Observers read it; only the loop writes it.

    Attributes:
        task: What is trained, with its nets as Fabric set them up.
        nets: The nets themselves.
        optimizers: One for each net.
        epochs: How many there will be.
        steps: How many steps there will be in all.
        batch: Images a step.
        epoch: Epochs that are finished.
        step: Steps that are finished.
        saved: Epochs that the checkpoint holds.
        rate: Learning rate of the latest step.
        figures: The task's figures of the latest step, means over its batch.
        history: One row for each finished epoch.
        average: Mean of the weights, where the recipe wants one.
        scaler: What scales the losses of float16; None elsewhere.
    """

    task: Task
    nets: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    epochs: int
    steps: int
    batch: int
    epoch: int = 0
    step: int = 0
    saved: int = 0
    rate: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)
    average: Average | None = None
    scaler: Scaler | None = None

    @property
    def figures_on_dev(self) -> list[float]:
        """What chooses the epoch, of each finished one, turned so that the lowest is best."""
        choice = self.task.choice
        return [row.dev(choice.figure) * (-1.0 if choice.highest else 1.0) for row in self.history]

    def as_judged(self) -> AbstractContextManager[None]:
        """Inside, the nets have the weights that dev judges and the run keeps: the mean, where there is one."""
        return nullcontext() if self.average is None else self.average.in_place()


Call = Callable[[State], None]


class Events:
    """Calls by the name of the event that they wait for (`EVENTS`).

    ``epoch_end`` comes when the row of history is there, ``checkpoint`` when the files of that epoch are safe,
    ``run_end`` once after the last epoch, ``interrupted`` instead of it when an exception ends the run.
    """

    def __init__(self) -> None:
        self._calls: dict[str, list[Call]] = {name: [] for name in EVENTS}

    @contextmanager
    def attached(self, **calls: Call) -> Iterator[None]:
        """Inside, each named event also makes this call; afterwards it no longer does."""
        for name, call in calls.items():
            self._calls[name].append(call)
        try:
            yield
        finally:
            for name, call in calls.items():
                self._calls[name].remove(call)

    def emit(self, name: str, state: State) -> None:
        """Make the calls of one event, in the order in which they were attached."""
        for call in tuple(self._calls[name]):
            call(state)


Observer = Callable[[Events], AbstractContextManager[None]]


def best_of(history: list[Epoch] | tuple[Epoch, ...], choice: Choice = BY_ACCURACY) -> Best:
    """The epoch that is best on dev; of equal ones that with the lowest dev loss, then the earliest.

    As the best of several, its figure is a little too good for new images: the test split tells the truth.
    """
    sign = 1 if choice.highest else -1
    best = max(history, key=lambda row: (sign * row.dev(choice.figure), -row.dev_loss, -row.epoch))
    return Best(f"dev {choice.figure}", best.dev(choice.figure), best.epoch)


def stalled(history: list[Epoch] | tuple[Epoch, ...], choice: Choice, patience: int | None) -> bool:
    """Whether the last ``patience`` epochs brought no new best on dev; never where there is no patience set.

    Source: Prechelt 1998, "Early stopping - but when?", the third criterion, with dev measured every epoch.
    """
    return bool(history) and patience is not None and history[-1].epoch - best_of(history, choice).epoch >= patience
