"""The attacks of Carlini & Wagner."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.keep import Nearest
from striate.imageopt.problem import Search
from striate.imageopt.search.carlini_wagner import CarliniWagner0, CarliniWagner2, CarliniWagnerInf
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class CarliniWagner:
    """Adam behind a hyperbolic tangent on the lead and a penalty for the change, in rounds that weigh them anew.

    ``steps`` are the passes forward and backward of all rounds together; images leave early where nothing more is
    gained. In L2 the weight is found by bisection, in Linf a bound shrinks, in L0 pixels are set back for good.

    Args:
        rounds: Of the bisection in L2.

    Source: Carlini & Wagner 2017, sections V and VI, with their loss f_6. First weights, bounds and rates come from the
    slope at each image, and rounds go on from the nearest image across. The paper takes up to 10,000 steps a round.
    """

    rounds: int = 5
    norms: tuple[float, ...] = (2.0, math.inf, 0.0)
    steps: int = 250
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        searches: dict[float, Search] = {
            2.0: CarliniWagner2(self.rounds),
            math.inf: CarliniWagnerInf(),
            0.0: CarliniWagner0(),
        }
        return solve(
            net,
            threat.lead,
            start=images,
            search=searches[threat.norm],
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running,
        )


CW = CarliniWagner()
