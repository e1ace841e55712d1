"""What every attack is given, and what it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypedDict

import torch
from torch import Tensor

from striate.core.progress import Progress
from striate.imageopt.found import Found, distances_between
from striate.imageopt.goal import Goal, classified_as, misclassified
from striate.imageopt.objective import Objective, log_odds, margin
from striate.imageopt.region import Ball, BallInBox, Box, per_image
from striate.nets.net import Net

CLEAR = 1e-5  # of the largest logit: what the nearest image leads by, so that no rounding of a pass undoes it


@dataclass(frozen=True, eq=False)
class Threat:
    """What the attacker may change and wants; all tensors hold one entry an image.

    Attributes:
        labels: True classes (N,) int64.
        clean: Class scores of the unchanged images (N, K): no attack passes them again.
        norm: Norm that measures a change: 0, 1, 2 or infinity.
        radius: Largest change, in units of [0, 1] pixels (L0: pixels); infinite where none is too large.
        target: Class that images are to be taken for, one or (N,); None for any but the true one.
    """

    labels: Tensor
    clean: Tensor
    norm: float
    radius: float
    target: int | Tensor | None = None

    @property
    def goal(self) -> Goal:
        """Taken for the target, or for any class but the true one; clearly so where the nearest image is looked for."""
        clear = CLEAR if math.isinf(self.radius) else 0.0
        if self.target is None:
            return misclassified(self.labels, clear=clear)
        return classified_as(self.target, clear=clear)

    @property
    def loss(self) -> Objective:
        """What an attack with gradients ascends: cross-entropy, as log-odds, which do not vanish on large logits."""
        return -log_odds(self.labels) if self.target is None else log_odds(self.target)

    @property
    def lead(self) -> Objective:
        """By how many nats the goal is reached: the lead over the label, or of the target over all others."""
        return margin(self.labels) if self.target is None else -margin(self.target)

    def rivals(self, count: int) -> Tensor:
        """The classes beside the label whose clean scores are highest, from the highest on: (N, at most count)."""
        others = self.clean.scatter(1, self.labels[:, None], -math.inf)
        return others.argsort(dim=1, descending=True, stable=True)[:, : min(count, self.clean.shape[1] - 1)]

    def region(self, images: Tensor) -> BallInBox | Box:
        """The images that the attacker may make of these."""
        return Box() if math.isinf(self.radius) else Ball(images, self.radius, self.norm) & Box()

    def of(self, rows: Tensor) -> Threat:
        """The same threat to some of the images."""
        target = self.target[rows] if isinstance(self.target, Tensor) else self.target
        return replace(self, labels=self.labels[rows], clean=self.clean[rows], target=target)

    def at(self, target: Tensor) -> Threat:
        """The same threat with a target of each image's own, (N,)."""
        return replace(self, target=target)


class Running(TypedDict):
    """What every attack passes on to `solve`."""

    seed: int
    ids: Tensor | None
    memory: int
    progress: Progress
    label: str
    draws: int  # passes averaged in each evaluation, for nets with random outputs
    levels: bool  # whether images of 8 bits alone are searched


def running_of(running: Running, rows: Tensor, *, seed: int | None = None, label: str | None = None) -> Running:
    """The same for some of the images, with another seed or label where given."""
    ids = running["ids"]
    return Running(
        seed=running["seed"] if seed is None else seed,
        ids=None if ids is None else ids[rows.cpu()],
        memory=running["memory"],
        progress=running["progress"],
        label=running["label"] if label is None else label,
        draws=running["draws"],
        levels=running["levels"],
    )


def on_survivors(found: Found, runs: Iterable[Callable[[Tensor], Found]]) -> Found:
    """A result and further runs, each on the rows (n,) that no run before it fooled."""
    for run in runs:
        rows = (~found.success).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        found = found.gained(run(rows), rows)
    return found


def within_radius(found: Found, images: Tensor, threat: Threat, radius: float) -> Found:
    """The nearest images that fool where they are near enough; the others as they were given."""
    far = found.distances[norm_name(threat.norm)] > radius
    if not bool(far.any()):
        return found
    kept = torch.where(per_image(far, images), images, found.images)
    return replace(
        found,
        images=kept,
        success=found.success & ~far,
        step=torch.where(far, -1, found.step),
        output=None if found.output is None else torch.where(far[:, None], threat.clean.to(found.output), found.output),
        distances=distances_between(kept, images),
    )


class Method(Protocol):
    """An attack: images, a threat and a number of steps in; the best images it found out.

    Either it looks within the radius of the threat and leaves an image once it is fooled, or it looks for the nearest
    image that fools, whatever the radius (which is infinite then).
    """

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

    @property
    def nearest(self) -> bool:
        """Whether it looks for the nearest image that fools instead of any within the radius."""

    @property
    def targeted(self) -> bool:
        """Whether it can aim at a class."""

    @property
    def gradients(self) -> bool:
        """Whether it asks for gradients; the others may meet nets that have none."""

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""


def norm_name(norm: float) -> str:
    """``"inf"``, ``"2"``."""
    return "inf" if math.isinf(norm) else f"{norm:g}"
