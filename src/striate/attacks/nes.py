"""Projected gradient with gradients estimated by natural evolution strategies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.search.estimated import Estimated, Samples
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class NaturalEvolution:
    """Projected gradient with momentum, its gradients estimated from the scores of Gaussian neighbours.

    A step costs two queries a pair and one of the image itself. An image leaves once it, or a neighbour within the
    radius, is fooled.

    Args:
        pairs: Antithetic pairs of neighbours.
        width: Deviation of the neighbours.
        step: Length of a step as a share of the radius.
        momentum: Share of the earlier direction that is kept.

    Source: Ilyas et al. 2018, algorithm 1 and section 4 (50 neighbours at 0.001, steps of 0.01 at a radius of 0.05,
    momentum 0.9). They lower the steps where the loss rests, which is left out. The loss is taken as log-odds, and
    neighbours are brought into the radius, so that each may be the result.
    """

    pairs: int = 25
    width: float = 0.001
    step: float = 0.2
    momentum: float = 0.9
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = True
    gradients: bool = False

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        ascent = Steepest(self.step * threat.radius, momentum=self.momentum)
        return solve(
            net,
            threat.loss,
            start=images,
            search=Estimated(ascent, Samples(self.pairs, self.width)),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


NES = NaturalEvolution()
