"""Adam with gradients estimated by simultaneous perturbation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.estimated import Estimated, Samples
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class SimultaneousPerturbation:
    """Adam within the ball on the lead over the true class, its gradients estimated from random signs.

    A step costs two queries a pair and one of the image itself. An image leaves once it, or a neighbour within the
    radius, is fooled.

    Args:
        pairs: Antithetic pairs of neighbours, each pixel of them up or down by ``width``.
        width: How far the neighbours are in each pixel.
        rate: Length of Adam's steps in a pixel.

    Source: Uesato et al. 2018, section 4.2 and appendix A (width and rate 0.01, margin loss, 100 steps; they take up to
    8,192 neighbours a step, here 128); the estimate is that of Spall 1992. Neighbours are brought into the radius, so
    that each may be the result.
    """

    pairs: int = 64
    width: float = 0.01
    rate: float = 0.01
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = True
    gradients: bool = False

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            threat.lead,
            start=images,
            search=Estimated(Adam(self.rate), Samples(self.pairs, self.width, "signs")),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


SPSA = SimultaneousPerturbation()
