"""AutoPGD in L1: sparse steps, as sparse as the best point found so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image
from striate.imageopt.region.direction import ranks

from .auto_pgd import first_points

SHARE = 0.2  # of the values that the first steps move
EVERY = 4  # per cent of the steps between looks at the sparsity
SPARSER = 1.5  # a step moves so many times fewer values than the best point differs in
FALL = 0.95  # a best point that differs in fewer values than this share of before is sparser
SHORTER, LEAST = 1.5, 10.0  # by what a length is divided, and by what at most


@dataclass(frozen=True)
class SparseAutoPGD:
    """Steps of one L1 length, shared evenly among the values of the largest slopes, each projected onto the region.

    At first a fifth of the values move; after every 4 % of the steps two thirds as many as the best point differs in.
    Where that point has become sparser the length is the radius again and the row goes on from it; elsewhere the length
    falls by a third, to a tenth of the radius at least. Step for step one evaluation.

    Args:
        centre: What differences are counted from, (N, ...).
        radius: Of the region, in L1.
        begin: Where to begin, (N, ...); None is a random point of the region.

    Source: Croce & Hein 2021, "Mind the box", section 4 and algorithm 1; the projection onto ball and box is exact.
    """

    centre: Tensor
    radius: float
    begin: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.radius >= 0:
            raise StriateError(f"radius is {self.radius:g}", accepted="a number of at least 0")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"sparse AutoPGD from steps of {self.radius:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation and one step for each value yielded; rows that are done are left alone."""
        z = first_points(problem, self.begin)
        values, every = z[0].numel(), max(EVERY * problem.steps // 100, 1)
        best, slope = z.clone(), torch.zeros_like(z)
        top = torch.full((len(z),), -torch.inf, dtype=torch.float64, device=z.device)
        length = torch.full_like(top, self.radius)
        if self.begin is None:
            moving, before = torch.full_like(top, SHARE * values), torch.full_like(top, values)
        else:
            before = self._differing(z, torch.arange(len(z), device=z.device))
            moving = before / SPARSER
        for step in range(problem.steps):
            answer = problem.ask(z).only(problem.alive)
            rows, score, grad = answer.rows, answer.score.to(torch.float64), answer.gradient
            if len(rows) == 0:
                yield z
                return
            here, better = z[rows], score > top[rows]
            at = rows[better]
            best[at], slope[at], top[at] = here[better], grad[better], score[better]
            if step > 0 and step % every == 0:
                now = self._differing(best[rows], rows)
                sparser = now < FALL * before[rows]
                shorter = (length[rows] / SHORTER).clamp(min=self.radius / LEAST)
                length[rows] = torch.where(sparser, self.radius, shorter)
                moving[rows], before[rows] = now / SPARSER, now
                here = torch.where(per_image(sparser, here), best[rows], here)
                grad = torch.where(per_image(sparser, grad), slope[rows], grad)
            moved = problem.project(here + per_image(length[rows].to(z), here) * _sparse(grad, moving[rows]), rows)
            z = moved if len(rows) == len(z) else z.index_copy(0, rows, moved)
            yield z

    def _differing(self, points: Tensor, rows: Tensor) -> Tensor:
        """In how many values points differ from the centre, at least 1, (n,)."""
        return (points != self.centre[rows]).flatten(1).sum(1).clamp(min=1).to(torch.float64)


def _sparse(grad: Tensor, count: Tensor) -> Tensor:
    """The signs of so many (n,) of the largest slopes, at an L1 length of 1."""
    flat = grad.flatten(1)
    kept = torch.where(ranks(flat.abs()) < count.clamp(min=1)[:, None], flat.sign(), 0.0)
    return (kept / kept.abs().sum(1, keepdim=True).clamp(min=1.0)).view_as(grad)
