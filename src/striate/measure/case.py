"""What the checks of an evaluation look at."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from striate.core.number import Number

from .payload import Evaluation

ALPHA = 1e-3  # chance, a check over all its classes or pairs, that it speaks of what is not there


@dataclass(frozen=True, eq=False)
class Case:
    """One evaluation, and the names that commands are written with."""

    evaluation: Evaluation
    net: str
    data: str

    @cached_property
    def matrix(self) -> Tensor:
        """``matrix[label][predicted]``, counts."""
        return torch.tensor(self.evaluation.confusion, dtype=torch.int64)

    @cached_property
    def support(self) -> list[int]:
        """Images of each class."""
        return [int(count) for count in self.matrix.sum(1)]

    @cached_property
    def hits(self) -> list[int]:
        """Images of each class that are right."""
        return [int(count) for count in self.matrix.diagonal()]

    @cached_property
    def predicted(self) -> list[int]:
        """How often each class is predicted."""
        return [int(count) for count in self.matrix.sum(0)]

    @property
    def n(self) -> int:
        """Images in all."""
        return self.evaluation.n

    @property
    def right(self) -> int:
        """Images that are right."""
        return sum(self.hits)

    @property
    def present(self) -> list[int]:
        """Classes that have images."""
        return [row for row, count in enumerate(self.support) if count]

    def name(self, row: int) -> str:
        """Name of a class."""
        return self.evaluation.names[row] if self.evaluation.names else str(row)

    def command(self, verb: str, *options: str) -> str:
        """A command line about this net and these data."""
        return shlex.join(["striate", verb, self.net, self.data, *options])


def sureness(chance: float) -> float:
    """How sure a test is: 1 minus the chance of its outcome, never quite 1, which is kept for arithmetic."""
    return min(0.9999, max(0.0, 1 - chance))


def percent(value: float | Number) -> str:
    """``"74.5 %"``."""
    return f"{100 * float(value):.1f} %"


def of_images(count: int, one: str, many: str) -> str:
    """``"1 image was"`` or ``"2 images were"``."""
    return f"1 image {one}" if count == 1 else f"{count:,} images {many}"


def counted(count: int, n: int) -> Number:
    """A count that is exact: nothing was estimated."""
    return Number(float(count), n=n, why="counted")
