"""The square attack."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.search.squares import Squares, SquaresL2
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class Square:
    """Random squares at the edge of the ball, kept where they raise the lead over the true class; no gradient.

    A step is one query of the net; an image leaves once it is fooled. Costs one query more than its steps.

    Args:
        share: Share of the image that the first squares cover.

    Source: Andriushchenko et al. 2020, with the 5,000 queries, the share and the margin that Croce & Hein 2020 use.
    Every image draws its own squares, where their code shares them over the batch, and a square may touch every edge,
    as in the paper; their code leaves out the last place.
    """

    share: float = 0.8
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 5000
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
            search=Squares(self.share) if math.isinf(threat.norm) else SquaresL2(threat.radius, self.share),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


SQUARE = Square()
