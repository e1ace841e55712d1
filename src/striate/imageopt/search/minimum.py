"""Attacks that look for the smallest ball: DDN and FMN. The radius shrinks where a row is across and grows if not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import dual, norm_of
from striate.imageopt.problem import Problem
from striate.imageopt.region import Ball, Box, per_image, steepest_direction

TINY = 1e-12  # gradients below are none


@dataclass(frozen=True)
class DecoupledNorm:
    """DDN: steps along the gradient at length ``rate``, each then set to a radius that shrinks or grows.

    ``delta <- delta + rate * g / |g|``, ``radius <- (1 - factor) radius`` where x is across and
    ``(1 + factor) radius`` where not, ``x <- x_0 + radius * delta / |delta|``, clamped. The rate falls from 1 to 0.01
    along half a cosine. Costs one forward and one backward pass a step.

    Args:
        factor: Share by which the radius changes.
        radius: At the start.

    Source: Rony et al. 2019, algorithm 1, without its rounding to 256 levels.
    """

    factor: float = 0.05
    radius: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1 or self.radius <= 0:
            raise StriateError(f"factor is {self.factor:g}, radius {self.radius:g}", accepted="0 to 1, above 0")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"DDN, radius {self.radius:g} changing by {self.factor:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, z = problem.start, problem.start.clone()
        furthest = norm_of(torch.maximum(start, 1 - start), 2.0)
        radius = torch.full_like(furthest, self.radius)
        for step in range(problem.steps):
            rate = 0.01 + 0.99 * (1 + math.cos(math.pi * step / problem.steps)) / 2
            answer = problem.ask(z).only(problem.alive)
            rows, home = answer.rows, start[answer.rows]
            changed = radius[rows] * torch.where(answer.reached, 1 - self.factor, 1 + self.factor)
            radius[rows] = torch.minimum(changed, furthest[rows])
            delta = z[rows] - home + rate * steepest_direction(answer.gradient, 2.0)
            scale = radius[rows] / norm_of(delta, 2.0).clamp(min=TINY)
            moved = home + per_image(scale, delta).to(delta.dtype) * delta
            z = z.index_copy(0, rows, problem.project(moved, rows))
            yield z


@dataclass(frozen=True)
class FastMinimumNorm:
    """FMN: steps along the gradient, each brought into a ball about the start whose radius adapts.

    The radius reaches to the linearised boundary and a factor beyond, ``|delta| + (1 + factor) |lead| / |g|_dual``, but
    grows at least by the factor, until a row has been across for the first time. From then on it is multiplied by
    ``1 - factor`` where x is across (never above the smallest distance found) and by ``1 + factor`` where not. In L0 it
    counts pixels: it begins at 1 and changes by the factor, but at least by one pixel. Rate and factor fall along half
    a cosine. Costs one forward and one backward pass a step.

    Args:
        norm: 0, 1, 2 or infinity.
        rate: L2 length of the first step; the last is a hundredth of it.
        factor: Share by which the radius changes at first.
        last_factor: At last.

    Source: Pintor et al. 2021, algorithm 1. A step is brought into the intersection of ball and box by the exact
    projection, where theirs takes one after the other; and their first radii end on the boundary, which exact
    projections never take a linear net across.
    """

    norm: float = 2.0
    rate: float = 1.0
    factor: float = 0.05
    last_factor: float = 0.001

    def __post_init__(self) -> None:
        if self.rate <= 0 or not 0 < self.last_factor <= self.factor < 1:
            raise StriateError(
                f"rate is {self.rate:g}, factor {self.factor:g} to {self.last_factor:g}",
                accepted="a rate above 0, factors between 0 and 1 that fall",
            )

    @property
    def words(self) -> str:
        """How it searches."""
        return f"FMN in L{self.norm:g}, rate {self.rate:g}, factor {self.factor:g} to {self.last_factor:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, z = problem.start, problem.start.clone()
        furthest = norm_of(torch.maximum(start, 1 - start), self.norm)
        radius, nearest = torch.full_like(furthest, 1.0 if self.norm == 0 else 0.0), furthest.clone()
        found = torch.zeros_like(furthest, dtype=torch.bool)
        for step in range(problem.steps):
            share = (1 + math.cos(math.pi * step / problem.steps)) / 2
            rate = self.rate * (0.01 + 0.99 * share)
            factor = self.last_factor + (self.factor - self.last_factor) * share
            answer = problem.ask(z).only(problem.alive)
            rows, across = answer.rows, answer.reached
            away = norm_of(z[rows] - start[rows], self.norm)
            nearest[rows] = torch.where(across, torch.minimum(nearest[rows], away), nearest[rows])
            found[rows] |= across
            if self.norm == 0:
                smaller = torch.minimum(radius[rows] - 1, (radius[rows] * (1 - factor)).floor())
                larger = torch.maximum(radius[rows] + 1, (radius[rows] * (1 + factor)).floor())
            else:
                smaller, larger = radius[rows] * (1 - factor), radius[rows] * (1 + factor)
                gap = answer.score.to(away).abs() / norm_of(answer.gradient, dual(self.norm)).clamp(min=TINY)
                larger = torch.where(found[rows], larger, torch.maximum(larger, away + (1 + factor) * gap))
            changed = torch.where(across, torch.minimum(smaller, nearest[rows]), larger)
            radius[rows] = torch.minimum(changed, furthest[rows]).clamp(min=0.0)
            moved = z[rows] + rate * steepest_direction(answer.gradient, 2.0)
            ball = Ball(start[rows], radius[rows], self.norm) & Box()
            inside = ball.project(moved, torch.arange(len(rows), device=rows.device))
            z = z.index_copy(0, rows, problem.project(inside, rows))
            yield z
