"""The box of all images whose values lie in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .direction import steepest_direction


@dataclass(frozen=True)
class Box:
    """All images whose values lie in [low, high]; its norm is that of the largest value."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise StriateError(f"box is [{self.low}, {self.high}]", accepted="low below high")

    @property
    def words(self) -> str:
        """What the set is."""
        return f"[{self.low:g}, {self.high:g}]"

    def project(self, x: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The argmin of ``||y - x||_2`` over low <= y <= high: each value clamped."""
        return x.clamp(self.low, self.high)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """Whether every value is in [low, high]."""
        return ((x >= self.low) & (x <= self.high)).flatten(1).all(1)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The sign of the gradient."""
        return steepest_direction(grad, math.inf)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Uniform in the box."""
        return rng.uniform(ids[rows], x.shape[1:], low=self.low, high=self.high).to(x)


UNIT = Box()  # the box of all images
