"""What a search is given: a problem that it asks for scores and gradients, and the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.rng import Rng

from .objective import Objective
from .region import Region


@dataclass(frozen=True)
class Answer:
    """What one evaluation says about the n rows that were asked for, in their order.

    Attributes:
        score: (n,), or (n, K) from an objective that gives K scores.
        grad: Gradient by the free numbers ``z``, shaped like them ((n, K, ...) for K scores); None where not asked for.
            Where it is not finite it is 0.
        reached: Whether the goal is reached, (n,).
        image: The images that were looked at, (n, C, H, W).
        rows: Which rows these are, (n,).
    """

    score: Tensor
    grad: Tensor | None
    reached: Tensor
    image: Tensor
    rows: Tensor

    def only(self, rows: Tensor) -> Answer:
        """The part of the answer that is about these rows."""
        if len(rows) == len(self.rows):
            return self
        kept = torch.isin(self.rows, rows)
        grad = None if self.grad is None else self.grad[kept]
        return Answer(self.score[kept], grad, self.reached[kept], self.image[kept], self.rows[kept])

    def at(self, places: Tensor) -> Answer:
        """The answers at these places."""
        grad = None if self.grad is None else self.grad[places]
        return Answer(self.score[places], grad, self.reached[places], self.image[places], self.rows[places])

    @property
    def gradient(self) -> Tensor:
        """The gradient, which was asked for."""
        if self.grad is None:
            raise TypeError("this answer has no gradient; ask with grad=True")
        return self.grad


class Problem(Protocol):
    """An objective on a canvas within a region; tensors hold all N images, ``rows`` says which are meant."""

    start: Tensor
    within: Region
    steps: int
    rng: Rng
    ids: Tensor  # (N,) int64 on the CPU: what random draws hang on

    @property
    def alive(self) -> Tensor:
        """The rows that are not done, in order, int64."""

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        """Evaluates ``z`` (all N rows) on the rows named, by default those alive; costs one pass an image.

        Whatever it sees it offers to the keep; scores of another ``objective`` do not count there, its goals do.
        """

    def ask_many(self, z: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Scores (n, P) of P candidates a row, from ``z`` (N, P, ...); -inf where not a number.

        One forward pass a candidate and no gradient; the candidates of a row are seen under the same views. The best of
        a row and all that reach the goal are offered to the keep.
        """

    def ask_each(self, z: Tensor, rows: Tensor, *, objective: Objective | None = None) -> Tensor:
        """Scores of candidates ``z`` (m, ...), each of the row named beside it in ``rows`` (m,), which may come again.

        As `ask_many`, but a row may have any number of candidates, and with another ``objective``, which may give K
        scores, (m, K): then only those that reach the goal are offered to the keep.
        """

    def leave(self, rows: Tensor) -> None:
        """These rows have come to rest: they are done and cost nothing more."""

    def report(self, scores: Tensor, rows: Tensor) -> None:
        """Scores (n,) of these rows for the history, where a search knows them without asking."""

    def project(self, z: Tensor, rows: Tensor) -> Tensor:
        """Free numbers (n, ...) of these rows brought into the region."""

    def random_start(self, draw: int = 0) -> Tensor:
        """Free numbers (N, ...) of a random point of the region for each row; another one for every ``draw``."""


class Search(Protocol):
    """A generator that asks the problem and yields ``z`` (all N rows) after each of at most ``problem.steps`` steps."""

    @property
    def words(self) -> str:
        """How it searches."""

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """Searches, one step for each value yielded."""
