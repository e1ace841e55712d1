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
        progress: No step is longer than raises a linear score by so much: the rate is then
            ``min(rate, progress / ||grad||^2)``, so that one number serves nets whose gradients differ in scale.

    Source: Cauchy 1847; progress: the code published with Yosinski et al. 2015, its learning rate policy "progress".
    """

    rate: float = math.inf
    progress: float = math.inf

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.progress > 0):
            raise StriateError(f"rate {self.rate:g}, progress {self.progress:g}", accepted="numbers above 0")
        if math.isinf(self.rate) and math.isinf(self.progress):
            raise StriateError("neither a rate nor a progress", accepted="one of them, or both")

    @property
    def words(self) -> str:
        """How it searches."""
        fixed = "" if math.isinf(self.rate) else f" at {self.rate:g}"
        bound = "" if math.isinf(self.progress) else f" by at most {self.progress:g} a step"
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
        if math.isinf(self.progress):
            return grad.new_full((len(grad),), self.rate)
        squares = grad.flatten(1).double().square().sum(1)
        return torch.where(squares > 0, self.progress / squares, 0.0).clamp_max(self.rate).to(grad)
