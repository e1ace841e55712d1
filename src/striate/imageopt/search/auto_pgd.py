"""AutoPGD: projected gradient with momentum, whose steps halve by themselves where they bring no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Answer, Problem
from striate.imageopt.region import per_image


def checkpoints(steps: int) -> list[int]:
    """After how many steps the length of a step is looked at: 22, 41, 57, 70, 80, 87, 93, 99 of 100.

    The first stretch is 22 % of the steps, each next one 3 % of them shorter, but none below 6 %; all are whole.
    """
    stretch, shorter, least = (max(share * steps // 100, 1) for share in (22, 3, 6))
    at, found = stretch, []
    while at < steps:
        found.append(at)
        stretch = max(stretch - shorter, least)
        at += stretch
    return found


@dataclass(frozen=True)
class AutoPGD:
    """Steps ``x <- P(x + a (P(x + s d) - x) + (1 - a) (x - x'))`` along the region's steepest direction d.

    P projects onto the region and x' is the point before. The length s begins at twice the radius. At a checkpoint it
    is halved, and the row goes on from the best point it has seen, where the score rose in at most a share ``rho`` of
    the steps since the last checkpoint, or where s was not halved there and the best score is no better since.

    Each row has a length of its own. A step costs one evaluation.

    Args:
        radius: Of the region, in its norm.
        momentum: a; the first step has none (a = 1).
        rho: Share of rising steps below which the length is halved.
        begin: Where to begin, (N, ...); None is a random point of the region.

    Source: Croce & Hein 2020, section 3 and algorithm 1. The steps at which lengths are looked at are those of the
    authors' code, which rounds each stretch down.
    """

    radius: float
    momentum: float = 0.75
    rho: float = 0.75
    begin: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.radius >= 0:
            raise StriateError(f"radius is {self.radius:g}", accepted="a number of at least 0")
        if not (0 < self.momentum <= 1 and 0 < self.rho < 1):
            raise StriateError(
                f"momentum is {self.momentum:g}, rho {self.rho:g}", accepted="0 < momentum <= 1, 0 < rho < 1"
            )

    @property
    def words(self) -> str:
        """How it searches."""
        return f"AutoPGD from steps of {2 * self.radius:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation and one step for each value yielded; rows that are done are left alone."""
        z = first_points(problem, self.begin)
        state, checks = _State.of(z, 2.0 * self.radius), {0, *checkpoints(problem.steps)}
        for step in range(problem.steps):
            answer = problem.ask(z).only(problem.alive)
            if len(answer.rows) == 0:
                yield z
                return
            grad = state.saw(z, answer)
            rows, here = answer.rows, z[answer.rows]
            if step > 0 and step in checks:
                halved = state.check(rows, step - max(each for each in checks if each < step), self.rho)
                here = torch.where(per_image(halved, here), state.best[rows], here)
                grad = torch.where(per_image(halved, grad), state.slope[rows], grad)
            share = self.momentum if step > 0 else 1.0
            length = per_image(state.length[rows], here)
            straight = problem.project(here + length * problem.within.steepest(grad, rows), rows)
            moved = problem.project(
                here + share * (straight - here) + (1.0 - share) * (here - state.before[rows]), rows
            )
            state.before[rows] = here
            z = moved if len(rows) == len(z) else z.index_copy(0, rows, moved)
            yield z


@dataclass(eq=False)
class _State:
    """What a row remembers: the point before, the best point with its slope, scores, the length of its steps."""

    before: Tensor
    best: Tensor
    slope: Tensor
    top: Tensor  # best score
    last: Tensor  # latest score
    checked: Tensor  # best score at the last checkpoint
    rises: Tensor  # steps since then that raised the score
    halved: Tensor  # whether the length was halved there
    length: Tensor

    @staticmethod
    def of(z: Tensor, length: float) -> _State:
        row = torch.full((len(z),), -torch.inf, dtype=torch.float64, device=z.device)
        return _State(
            before=z.clone(),
            best=z.clone(),
            slope=torch.zeros_like(z),
            top=row,
            last=row.clone(),
            checked=row.clone(),
            rises=torch.zeros_like(row),
            halved=torch.ones_like(row, dtype=torch.bool),
            length=z.new_full((len(z),), length),
        )

    def saw(self, z: Tensor, answer: Answer) -> Tensor:
        """Takes note of an evaluation, and gives its gradient."""
        rows, score, grad = answer.rows, answer.score.to(torch.float64), answer.gradient
        first = self.last[rows] == -torch.inf
        self.rises[rows] += ((score > self.last[rows]) & ~first).to(self.rises)
        better = score > self.top[rows]
        at = rows[better]
        self.best[at], self.slope[at], self.top[at] = z[at], grad[better], score[better]
        self.checked[rows] = torch.where(first, score, self.checked[rows])
        self.last[rows] = score
        return grad

    def check(self, rows: Tensor, steps: int, rho: float) -> Tensor:
        """Which rows halve their length, (n,) bool."""
        few = self.rises[rows] <= rho * steps
        stuck = ~self.halved[rows] & (self.checked[rows] >= self.top[rows])
        halved = few | stuck
        self.length[rows] = torch.where(halved, self.length[rows] / 2, self.length[rows])
        self.halved[rows], self.checked[rows], self.rises[rows] = halved, self.top[rows], 0.0
        return halved


def first_points(problem: Problem, begin: Tensor | None) -> Tensor:
    """Where the rows begin, in the region."""
    if begin is None:
        return problem.random_start()
    return problem.project(begin.to(problem.start), torch.arange(len(begin), device=problem.start.device))
