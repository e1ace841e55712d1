"""Keeps: which of the images that a search tried is an image's result, and whether a row may leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import UnknownNameError


@dataclass(frozen=True)
class Tried:
    """Candidates, one for each of n rows: score, whether the goal is reached, and distance from the start by norm."""

    score: Tensor
    reached: Tensor
    distance: Callable[[float], Tensor]


class Keep(Protocol):
    """A choice between what is held and what was just tried."""

    @property
    def words(self) -> str:
        """Which image it keeps."""

    @property
    def leaves(self) -> bool:
        """Whether a row that has reached its goal is done and costs nothing more."""

    def better(self, new: Tried, held: Tried) -> Tensor:
        """Whether the new candidate replaces the held one, (n,) bool."""


@dataclass(frozen=True)
class First:
    """The first image that reaches the goal; until one does, the best score."""

    words: str = "first that reaches the goal"
    leaves: bool = True

    def better(self, new: Tried, held: Tried) -> Tensor:
        """Reached beats not reached; among those that do not reach, the higher score."""
        return ~held.reached & (new.reached | (new.score > held.score))


@dataclass(frozen=True)
class Best:
    """The highest score, whatever the goal."""

    words: str = "best score"
    leaves: bool = False

    def better(self, new: Tried, held: Tried) -> Tensor:
        """The higher score."""
        return new.score > held.score


@dataclass(frozen=True)
class Nearest:
    """Of the images that reach the goal the nearest to the start; until one does, the best score."""

    norm: float = 2.0
    leaves: bool = False

    @property
    def words(self) -> str:
        """Which nearness."""
        return f"nearest in L{self.norm:g} that reaches the goal"

    def better(self, new: Tried, held: Tried) -> Tensor:
        """Reached beats not reached; among reached ones the shorter distance; among the others the higher score."""
        nearer = new.distance(self.norm) < held.distance(self.norm)
        among_reached = new.reached & (nearer | ~held.reached)
        return torch.where(held.reached, among_reached, new.reached | (new.score > held.score))


@dataclass(frozen=True)
class Last:
    """The image where the search ended, whatever its score: for methods that go a stated number of steps."""

    words: str = "last"
    leaves: bool = False

    def better(self, new: Tried, held: Tried) -> Tensor:  # noqa: ARG002
        """Whatever has a score replaces what was before."""
        return new.score > -torch.inf


KEEPS: dict[str, Keep] = {"first": First(), "best": Best(), "nearest": Nearest(), "last": Last()}


def keep_named(keep: str | Keep) -> Keep:
    """The keep of this name (first, best, nearest, last), or the one given."""
    if not isinstance(keep, str):
        return keep
    if keep not in KEEPS:
        raise UnknownNameError("keep", keep, KEEPS)
    return KEEPS[keep]
