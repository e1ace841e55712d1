"""A random walk along the boundary of the goal, towards the start, from decisions alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image, steepest_direction

from .decided import at_boundary, distance, reached, reaching_start

CHECKED = 5  # steps after which the step along the sphere is looked at by itself
SPHERE, TOWARDS = 10, 20  # tries after which a length is adapted
FACTOR = 1.5
HALVINGS = 10  # of the way from the first image to the boundary


@dataclass(frozen=True)
class BoundaryWalk:
    """From an image that reaches the goal: a random step at its distance from the start, then a step nearer.

    A row moves where the goal is still reached. Both lengths follow how often it is: that of the step along the sphere
    rises above and falls below 20 to 50 % of tries, that of the step nearer outside of 10 to 25 %. One forward
    pass a step, another one every fifth step. Pixels in L2.

    Args:
        sphere: First length of the step along the sphere, as a share of the distance.
        towards: First length of the step nearer, as a share of the distance.

    Source: Brendel et al. 2018, algorithm 1 and section 2.3; the limits of 20, 10 and 25 % are those of their code in
    foolbox, with shorter memories here. The walk begins at the boundary, found by bisection.
    """

    sphere: float = 0.01
    towards: float = 0.01

    def __post_init__(self) -> None:
        for name, value in (("sphere", self.sphere), ("towards", self.towards)):
            if not 0 < value < 1:
                raise StriateError(f"length {name} is {value:g}", accepted="above 0, below 1")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"walk along the boundary by {self.sphere:g}, nearer by {self.towards:g} at first"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded."""
        z = reaching_start(problem)
        rows = problem.alive
        if len(rows) == 0:
            return
        z[rows] = at_boundary(problem, z[rows], rows, norm=2.0, halvings=HALVINGS)
        sphere, towards = (z.new_full((len(z),), length) for length in (self.sphere, self.towards))
        on_sphere, nearer = _Rate(z, SPHERE), _Rate(z, TOWARDS)
        noise = problem.rng.child("boundary")
        for step in range(problem.steps):
            rows = problem.alive
            if len(rows) == 0:
                return
            start, here = problem.start[rows], z[rows]
            drawn = noise.normal(problem.ids[rows.cpu()], z.shape[1:], step=step).to(z)
            turned = problem.project(around(start, here, drawn, sphere[rows]), rows)
            tried = problem.project(pulled(start, here, turned, towards[rows]), rows)
            if step % CHECKED == 0:
                there = reached(problem, turned, rows)
                factor = on_sphere.factor(rows, there, low=0.2, high=0.5)
                sphere[rows] *= factor
                towards[rows] *= factor
            there = reached(problem, tried, rows)
            nearest = there & (distance(problem, tried, rows, 2.0) < distance(problem, here, rows, 2.0))
            z[rows[nearest]] = tried[nearest]
            towards[rows] *= nearer.factor(rows, there, low=0.1, high=0.25)
            towards.clamp_(max=0.5)
            sphere.clamp_(max=1.0)
            yield z


def around(start: Tensor, here: Tensor, drawn: Tensor, length: Tensor) -> Tensor:
    """A step orthogonal to the way to the start, of a share (n,) of that way, brought back to the same distance."""
    way = here - start
    unit = steepest_direction(way, 2.0)
    drawn = drawn - per_image((drawn * unit).flatten(1).sum(1), drawn) * unit
    size = per_image(way.flatten(1).square().sum(1).sqrt(), way)
    share = per_image(length, way)
    return start + (way + share * size * steepest_direction(drawn, 2.0)) / (1 + share.square()).sqrt()


def pulled(start: Tensor, here: Tensor, turned: Tensor, length: Tensor) -> Tensor:
    """The turned image moved towards the start, to a distance of ``(1 - length)`` times that of ``here``."""
    size, now = (per_image((each - start).flatten(1).square().sum(1).sqrt(), here) for each in (here, turned))
    share = (1 - per_image(length, here)) * size / torch.where(now > 0, now, 1.0)
    return start + share.clamp(max=1.0) * (turned - start)


class _Rate:
    """How often tries of each row reached the goal, counted anew after so many."""

    def __init__(self, like: Tensor, tries: int) -> None:
        self.tries, self.made, self.hits = tries, like.new_zeros(len(like)), like.new_zeros(len(like))

    def factor(self, rows: Tensor, there: Tensor, *, low: float, high: float) -> Tensor:
        """By how much to change the length of each row, now that these tries are known."""
        self.made[rows] += 1
        self.hits[rows] += there.to(self.hits)
        full = self.made[rows] >= self.tries
        share = self.hits[rows] / self.made[rows]
        factor = torch.where(full & (share > high), FACTOR, torch.where(full & (share < low), 1 / FACTOR, 1.0))
        self.made[rows[full]] = self.hits[rows[full]] = 0
        return factor.to(self.hits)
