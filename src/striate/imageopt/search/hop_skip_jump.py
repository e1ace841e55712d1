"""Steps along the boundary's normal, estimated from decisions alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image, steepest_direction

from .decided import at_boundary, distance, reached, reaching_start

FIRST_WIDTH = 0.1  # of the samples of the first step, whose distance says nothing yet
HALVINGS = 24  # of a step or of a way, at most: float32 holds no finer share
BLOCK = 1 << 16  # values of an image's samples that are drawn and asked for at once


@dataclass(frozen=True)
class HopSkipJump:
    """From the boundary: the normal estimated from random neighbours, a step along it, bisection back.

    Step t asks for ``samples * sqrt(t)`` neighbours, and about as many decisions more as it takes to halve the step
    until it reaches the goal and the way back until it is short. Pixels; a neighbour reaches the goal where its score
    is above 0.

    Args:
        norm: 2 or infinity: the norm in which the nearest image is looked for.
        samples: Neighbours of the first step.

    Source: Chen et al. 2020, algorithms 1 and 2 and section IV: widths by equation 15, the mean decision taken off
    (equation 16), steps of ``distance / sqrt(t)``.
    """

    norm: float = 2.0
    samples: int = 100

    def __post_init__(self) -> None:
        if self.norm not in {2.0, math.inf}:
            raise StriateError(f"norm is {self.norm:g}", accepted="2, inf")
        if self.samples < 1:
            raise StriateError(f"samples is {self.samples}", accepted="at least 1")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"steps along the estimated normal in L{self.norm:g}, {self.samples} samples at first"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step, from boundary to boundary, for each value yielded."""
        count = problem.start[0].numel()
        theta = 1 / count**2 if math.isinf(self.norm) else 1 / (math.sqrt(count) * count)
        halvings = min(HALVINGS, math.ceil(-math.log2(theta)))
        z = reaching_start(problem)
        rows = problem.alive
        if len(rows) == 0:
            return
        before = distance(problem, z[rows], rows, self.norm)
        z[rows] = at_boundary(problem, z[rows], rows, norm=self.norm, halvings=halvings)
        last = torch.zeros(len(z), dtype=z.dtype, device=z.device).index_copy(0, rows, before)
        for step in range(1, problem.steps + 1):
            rows = problem.alive
            if len(rows) == 0:
                return
            width = theta * (count if math.isinf(self.norm) else math.sqrt(count)) * last[rows]
            width = torch.full_like(width, FIRST_WIDTH) if step == 1 else width
            normal = steepest_direction(self._normal(problem, z[rows], rows, width, step), self.norm)
            length = distance(problem, z[rows], rows, self.norm) / math.sqrt(step)
            moved, there = _stepped(problem, z[rows], rows, per_image(length, normal) * normal)
            last[rows] = distance(problem, moved, rows, self.norm)
            near = at_boundary(problem, moved[there], rows[there], norm=self.norm, halvings=halvings)
            z[rows[there]] = near
            yield z

    def _normal(self, problem: Problem, here: Tensor, rows: Tensor, width: Tensor, step: int) -> Tensor:
        """The boundary's normal at images on it, towards the goal, of no particular length: equation 16."""
        samples = int(self.samples * math.sqrt(step))
        size = max(1, min(samples, BLOCK // here[0].numel()))
        rng, ids = problem.rng.child(f"normal {step}"), problem.ids[rows.cpu()]
        plain, with_decision, total = torch.zeros_like(here), torch.zeros_like(here), here.new_zeros(len(here))
        spread = per_image(width, here)[:, None]
        for block, done in enumerate(range(0, samples, size)):
            shape = (min(size, samples - done), *here.shape[1:])
            if math.isinf(self.norm):
                drawn = rng.uniform(ids, shape, step=block, low=-1.0, high=1.0).to(here)
            else:
                drawn = rng.normal(ids, shape, step=block).to(here)
            unit = steepest_direction(drawn.flatten(0, 1), 2.0).view_as(drawn)
            named = rows.repeat_interleave(shape[0])
            tried = problem.project((here[:, None] + spread * unit).flatten(0, 1), named)
            decisions = 2.0 * (problem.ask_each(tried, named) > 0).view(unit.shape[:2]).to(here) - 1.0
            used = (tried.view_as(unit) - here[:, None]) / spread
            plain += used.sum(1)
            with_decision += torch.einsum("np,np...->n...", decisions, used)
            total += decisions.sum(1)
        return less_mean(with_decision, plain, total / samples)


def less_mean(with_decision: Tensor, plain: Tensor, mean: Tensor) -> Tensor:
    """``sum_b (decision_b - mean) d_b`` from ``sum_b decision_b d_b``, ``sum_b d_b`` and the mean decision (n,).

    Where all decisions were alike nothing is taken off. Source: Chen et al. 2020, equation 16.
    """
    mean = per_image(mean, plain)
    return torch.where(mean.abs() < 1, with_decision - mean * plain, with_decision)


def _stepped(problem: Problem, here: Tensor, rows: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """Images a way further, halved until they reach the goal, and which ever did. Source: algorithm 2, step 2."""
    moved, there = here.clone(), torch.zeros_like(rows, dtype=torch.bool)
    for halving in range(HALVINGS):
        left = (~there).nonzero().squeeze(1)
        if len(left) == 0:
            break
        tried = problem.project(here[left] + way[left] / 2**halving, rows[left])
        fine = reached(problem, tried, rows[left])
        moved[left[fine]] = tried[fine]
        there[left[fine]] = True
    return moved, there
