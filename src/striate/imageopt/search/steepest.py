"""Steepest ascent in the norm of the region: one step is FGSM, many are PGD."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem
from striate.imageopt.region import steepest_direction
from striate.imageopt.region.direction import per_image


@dataclass(frozen=True, eq=False)
class Steepest:
    """Steps of a fixed length along the direction of steepest ascent, each brought back into the region.

    Args:
        size: Length of a step in the norm; one number, or a tensor (N,) with one a row.
        norm: Norm whose steepest direction is taken; None is the region's own. ``"mean"`` is the direction of L2 with
            its length in mean absolute value: the gradient divided by its own mean absolute value.
        momentum: Share of the earlier direction that is kept; gradients are then added at a mean absolute value of 1.
        random_start: Begin at a random point of the region, drawn for each image by its id.
        falling: Whether the length falls along a half cosine to zero over the steps, so that it ends at rest.

    Source: Goodfellow et al. 2015, section 4; Madry et al. 2018, section 2.1; momentum: Dong et al. 2018, algorithm 1;
    falling: Loshchilov & Hutter 2017, equation 5; mean: Mordvintsev et al. 2015, the notebook's ``make_step``.
    """

    size: float | Tensor
    norm: float | Literal["mean"] | None = None
    momentum: float = 0.0
    random_start: bool = False
    falling: bool = False

    def __post_init__(self) -> None:
        if not bool((torch.as_tensor(self.size) >= 0).all()):
            raise StriateError(f"size of a step is {float(torch.as_tensor(self.size).min()):g}", accepted="at least 0")
        if not 0 <= self.momentum <= 1:
            raise StriateError(f"momentum is {self.momentum:g}", accepted="0 to 1")

    @property
    def words(self) -> str:
        """How it searches."""
        size = f"{self.size:g}" if isinstance(self.size, (int, float)) else "its own size"
        extra = f", momentum {self.momentum:g}" if self.momentum else ""
        extra += ", falling to 0" if self.falling else ""
        size += " in the mean" if self.norm == "mean" else ""
        return f"steepest ascent by {size}{extra}{', random start' if self.random_start else ''}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation and one step for each value yielded; rows that are done are left alone."""
        z = problem.random_start() if self.random_start else problem.start.clone()
        velocity = torch.zeros_like(z) if self.momentum else None
        for step in range(1, problem.steps + 1):
            answer = problem.ask(z).only(problem.alive)
            rows, grad = answer.rows, answer.gradient
            if velocity is not None:
                grad = self.momentum * velocity[rows] + even(grad)
                velocity[rows] = grad
            size = self.size
            if isinstance(size, Tensor):
                size = size.to(z)[rows].view(-1, *[1] * (z.ndim - 1))
            if self.falling:
                size = size * ((1 + math.cos(math.pi * step / problem.steps)) / 2)
            if self.norm is None:
                direction = problem.within.steepest(grad, rows)
            elif self.norm == "mean":
                direction = even(grad)
            else:
                direction = steepest_direction(grad, self.norm)
            moved = problem.project(z[rows] + size * direction, rows)
            z = moved if len(rows) == len(z) else z.index_copy(0, rows, moved)
            yield z


def even(grad: Tensor) -> Tensor:
    """Each image's gradient (n, ...) divided by its mean absolute value; 0 where it is 0."""
    mean = per_image(grad.flatten(1).abs().mean(1), grad)
    return grad / torch.where(mean > 0, mean, 1.0)
