"""Means over images with their standard error, also of numbers that arrive in batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number

from .intervals import LEVEL, normal_interval


@dataclass(frozen=True)
class Mean:
    """Mean and variance of a stream, exact whatever the batches; every update gives a new value.

    >>> Mean().update(torch.tensor([1.0, 2.0])).merge(Mean().update(torch.tensor([3.0]))).mean
    2.0

    Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1.
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared differences from the mean

    def update(self, values: Tensor) -> Mean:
        """With these values added, any shape, summed in float64."""
        if values.numel() == 0:
            return self
        exact = values.detach().to(torch.float64)
        mean = float(exact.mean())
        return self.merge(Mean(exact.numel(), mean, float((exact - mean).square().sum())))

    def merge(self, other: Mean) -> Mean:
        """As if all had come in one stream."""
        n = self.n + other.n
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        gap = other.mean - self.mean
        return Mean(
            n,
            self.mean + gap * other.n / n,
            self.squares + other.squares + gap * gap * self.n * other.n / n,
        )

    @property
    def variance(self) -> float:
        """Variance of one value, unbiased; NaN below two values."""
        return self.squares / (self.n - 1) if self.n > 1 else math.nan

    def compute(self, *, level: float = LEVEL) -> Number:
        """The mean, with the interval of its standard error where there are at least two values."""
        if self.n == 0:
            return Number(None, n=0, why="no images")
        if self.n == 1:
            return Number.of(self.mean, n=1, why="one image has no spread" if math.isfinite(self.mean) else "")
        return normal_interval(self.mean, math.sqrt(self.variance / self.n), self.n, level=level)


def mean_interval(values: Tensor, *, level: float = LEVEL) -> Number:
    """The mean of the values with the interval of its standard error."""
    return Mean().update(values).compute(level=level)
