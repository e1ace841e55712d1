"""Objectives: what a search raises. One forward pass gives one score per image; higher is better.

Objectives are frozen, print as what they compute, and compose with ``+``, ``-`` and numbers:

>>> print(logit(3) - 0.1 * squared_distance(0.5))
logit(3) - 0.1 * squared_distance(0.5)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError

Classes = int | Tensor  # one class for every image, or a tensor (N,) with one a row
OUTPUT = frozenset({"output"})


class Seen(Protocol):
    """One pass over some rows; `striate.nets.look.Seen` is one.

    Attributes:
        images: Images as painted, (n, C, H, W).
        output: Class scores, (n, K): logits, or log-probabilities of a net that gives probabilities.
        rows: Which rows these are, (n,).
    """

    @property
    def images(self) -> Tensor: ...  # noqa: D102
    @property
    def output(self) -> Tensor: ...  # noqa: D102
    @property
    def rows(self) -> Tensor: ...  # noqa: D102
    def __getitem__(self, site: str) -> Tensor: ...


class Objective(Protocol):
    """A score per image of one pass; ``sites`` names what it reads beside the images (``"output"`` counts as one)."""

    sites: frozenset[str]
    words: str

    @abstractmethod
    def __call__(self, seen: Seen) -> Tensor:
        """Scores (n,) of the rows seen, or (n, K) where a Jacobian is wanted."""

    def __add__(self, other: Objective) -> Objective:
        return Sum((*_parts(self), *_parts(other)))

    def __sub__(self, other: Objective) -> Objective:
        return self + -other

    def __neg__(self) -> Objective:
        return Sum(tuple((-weight, part) for weight, part in _parts(self)))

    def __mul__(self, factor: float) -> Objective:
        return Sum(((float(factor), self),))

    def __rmul__(self, factor: float) -> Objective:
        return Sum(((float(factor), self),))

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, repr=False)
class Term(Objective):
    """One objective, made of its words and its function; the functions below give the usual ones."""

    words: str
    score: Callable[[Seen], Tensor]
    sites: frozenset[str] = frozenset()

    def __call__(self, seen: Seen) -> Tensor:
        """The scores; a term that mixes or loses images is told by its shape."""
        score = self.score(seen)
        if score.shape[:1] != seen.images.shape[:1] or score.ndim > 2:
            raise StriateError(
                f"objective {self.words} gave shape {tuple(score.shape)} for {len(seen.images)} images",
                accepted="one score per image",
            )
        return score

    def __repr__(self) -> str:
        return f"<objective {self.words}>"


@dataclass(frozen=True, repr=False)
class Sum(Objective):
    """A weighted sum of objectives, all read from the same pass."""

    parts: tuple[tuple[float, Objective], ...]

    @property
    def sites(self) -> frozenset[str]:  # type: ignore[override]
        """The union of what the parts read."""
        return frozenset().union(*(part.sites for _, part in self.parts))

    @property
    def words(self) -> str:  # type: ignore[override]
        """The sum as one writes it."""
        text = ""
        for weight, part in self.parts:
            inner = f"({part.words})" if isinstance(part, Sum) else part.words
            term = inner if abs(weight) == 1 else f"{abs(weight):g} * {inner}"
            sign = "-" if weight < 0 else "+"
            text = f"{text} {sign} {term}" if text else f"-{term}" if weight < 0 else term
        return text

    def __call__(self, seen: Seen) -> Tensor:
        """The weighted sum of the parts' scores."""
        first, *others = (weight * part(seen) for weight, part in self.parts)
        return sum(others, start=first)

    def __repr__(self) -> str:
        return f"<objective {self.words}>"


def _parts(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    """The terms of a sum, or the objective itself: sums of sums print as one."""
    return objective.parts if isinstance(objective, Sum) else ((1.0, objective),)


def logit(classes: Classes) -> Objective:
    """The logit of a class. Source: Simonyan et al. 2013, section 2 (there S_c)."""
    return Term(f"logit({_say(classes)})", lambda seen: _own(seen, classes), OUTPUT)


def log_probability(classes: Classes) -> Objective:
    """The natural logarithm of a class's probability, at most 0."""
    return Term(
        f"log_probability({_say(classes)})", lambda seen: _own(seen, classes) - seen.output.logsumexp(1), OUTPUT
    )


def cross_entropy(classes: Classes) -> Objective:
    """The loss of a class in nats, at least 0: minus its log-probability.

    In float32 its gradient is exactly zero where the probability rounds to 1 (a lead of about 17 nats); `log_odds`
    ascends the same way and does not vanish.
    """
    return Term(f"cross_entropy({_say(classes)})", lambda seen: seen.output.logsumexp(1) - _own(seen, classes), OUTPUT)


def log_odds(classes: Classes) -> Objective:
    """The log-odds of a class, ``log(p / (1 - p))``: its logit less the log-sum-exp of the others.

    Cross-entropy is ``log(1 + exp(-log_odds))``, a strictly falling function of it, so ``-log_odds`` has the same
    direction of steepest ascent as cross-entropy, image by image, however large the logits are.
    """

    def score(seen: Seen) -> Tensor:
        return _own(seen, classes) - _others(seen, classes).logsumexp(1)

    return Term(f"log_odds({_say(classes)})", score, OUTPUT)


def margin(classes: Classes) -> Objective:
    """The largest other logit less that of the class: above 0 where the class is not predicted.

    Source: Carlini & Wagner 2017, section V (their f_6 without its floor).
    """
    return Term(f"margin({_say(classes)})", lambda seen: _others(seen, classes).amax(1) - _own(seen, classes), OUTPUT)


def total_variation() -> Objective:
    """The sum of absolute differences of neighbouring pixels along rows and columns (Rudin et al. 1992)."""

    def score(seen: Seen) -> Tensor:
        across, down = seen.images.diff(dim=-1).abs(), seen.images.diff(dim=-2).abs()
        return across.flatten(1).sum(1) + down.flatten(1).sum(1)

    return Term("total_variation", score)


def squared_distance(centre: float | Tensor) -> Objective:
    """The squared L2 distance of the image from a grey value, or from images (N, C, H, W), in pixel units."""

    def score(seen: Seen) -> Tensor:
        middle = centre[seen.rows] if isinstance(centre, Tensor) else centre
        return (seen.images - middle).flatten(1).square().sum(1)

    return Term(f"squared_distance({'images' if isinstance(centre, Tensor) else f'{centre:g}'})", score)


def _say(classes: Classes) -> str:
    return str(classes) if isinstance(classes, int) else str(int(classes)) if classes.ndim == 0 else "labels"


def classes_of(classes: Classes, seen: Seen) -> Tensor:
    """The class of each row seen, (n,) int64.

    Raises:
        StriateError: The net's output is not (n, classes), or a class is out of range.
    """
    output = seen.output
    if not isinstance(output, Tensor) or output.ndim != 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise StriateError(f"the net's output is {shape}", accepted="one row of class scores per image")
    if isinstance(classes, Tensor) and classes.ndim > 0:
        chosen = classes.to(output.device)[seen.rows]
    else:
        chosen = torch.full((len(output),), int(classes), device=output.device)
    count = output.shape[1]
    if bool(((chosen < 0) | (chosen >= count)).any()):
        wrong = int(chosen[(chosen < 0) | (chosen >= count)][0])
        raise StriateError(f"class {wrong} is out of range", accepted=f"0 to {count - 1}: the net has {count} classes")
    return chosen


def _own(seen: Seen, classes: Classes) -> Tensor:
    return seen.output.gather(1, classes_of(classes, seen)[:, None]).squeeze(1)


def _others(seen: Seen, classes: Classes) -> Tensor:
    if seen.output.shape[1] < 2:
        raise StriateError("the net has one output", accepted="at least two classes, so that one can lose to another")
    return seen.output.scatter(1, classes_of(classes, seen)[:, None], -torch.inf)
