"""Intervals by drawing the images of a set anew: what a figure would be on other images like these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.rng import Rng

DRAWS = 1000
_CELLS = 1 << 20  # draws times images that are held at a time


def image_draws(images: int, *, seed: int, draws: int = DRAWS) -> Iterator[Tensor]:
    """How often each image comes in each draw of as many with replacement, in chunks (some draws, images) of float64.

    The draws are those of the seed, whatever the chunks.
    """
    rng = Rng(seed, "metrics/images")
    step = max(1, _CELLS // max(images, 1))
    for first in range(0, draws, step):
        ids = torch.arange(first, min(first + step, draws))
        picked = rng.integers(ids, (images,), high=images)
        times = torch.zeros(len(ids), images, dtype=torch.float64)
        yield times.scatter_add_(1, picked, torch.ones_like(picked, dtype=torch.float64))


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
    """A figure of a set of images with the interval between the 2.5 % and the 97.5 % quantile of its draws.

    A value that is NaN is missing, and ``why`` says why. Draws in which it is NaN are left out and counted. There is
    no interval where more than one in twenty is, where there is one image, or where all draws give one value.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; the percentile interval.
    """
    if math.isnan(value):
        return Number(None, n=images, why=why)
    if images < 2:
        return Number(value, n=images, why=join_reasons(why, "no interval: one image has no spread"))
    good = drawn[~drawn.isnan()]
    lost, draws = len(drawn) - len(good), len(drawn)
    if lost * 20 > draws:
        return Number(value, n=images, why=join_reasons(why, f"no interval: 0/0 in {lost} of {draws} bootstrap draws"))
    low, high = torch.quantile(good, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    if low == high:
        return Number(value, n=images, why=join_reasons(why, "no interval: all bootstrap draws give one value"))
    words = f"95 % by bootstrap over {images} images" + (f", {lost} of {draws} draws 0/0 and left out" if lost else "")
    return Number(value, min(low, value), max(high, value), images, join_reasons(why, words))


def join_reasons(*words: str) -> str:
    """The reasons that are not empty, one after the other."""
    return "; ".join(word for word in words if word)


def over(above: Tensor, below: Tensor) -> Tensor:
    """The quotient, NaN where it is 0/0; what is summed is never negative."""
    return torch.where(below > 0, above / below.clamp_min(torch.finfo(torch.float64).tiny), torch.nan)
