"""The boundary attack."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.goal import decision
from striate.imageopt.keep import Nearest
from striate.imageopt.search.boundary import BoundaryWalk
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class Boundary:
    """A random walk along the decision boundary towards the image: the nearest image that fools, from decisions alone.

    Begins at random noise that fools, up to 100 draws; an image that none of them fools is given up. A step costs 1.2
    queries.

    Source: Brendel et al. 2018. With a target they begin at an image of that class; here it has to be met by noise.
    """

    norms: tuple[float, ...] = (2.0,)
    steps: int = 10_000
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
            search=BoundaryWalk(),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running,
        )


BOUNDARY = Boundary()
