"""Noise: Gaussian, shot, impulse. Source: Hendrycks & Dietterich 2019, released code."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.rng import Rng

_WORDS = 2**-24  # what the uniform draws are multiples of


def gaussian_noise(images: Tensor, spread: float, ids: Tensor, rng: Rng) -> Tensor:
    """The images plus normal noise of a standard deviation in [0, 1] pixels."""
    return images + spread * rng.normal(ids, images.shape[1:]).to(images)


def shot_noise(images: Tensor, photons: float, ids: Tensor, rng: Rng) -> Tensor:
    """Poisson counts of ``photons`` times each value, over ``photons``."""
    return poisson(images * photons, rng.uniform(ids, images.shape[1:]).to(images.device)).to(images) / photons


def impulse_noise(images: Tensor, share: float, ids: Tensor, rng: Rng) -> Tensor:
    """A share of the values, channel by channel, set to 0 or 1, each as often."""
    drawn = rng.uniform(ids, images.shape[1:]).to(images.device)
    return torch.where(drawn < share / 2, 0.0, torch.where(drawn < share, 1.0, images))


def poisson(means: Tensor, uniform: Tensor) -> Tensor:
    """Poisson counts of these means by inversion: the smallest k with ``P(K <= k) > u``.

    The draws are multiples of 2**-24, taken in the middle, so that no count is cut off more than they can tell.
    """
    drawn = uniform.to(torch.float64) + _WORDS / 2
    means = means.to(torch.float64)
    term = torch.exp(-means)
    below, counts = term.clone(), torch.zeros_like(means)
    k, open_ = 0, drawn >= below
    while bool(open_.any()):
        k += 1
        term = term * means / k
        counts += open_
        below = below + term
        open_ = open_ & (drawn >= below) & ((term > 0) | (k < means))
    return counts
