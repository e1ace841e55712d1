"""The one-pixel attack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from striate.core.rng import Rng
from striate.imageopt.canvas import ChosenPixels
from striate.imageopt.found import Found
from striate.imageopt.search.evolution import DifferentialEvolution
from striate.imageopt.search.stay import Stay
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class OnePixel:
    """One pixel, or as many as the radius says, of places and colours found by differential evolution.

    A population for each image, whose members are places and colours; a step is a generation and costs a query a
    member. An image leaves once it is fooled. Ascends the log-odds, which order members as the paper's probabilities
    do. A radius below 1 leaves no pixel to change.

    Args:
        population: Members for each image.

    Source: Su et al. 2019, section III: 400 members, 100 generations, F = 0.5, no crossover; the first places uniform,
    the first colours Gaussian about grey with a deviation of half the range. The paper stops early at a confidence;
    here success is the class.
    """

    population: int = 400
    norms: tuple[float, ...] = (0.0,)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = True
    gradients: bool = False

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        channels, height, width = images.shape[1:]
        count = min(math.floor(threat.radius), height * width)
        first = partial(first_members, count, channels)
        return solve(
            net,
            threat.loss,
            start=images,
            search=DifferentialEvolution(self.population, first=first) if count else Stay(),
            steps=steps,
            canvas=ChosenPixels(images, count) if count else None,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


def first_members(count: int, channels: int, ids: Tensor, rng: Rng, population: int) -> Tensor:
    """Uniform places and Gaussian colours of so many pixels, (N, population, count, 2 + channels) in [0, 1]."""
    places = rng.child("places").uniform(ids, (population, count, 2))
    colours = 0.5 + 0.5 * rng.child("colours").normal(ids, (population, count, channels))
    return torch.cat([places, colours.clamp(0.0, 1.0)], -1)


ONE_PIXEL = OnePixel()
