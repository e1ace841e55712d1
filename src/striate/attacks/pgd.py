"""Projected gradient descent (on the negative loss)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class ProjectedGradient:
    """Steps along the steepest direction of the norm, each brought back into the ball and [0, 1]; random start.

    ``x <- project(x + step * sign(grad J(x, y)))``, in L2 with the gradient at length 1. An image leaves as soon as it
    is fooled, so weak nets cost few passes.

    Args:
        step: Length of a step as a share of the radius.

    Source: Madry et al. 2018, section 2.1; steps of a quarter of the radius as in their experiments on CIFAR-10 (2 of
    8 grey levels), 40 of them as on MNIST. The loss is taken as log-odds, which rise in the same direction as the
    paper's cross-entropy and do not vanish on large logits.
    """

    step: float = 0.25
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 40
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            threat.loss,
            start=images,
            search=Steepest(self.step * threat.radius, random_start=True),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


PGD = ProjectedGradient()
