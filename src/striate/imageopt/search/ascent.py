"""Plain gradient ascent: steps as long as the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem
from striate.imageopt.region.direction import per_image


@dataclass(frozen=True)
class Ascent:
    """Steps of ``rate`` times the gradient, each brought back into the region.

    Args:
        rate: Of a step, above 0.
        longest: Largest root mean square of what a step adds to the free numbers of an image; longer ones are
            shortened. Without a rate every step has this length, so that one number serves all nets and sizes.

    Source: Cauchy 1847.
    """

    rate: float = math.inf
    longest: float = math.inf

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.longest > 0):
            raise StriateError(f"rate {self.rate:g}, longest step {self.longest:g}", accepted="numbers above 0")
        if math.isinf(self.rate) and math.isinf(self.longest):
            raise StriateError("neither a rate nor a longest step", accepted="one of them, or both")

    @property
    def words(self) -> str:
        """How it searches."""
        fixed = "" if math.isinf(self.rate) else f" at {self.rate:g}"
        bound = (
            "" if math.isinf(self.longest) else f" by {'at most ' if fixed else ''}{self.longest:g} a value and step"
        )
        return f"gradient ascent{fixed}{bound}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation and one step for each value yielded; rows that are done are left alone."""
        z = problem.start.clone()
        for _ in range(problem.steps):
            answer = problem.ask(z).only(problem.alive)
            rows, grad = answer.rows, answer.gradient
            moved = z[rows] + per_image(self._rates(grad), grad) * grad
            z = z.index_copy(0, rows, problem.project(moved, rows))
            yield z

    def _rates(self, grad: Tensor) -> Tensor:
        """The rate of each row, (n,)."""
        if math.isinf(self.longest):
            return grad.new_full((len(grad),), self.rate)
        size = grad.flatten(1).double().square().mean(1).sqrt()
        return torch.where(size > 0, self.longest / size, 0.0).clamp_max(self.rate).to(grad)
