"""Intervals by drawing images again: for figures that have no formula of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.rng import Rng

from .intervals import LEVEL, quantile_of_normal

DRAWS = 1000
GROUPS = 200  # the jackknife leaves out at most so many groups of images, one by one
MEMORY = 64 * 2**20  # bytes of row numbers at a time
Statistic = Callable[[Tensor], Tensor]
Method = Literal["bca", "percentile"]


@dataclass(frozen=True)
class Resampling:
    """How images are drawn again; frozen, so that one plan can serve many figures.

    Attributes:
        n: How many images there are.
        seed: The same seed gives the same draws, whatever the memory.
        draws: How many times.
        strata: Group of each image, shape (n,), or None: every group keeps its size.
    """

    n: int
    seed: int
    draws: int = DRAWS
    strata: Tensor | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or self.draws < 100:
            raise StriateError(f"{self.draws} draws of {self.n} images", accepted="at least 100 draws of 1 image")
        if self.strata is not None and self.strata.shape != (self.n,):
            raise StriateError(
                f"strata have shape {tuple(self.strata.shape)}", accepted=f"one group for each of {self.n} images"
            )

    def parts(self) -> list[Tensor]:
        """Row numbers of each stratum."""
        if self.strata is None:
            return [torch.arange(self.n)]
        groups = torch.unique(self.strata.cpu(), return_inverse=True)[1]
        return [(groups == one).nonzero()[:, 0] for one in range(int(groups.max()) + 1)]

    def rows(self, first: int, last: int) -> Tensor:
        """Row numbers of the draws from ``first`` to below ``last``, shape (last - first, n)."""
        rng, ids = Rng(self.seed, "bootstrap"), torch.arange(first, last)
        columns = [
            part[rng.child(str(number)).integers(ids, (len(part),), high=len(part))]
            for number, part in enumerate(self.parts())
        ]
        return torch.cat(columns, 1)

    def values(self, statistic: Statistic) -> Tensor:
        """The statistic of every draw, shape (draws,), float64."""
        size = max(1, MEMORY // (8 * self.n))
        starts = range(0, self.draws, size)
        return torch.cat([_applied(statistic, self.rows(at, min(at + size, self.draws))) for at in starts])

    def acceleration(self, statistic: Statistic) -> float:
        """How fast the spread of the statistic grows with its value, by leaving out groups of images.

        Source: Efron & Tibshirani 1993, equation 14.15; over strata Davison & Hinkley 1997, "Bootstrap methods and
        their application", section 5.3.
        """
        above = below = 0.0
        parts = self.parts()
        for number, part in enumerate(parts):
            groups = min(len(part), max(2, GROUPS * len(part) // self.n))
            if groups < 2:
                continue
            order = part[Rng(self.seed, f"bootstrap/jackknife/{number}").permutation(len(part))]
            others = [each for place, each in enumerate(parts) if place != number]
            left = order.tensor_split(groups)
            without = [torch.cat([*left[:out], *left[out + 1 :], *others]) for out in range(groups)]
            found = torch.cat([_applied(statistic, rows[None]) for rows in without])
            moved = (groups - 1) * (found.mean() - found)
            above += float(moved.pow(3).sum()) / groups**3
            below += float(moved.square().sum()) / groups**2
        return above / (6 * below**1.5) if below > 0 else 0.0


def bootstrap(
    statistic: Statistic,
    n: int,
    *,
    seed: int,
    draws: int = DRAWS,
    method: Method = "bca",
    strata: Tensor | None = None,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Ends of the interval of a statistic of ``n`` images.

    ``statistic`` takes row numbers (D, n), int64, and gives (D,): the figure of each row of draws. It is called on
    some 64 MiB of row numbers at a time, and for ``bca`` on up to 200 rows of fewer images besides. ``bca`` corrects
    for bias and for a spread that grows with the value; ``percentile`` takes the quantiles of the draws. With
    ``strata`` (n,) every group keeps its size, for figures that need images of each.

    >>> values = torch.arange(20.0)
    >>> low, high = bootstrap(lambda rows: values[rows].mean(1), 20, seed=0)
    >>> low < 9.5 < high
    True

    Raises:
        StriateError: The statistic is not finite in some draw, or ``method`` is unknown.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", sections 13.3 and 14.3; the
    method is that of Efron 1987, "Better bootstrap confidence intervals".
    """
    return _interval(statistic, Resampling(n, seed, draws, strata), method, level)[1:]


def bootstrapped(
    statistic: Statistic,
    n: int,
    *,
    seed: int,
    draws: int = DRAWS,
    method: Method = "bca",
    strata: Tensor | None = None,
) -> Number:
    """The statistic of all images with its interval by `bootstrap`; missing where there are none."""
    if n == 0:
        return Number(None, n=0, why="no images")
    value, low, high = _interval(statistic, Resampling(n, seed, draws, strata), method, LEVEL)
    if n == 1:
        return Number(value, n=1, why="one image has no spread")
    return Number(value, min(low, value), max(high, value), n, f"95 % by {draws:,} bootstrap draws ({method})")


def _interval(statistic: Statistic, plan: Resampling, method: str, level: float) -> tuple[float, float, float]:
    if method not in {"bca", "percentile"}:
        raise StriateError(f"method is {method!r}", accepted="bca or percentile")
    value = float(_applied(statistic, torch.arange(plan.n)[None])[0])
    drawn = plan.values(statistic)
    tail = quantile_of_normal(level)
    ends = (-tail, tail)
    if method == "bca":
        normal = NormalDist()
        below = float((drawn < value).sum()) + float((drawn == value).sum()) / 2
        # half a draw is kept on each side, so that a figure beyond all draws still has a finite correction
        bias = normal.inv_cdf(min(max(below, 0.5), plan.draws - 0.5) / plan.draws)
        speed = plan.acceleration(statistic)
        ends = (_corrected(bias, bias - tail, speed), _corrected(bias, bias + tail, speed))
    shares = torch.tensor([NormalDist().cdf(end) for end in ends], dtype=torch.float64)
    low, high = torch.quantile(drawn, shares).tolist()
    return value, low, high


def _corrected(bias: float, end: float, speed: float) -> float:
    """Efron & Tibshirani 1993, equation 14.10; beyond the pole of the formula the end is the outermost draw."""
    scale = 1 - speed * end
    return bias + end / scale if scale > 0 else math.copysign(8.0, end)


def _applied(statistic: Statistic, rows: Tensor) -> Tensor:
    found = statistic(rows).detach().cpu().to(torch.float64)
    if found.shape != rows.shape[:1]:
        raise StriateError(
            f"the statistic gave shape {tuple(found.shape)} for rows of shape {tuple(rows.shape)}",
            accepted=f"one number for each of {len(rows)} draws",
        )
    if not bool(found.isfinite().all()):
        raise StriateError(
            f"the statistic is not finite in {int((~found.isfinite()).sum())} of {len(rows)} draws",
            accepted="a statistic that every draw of images has",
            hint="strata=, so that each group keeps its size",
        )
    return found
