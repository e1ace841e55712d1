"""L-BFGS with a strong Wolfe line search, image by image; projected where the region binds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem

from .curvature import Curvature
from .wolfe import climb


@dataclass(frozen=True)
class LBFGS:
    """Quasi-Newton ascent: each row has its own curvature, its own step length, and leaves once it has come to rest.

    The direction is that of the two-loop recursion over the numbers that are free; a number is held while it is at its
    limit and the gradient pushes it further. Step lengths meet the strong Wolfe conditions; where the region bends the
    way, sufficient ascent alone. That is two-metric projection in a box; in other regions, and wherever such a
    direction fails, the next is the gradient itself, whose projected way always ascends. A row rests where the
    projected gradient is at most ``tolerance``, or where no way along the gradient ascends by more than the score's
    rounding.

    A step costs one evaluation at least and ``evaluations`` at most. Made for objectives that answer the same every
    time: under a random view the line search compares different draws. Keeps ``2 * memory`` copies of the free numbers.

    Args:
        memory: Pairs of steps and changes of gradient that are kept.
        tolerance: Largest value of the projected gradient that counts as zero.
        ascent: Share of the promised ascent that a step must bring (c1).
        slope: Share of the slope that may be left where a step ends (c2).
        evaluations: Tries of a line search.

    Source: Nocedal & Wright 2006, algorithms 7.4, 7.5, 3.5 and 3.6; projection: Bertsekas 1982 and Schmidt, Kim & Sra
    2012, who shorten steps by halving alone. Byrd et al. 1995 first go to the Cauchy point.
    """

    memory: int = 10
    tolerance: float = 1e-5
    ascent: float = 1e-4
    slope: float = 0.9
    evaluations: int = 20

    def __post_init__(self) -> None:
        if self.memory < 1 or self.evaluations < 1:
            raise StriateError(f"memory is {self.memory}, evaluations {self.evaluations}", accepted="at least 1 each")
        if not 0 < self.ascent < self.slope < 1:
            raise StriateError(f"ascent is {self.ascent:g}, slope {self.slope:g}", accepted="0 < ascent < slope < 1")
        if self.tolerance < 0:
            raise StriateError(f"tolerance is {self.tolerance:g}", accepted="at least 0")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"L-BFGS of {self.memory} pairs, strong Wolfe"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One line search for each value yielded; rows that are done are left alone."""
        z = problem.start.clone()
        curvature = Curvature.empty(z, self.memory)
        answer = problem.ask(z)
        score, grad = answer.score.to(torch.float64), torch.zeros_like(z)
        known = torch.full((len(z),), -torch.inf, dtype=torch.float64, device=z.device)
        known[answer.rows], grad[answer.rows] = score, answer.gradient
        for _ in range(problem.steps):
            problem.report(known[problem.alive], problem.alive)
            rows = self._moving(problem, z, grad)
            if len(rows) == 0:
                yield z
                return
            here, slope = z[rows], grad[rows]
            free = _free(problem, here, slope, rows)
            direction = curvature.direction(slope, free, rows)
            first = _first_lengths(direction, curvature.counts[rows])
            climbed = climb(self, problem, z, rows, known=known[rows], grad=slope, direction=direction, first=first)
            at, before = climbed.moved, known[rows]
            curvature.add(rows[at], climbed.z[at] - here[at], slope[at] - climbed.grad[at])
            fails = rows[~at]
            problem.leave(fails[curvature.counts[fails] == 0])
            curvature.counts[fails] = 0
            z = z.index_copy(0, rows[at], climbed.z[at])
            grad[rows[at]], known[rows[at]] = climbed.grad[at], climbed.score[at]
            problem.report(before, rows)
            yield z

    def _moving(self, problem: Problem, z: Tensor, grad: Tensor) -> Tensor:
        """The rows that are not done; those at rest leave."""
        rows = problem.alive
        if len(rows) == 0:
            return rows
        way = problem.project(z[rows] + grad[rows], rows) - z[rows]
        resting = way.flatten(1).abs().amax(1) <= self.tolerance
        problem.leave(rows[resting])
        return rows[~resting]


def _free(problem: Problem, here: Tensor, grad: Tensor, rows: Tensor) -> Tensor:
    """Which numbers are not held: a thousandth along the gradient's sign moves them."""
    tried = here + 1e-3 * grad.sign()
    ended = problem.project(tried, rows)
    return (ended != here) | (grad == 0)


def _first_lengths(direction: Tensor, counts: Tensor) -> Tensor:
    """Step lengths to try first: 1, or what moves by 1 in L1 where no curvature is known yet."""
    size = direction.flatten(1).to(torch.float64).abs().sum(1)
    cautious = (1 / torch.where(size > 0, size, 1.0)).clamp(max=1.0)
    return torch.where(counts > 0, 1.0, cautious)
