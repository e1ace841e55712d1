"""Searches by gradient whose gradients are estimated from scores alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Answer, Problem, Search

from .between import Between

BLOCK = 1 << 16  # free numbers of an image's samples that are drawn and asked for at once


@dataclass(frozen=True)
class Samples:
    """How a gradient is estimated: ``1 / (2 pairs width) sum_i (f(z + width d_i) - f(z - width d_i)) d_i``.

    In expectation it is the gradient of the score blurred by as much as the directions reach; of a linear or quadratic
    score the gradient itself. Samples are brought into the region, so that each is a candidate: where a number is at
    its limit, half of each pair stays there, which halves its slope and keeps its sign.

    Args:
        pairs: Antithetic pairs, two forward passes each.
        width: How far the samples are, in units of the free numbers.
        directions: ``"normal"`` or ``"signs"``.

    Source: normal: Salimans et al. 2017 and Ilyas et al. 2018, algorithm 1; signs: Spall 1992, equation 2.2.
    """

    pairs: int
    width: float
    directions: Literal["normal", "signs"] = "normal"

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise StriateError(f"pairs is {self.pairs}", accepted="at least 1")
        if self.width <= 0:
            raise StriateError(f"width is {self.width:g}", accepted="a number above 0")
        if self.directions not in {"normal", "signs"}:
            raise StriateError(f"directions are {self.directions!r}", accepted="normal, signs")

    @property
    def words(self) -> str:
        """How it estimates."""
        return f"slopes from {self.pairs} pairs of {self.directions} at {self.width:g}"


@dataclass(frozen=True)
class Estimated:
    """A search by gradient that is given estimates; each costs one forward pass and two a pair, no backward pass."""

    search: Search
    samples: Samples

    @property
    def words(self) -> str:
        """How it searches."""
        return f"{self.search.words}, {self.samples.words}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """The steps of the search."""
        return self.search(_Estimating(problem, self.samples))


class _Estimating(Between):
    """The problem, as a search sees it that is given estimates."""

    def __init__(self, problem: Problem, samples: Samples) -> None:
        super().__init__(problem)
        self.samples, self.asked = samples, 0

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        answer = self.problem.ask(z, rows=rows, grad=False, objective=objective)
        if not grad:
            return answer
        answer = answer.only(self.alive)
        slope = self._slope(z, answer.rows, objective)
        answer = Answer(answer.score, slope, answer.reached, answer.image, answer.rows).only(self.alive)
        self.problem.report(answer.score, answer.rows)
        return answer

    def _slope(self, z: Tensor, rows: Tensor, objective: Objective | None) -> Tensor:
        """The estimate at these rows of ``z``; a row that a sample fools is asked for no further block of samples."""
        slope, pairs = torch.zeros_like(z[rows]), self.samples.pairs
        size = max(1, min(pairs, BLOCK // z[0].numel()))  # whatever the other rows, as the draws hang on it
        for block, done in enumerate(range(0, pairs, size)):
            open_ = torch.isin(rows, self.alive).nonzero().squeeze(1)
            if len(open_) == 0:
                break
            step = self.asked * math.ceil(pairs / size) + block
            slope[open_] += self._part(z, rows[open_], min(size, pairs - done), step, objective)
        self.asked += 1
        return slope / (2 * pairs * self.samples.width)

    def _part(self, z: Tensor, rows: Tensor, pairs: int, step: int, objective: Objective | None) -> Tensor:
        """The sum of ``(f(z + width d) - f(z - width d)) d`` over some pairs, like ``z[rows]``."""
        rng = self.problem.rng.child("samples")
        draw = rng.normal if self.samples.directions == "normal" else rng.signs
        directions = draw(self.ids[rows.cpu()], (pairs, *z.shape[1:]), step=step).to(z)
        away = self.samples.width * torch.cat([directions, -directions], 1)
        named = rows.repeat_interleave(2 * pairs)
        tried = self.problem.project((z[rows][:, None] + away).flatten(0, 1), named)
        scores = self.problem.ask_each(tried, named, objective=objective).view(len(rows), 2, pairs)
        rise = (scores[:, 0] - scores[:, 1]).nan_to_num(0.0, 0.0, 0.0)  # a pair without two numbers says nothing
        return torch.einsum("np,np...->n...", rise, directions)
