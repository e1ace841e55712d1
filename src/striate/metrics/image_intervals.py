"""Intervals of figures that are ratios of sums over images: every draw of images is a weighted sum of their counts.

`bootstrap` draws for one statistic that every draw has; here many figures share the draws, and one may be 0/0 in some.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import torch
from torch import Tensor

from striate.core.number import Number

from .bootstrap import DRAWS, Resampling
from .intervals import quantile_of_normal

_CELLS = 1 << 20  # draws times images that are held at a time


def image_draws(images: int, *, seed: int, draws: int = DRAWS) -> Iterator[Tensor]:
    """How often each image comes in each draw of as many with replacement, in chunks (some draws, images) of float64.

    The draws are those of the seed, whatever the chunks.
    """
    plan, step = Resampling(images, seed, draws), max(1, _CELLS // images)
    for first in range(0, draws, step):
        picked = plan.rows(first, min(first + step, draws))
        times = torch.zeros(picked.shape, dtype=torch.float64)
        yield times.scatter_add_(1, picked, torch.ones_like(times))


def drawn_figures(counts: Tensor, figures: Callable[[Tensor], Tensor], *, seed: int, draws: int = DRAWS) -> Tensor:
    """Figures of every draw, shape (draws, figures), of ``counts`` (images, ...) that are summed over its images.

    ``figures`` takes sums of shape (n, ...) and gives (n, figures), NaN where one is 0/0.
    """
    flat, shape = counts.to(torch.float64).flatten(1), counts.shape[1:]
    if len(counts) < 2:  # nothing to draw from
        return figures(torch.zeros(0, *shape, dtype=torch.float64))
    chunks = image_draws(len(counts), seed=seed, draws=draws)
    return torch.cat([figures((times @ flat).view(-1, *shape)) for times in chunks])


def interval_over_images(value: float, drawn: Tensor, images: int, *, why: str = "") -> Number:
    """A figure of a set of images with the bias-corrected interval of its bootstrap draws.

    Figures that leave out what a draw happens to miss, such as means over rare classes, are higher in draws than in
    the set; the correction takes the quantiles that much lower. A value that is NaN is missing, and ``why`` says why.
    Draws in which it is NaN are left out and counted. There is no interval where more than one in twenty is, where
    there is one image, where all draws give one value, or where less than one in 200 lies on one side of the value.

    Source: Efron 1981, "Nonparametric standard errors and confidence intervals", section 10.
    """
    if math.isnan(value):
        return Number(None, n=images, why=why)
    if images < 2:
        return Number(value, n=images, why=join_reasons(why, "no interval: one image has no spread"))
    good = drawn[~drawn.isnan()]
    lost, draws = len(drawn) - len(good), len(drawn)
    if lost * 20 > draws:
        return Number(value, n=images, why=join_reasons(why, f"no interval: 0/0 in {lost} of {draws} bootstrap draws"))
    if bool((good == good[0]).all()):
        return Number(value, n=images, why=join_reasons(why, "no interval: all bootstrap draws give one value"))
    near = good - value
    near[near.abs() < 1e-12] = 0.0  # sums in another order
    below = (float((near < 0).sum()) + float((near == 0).sum()) / 2) / len(good)
    if not 0.005 <= below <= 0.995:
        return Number(value, n=images, why=join_reasons(why, "no interval: the bootstrap draws lie on one side"))
    normal, z = NormalDist(), quantile_of_normal()
    shift = 2 * normal.inv_cdf(below)
    ends = torch.tensor([normal.cdf(shift - z), normal.cdf(shift + z)], dtype=torch.float64)
    low, high = torch.quantile(good, ends).tolist()
    words = f"95 % by bootstrap over {images} images" + (f", {lost} of {draws} draws 0/0 and left out" if lost else "")
    return Number(value, min(low, value), max(high, value), images, join_reasons(why, words))


def join_reasons(*words: str) -> str:
    """The reasons that are not empty, one after the other."""
    return "; ".join(word for word in words if word)


def over(above: Tensor, below: Tensor) -> Tensor:
    """The quotient, NaN where it is 0/0; what is summed is never negative."""
    return torch.where(below > 0, above / below.clamp_min(torch.finfo(torch.float64).tiny), torch.nan)
