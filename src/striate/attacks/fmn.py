"""Fast minimum norm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.keep import Nearest
from striate.imageopt.search.minimum import FastMinimumNorm
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class FastMinimumNormAttack:
    """Normalised gradient steps brought into a ball whose radius follows the distance to the boundary.

    Costs one forward and one backward pass a step.

    Args:
        rate: L2 length of the first step.
        rate_inf: The same where Linf is what is smallest.
        factor: Share by which the radius changes at first.

    Source: Pintor et al. 2021, algorithm 1 and section 4: rate 1 and 10 in Linf, factor 0.05 falling to 0.001;
    100 steps, where the paper shows up to 1000.
    """

    rate: float = 1.0
    rate_inf: float = 10.0
    factor: float = 0.05
    norms: tuple[float, ...] = (math.inf, 2.0, 1.0, 0.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            threat.lead,
            start=images,
            search=FastMinimumNorm(
                threat.norm, rate=self.rate_inf if math.isinf(threat.norm) else self.rate, factor=self.factor
            ),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running,
        )


FMN = FastMinimumNormAttack()
