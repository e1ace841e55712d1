"""HopSkipJump."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.goal import decision
from striate.imageopt.keep import Nearest
from striate.imageopt.search.hop_skip_jump import HopSkipJump
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class HopSkipJumpAttack:
    """Steps along the normal of the decision boundary: the nearest image that fools, from decisions alone.

    Begins at random noise that fools, up to 100 draws; an image that none of them fools is given up. Step t costs about
    ``samples * sqrt(t)`` queries and 20 to 30 more.

    Args:
        samples: Queries for the first estimate of the normal.

    Source: Chen et al. 2020. With a target they begin at an image of that class; here it has to be met by noise.
    """

    samples: int = 100
    norms: tuple[float, ...] = (2.0, math.inf)
    steps: int = 30
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = True
    targeted: bool = True
    gradients: bool = False

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            decision(threat.goal),
            start=images,
            search=HopSkipJump(threat.norm, self.samples),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running,
        )


HOP_SKIP_JUMP = HopSkipJumpAttack()
