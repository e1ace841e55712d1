"""Adam, ascending."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem


@dataclass(frozen=True)
class Adam:
    """Steps scaled by running moments of the gradient, image by image and number by number.

    Args:
        rate: Length of a step, in units of the free numbers.
        falling: Whether the rate falls along a half cosine to zero over the steps, so that it ends at rest.
        beta1: Share of the first moment that is kept.
        beta2: Share of the second moment that is kept.
        epsilon: Added to the corrected root.

    Source: Kingma & Ba 2015, algorithm 1, with the sign of ascent; falling: Loshchilov & Hutter 2017, equation 5.
    """

    rate: float = 0.05
    falling: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise StriateError(f"rate is {self.rate:g}", accepted="a number above 0")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"Adam at {self.rate:g}{', falling to 0' if self.falling else ''}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation and one step for each value yielded; rows that are done are left alone."""
        z = problem.start.clone()
        first, second = torch.zeros_like(z), torch.zeros_like(z)
        for step in range(1, problem.steps + 1):
            answer = problem.ask(z).only(problem.alive)
            rows, grad = answer.rows, answer.gradient
            if len(rows) == len(z):
                first.lerp_(grad, 1 - self.beta1)
                second.mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
                one, two, here = first, second, z
            else:
                one = first[rows].lerp_(grad, 1 - self.beta1)
                two = second[rows].mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
                first[rows], second[rows], here = one, two, z[rows]
            share = (1 + math.cos(math.pi * step / problem.steps)) / 2 if self.falling else 1.0
            length = share * self.rate / (1 - self.beta1**step)
            root = (two / (1 - self.beta2**step)).sqrt_().add_(self.epsilon)
            moved = problem.project(torch.addcdiv(here, one, root, value=length), rows)
            z = moved if len(rows) == len(z) else z.index_copy(0, rows, moved)
            yield z
