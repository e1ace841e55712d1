"""Random search: candidates without a gradient, the best kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem


@dataclass(frozen=True)
class RandomSearch:
    """Random candidates each step, drawn for each image by its id; the next ones start from the best so far.

    Args:
        spread: Deviation of Gaussian steps from the best so far, in units of the free numbers, each brought into the
            region. None draws every candidate anew from the whole region.
        tries: Candidates a step, one forward pass each.
        falling: Whether the spread falls along a straight line to a hundredth of itself over the steps.

    Source: Matyas 1965 (with a spread); Brooks 1958 (without).
    """

    spread: float | None = None
    tries: int = 1
    falling: bool = False

    def __post_init__(self) -> None:
        if self.spread is not None and self.spread <= 0:
            raise StriateError(f"spread is {self.spread:g}", accepted="a number above 0, or None for the whole region")
        if self.tries < 1:
            raise StriateError(f"tries is {self.tries}", accepted="at least 1")

    @property
    def words(self) -> str:
        """How it searches."""
        where = "of the whole region" if self.spread is None else f"by {self.spread:g} from the best"
        return f"random search {where}, {self.tries} a step"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """The start first, then so many candidates for each value yielded; rows that are done are left alone."""
        z = problem.start.clone()
        best = torch.full((len(z),), -torch.inf, dtype=z.dtype, device=z.device)
        rows = problem.alive
        best[rows] = problem.ask_many(z[:, None], rows=rows)[:, 0]
        for step in range(problem.steps):
            rows = problem.alive
            if len(rows) == 0:
                return
            many = torch.stack([self._candidate(problem, z, step, place) for place in range(self.tries)], 1)
            scores = problem.ask_many(many, rows=rows)
            score, chosen = scores.max(1)
            better = score > best[rows]
            at = rows[better]
            z = z.index_copy(0, at, many[at, chosen[better]])
            best[at] = score[better]
            problem.report(best[rows], rows)
            yield z

    def _candidate(self, problem: Problem, z: Tensor, step: int, place: int) -> Tensor:
        draw = 1 + step * self.tries + place
        if self.spread is None:
            return problem.random_start(draw)
        spread = self.spread * (1 - 0.99 * step / problem.steps) if self.falling else self.spread
        noise = problem.rng.child("random search").normal(problem.ids, z.shape[1:], step=draw)
        every = torch.arange(len(z), device=z.device)
        return problem.project(z + spread * noise.to(z), every)
