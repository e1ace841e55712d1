"""What every attack is given, and what it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypedDict

from torch import Tensor

from striate.core.progress import Progress
from striate.imageopt.found import Found
from striate.imageopt.goal import Goal, classified_as, misclassified
from striate.imageopt.objective import Objective, log_odds
from striate.imageopt.region import Ball, BallInBox, Box
from striate.nets.net import Net


@dataclass(frozen=True, eq=False)
class Threat:
    """What the attacker may change and wants.

    Attributes:
        labels: True classes (N,) int64.
        norm: Norm that measures a change: 2 or infinity.
        radius: Largest change, in units of [0, 1] pixels.
        target: Class that images are to be taken for; None for any but the true one.
    """

    labels: Tensor
    norm: float
    radius: float
    target: int | None = None

    @property
    def goal(self) -> Goal:
        """Taken for the target, or for any class but the true one."""
        return misclassified(self.labels) if self.target is None else classified_as(self.target)

    @property
    def loss(self) -> Objective:
        """What an attack with gradients ascends: cross-entropy, as log-odds, which do not vanish on large logits."""
        return -log_odds(self.labels) if self.target is None else log_odds(self.target)

    def region(self, images: Tensor) -> BallInBox:
        """The images that the attacker may make of these."""
        return Ball(images, self.radius, self.norm) & Box()

    def of(self, rows: Tensor) -> Threat:
        """The same threat to some of the images."""
        return Threat(self.labels[rows], self.norm, self.radius, self.target)


class Running(TypedDict):
    """What every attack passes on to `solve`."""

    seed: int
    ids: Tensor | None
    memory: int
    progress: Progress
    label: str


class Method(Protocol):
    """An attack: images, a threat and a number of steps in; the best images it found out."""

    @property
    def norms(self) -> tuple[float, ...]:
        """Norms that it can hold."""

    @property
    def steps(self) -> int:
        """Steps unless said otherwise."""

    @property
    def most_steps(self) -> float:
        """Steps that it can take at most."""

    @property
    def random(self) -> bool:
        """Whether another seed gives another attack, so that restarts help."""

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""


def norm_name(norm: float) -> str:
    """``"inf"``, ``"2"``."""
    return "inf" if math.isinf(norm) else f"{norm:g}"
