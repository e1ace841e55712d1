"""Goals: what counts as success, apart from what is optimised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of

from .objective import OUTPUT, Classes, Objective, Seen, Term, classes_of, margin


@dataclass(frozen=True)
class Goal:
    """A condition on one pass: true or false for each image."""

    words: str
    reached: Callable[[Seen], Tensor]
    sites: frozenset[str] = OUTPUT

    def __call__(self, seen: Seen) -> Tensor:
        """Whether the goal is reached, (n,) bool."""
        return self.reached(seen)

    def __str__(self) -> str:
        return self.words


def misclassified(labels: Classes, *, clear: float = 0.0) -> Goal:
    """The predicted class (the first of the highest logits) is not the label.

    Args:
        labels: True classes.
        clear: Share of the largest logit by which another has to lead. An image on the very boundary is seen as one
            class in one batch or memory format, and as another in the next: logits differ by some 1e-6 of their size.
    """
    if clear == 0:
        return Goal("misclassified", lambda seen: seen.output.argmax(1) != classes_of(labels, seen))
    return Goal("clearly misclassified", lambda seen: _lead(labels, seen) > clear * seen.output.abs().amax(1))


def classified_as(targets: Classes, *, clear: float = 0.0) -> Goal:
    """The predicted class is the target, ``clear`` as in `misclassified`."""
    if clear == 0:
        return Goal("classified as the target", lambda seen: seen.output.argmax(1) == classes_of(targets, seen))
    return Goal("clearly the target", lambda seen: -_lead(targets, seen) > clear * seen.output.abs().amax(1))


def _lead(classes: Classes, seen: Seen) -> Tensor:
    """How far the best other logit leads, (n,)."""
    return margin(classes)(seen)


def confident_above(targets: Classes, probability: float) -> Goal:
    """The target's probability is above the given one.

    Raises:
        StriateError: ``probability`` is not in [0, 1).
    """
    if not 0 <= probability < 1:
        raise StriateError(f"probability is {probability:g}", accepted="a number from 0 to below 1")

    def reached(seen: Seen) -> Tensor:
        chosen = classes_of(targets, seen)[:, None]
        return seen.output.softmax(1).gather(1, chosen).squeeze(1) > probability

    return Goal(f"confident above {probability:g}", reached)


def near(goal: Goal, images: Tensor, radius: float, norm: float) -> Goal:
    """A goal reached at a distance of at most the radius from images (N, C, H, W), in float64."""

    def reached(seen: Seen) -> Tensor:
        away = seen.images.detach().to(torch.float64) - images[seen.rows].to(torch.float64)
        return goal(seen) & (norm_of(away, norm) <= radius)

    return Goal(f"{goal.words} within {radius:g} in L{norm:g}", reached, goal.sites)


def decision(goal: Goal) -> Objective:
    """All that a net gives away which says its decision alone: 1 where the goal is reached, else 0."""
    return Term(f"decision({goal.words})", lambda seen: goal(seen).to(seen.images.dtype), goal.sites)


def none() -> Goal:
    """No goal: never reached, so every image stays until the last step."""

    def never(seen: Seen) -> Tensor:
        return torch.zeros(len(seen.images), dtype=torch.bool, device=seen.images.device)

    return Goal("none", never, frozenset())
