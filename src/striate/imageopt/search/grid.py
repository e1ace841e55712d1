"""Search over a grid: every point of it is tried, from the middle outwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem


@dataclass(frozen=True)
class Grid:
    """All points of a grid over [-1, 1] of each free number, the best kept; one forward pass a point, no gradient.

    The points nearest to 0 come first, and of equal scores the first is kept: with the keep ``"first"`` the smallest
    move of the grid that reaches the goal. For canvases of few free numbers, (N, numbers), at no cost beyond the grid.

    Args:
        counts: Points along each free number; an odd count holds 0.
        many: Points a step. A row leaves only between steps, so that many steps save passes and few save calls.

    Source: Engstrom et al. 2019, section 3.1, whose grid this is; the order is ours.
    """

    counts: tuple[int, ...] = (5, 5, 31)
    many: int = 25

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 1:
            raise StriateError(f"grid of {self.counts} points", accepted="at least 1 along each free number")
        if self.many < 1:
            raise StriateError(f"{self.many} points a step", accepted="at least 1")

    def __len__(self) -> int:
        return math.prod(self.counts)

    @property
    def words(self) -> str:
        """How it searches."""
        return f"grid of {' x '.join(map(str, self.counts))} points, {self.many} a step"

    @property
    def steps(self) -> int:
        """Steps that the whole grid takes."""
        return math.ceil(len(self) / self.many)

    def points(self) -> Tensor:
        """The points (P, numbers) in float64, nearest to 0 first; those equally near in the order of their numbers."""
        lines = [
            torch.arange(count).double() * 2 / (count - 1) - 1 if count > 1 else torch.zeros(1).double()
            for count in self.counts
        ]
        points = torch.cartesian_prod(*lines).view(-1, len(lines))
        return points[points.square().sum(1).argsort(stable=True)]

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """``many`` points of each row for each value yielded, which holds the best so far; then every row leaves."""
        z = problem.start.clone()
        if z.shape[1:] != (len(self.counts),):
            raise StriateError(
                f"grid over {len(self.counts)} free numbers, the canvas has {tuple(z.shape[1:])}",
                accepted="a count of points for each free number",
            )
        best = torch.full((len(z),), -torch.inf, dtype=z.dtype, device=z.device)
        parts = torch.split(self.points().to(z), self.many)[: problem.steps]
        for step, part in enumerate(parts):
            rows = problem.alive
            if len(rows) == 0:
                return
            scores = problem.ask_many(part.expand(len(z), -1, -1), rows=rows)
            score = scores.amax(1)
            order = torch.arange(len(part), device=z.device)
            first = torch.where(scores == score[:, None], order, len(part)).amin(1)
            better = score > best[rows]
            at = rows[better]
            z, best = z.index_copy(0, at, part[first[better]]), best.index_copy(0, at, score[better])
            problem.report(best[rows], rows)
            if step + 1 == len(parts):
                problem.leave(problem.alive)
            yield z
