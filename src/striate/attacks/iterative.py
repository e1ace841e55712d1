"""Iterated fast gradient sign, plain and with momentum."""

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
class IterativeFastGradient:
    """Equal steps from the image itself that add up to the radius: ``x <- clip(x + radius / steps * sign(g))``.

    Without momentum g is the gradient of the loss (BIM), with it the sum ``g <- momentum * g + grad / ||grad||_1``
    (MI-FGSM), which transfers better to other nets. An image leaves as soon as it is fooled.

    Source: Kurakin et al. 2017, section 2.2, whose steps are one grey level each, as many as the radius asks for;
    momentum: Dong et al. 2018, algorithm 1 (10 steps, momentum 1). The loss is taken as log-odds, as in PGD.
    """

    momentum: float = 0.0
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 10
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = False
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            threat.loss,
            start=images,
            search=Steepest(threat.radius / steps, momentum=self.momentum),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


BIM = IterativeFastGradient()
MIM = IterativeFastGradient(momentum=1.0)
