"""The fast gradient sign method."""

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
class FastGradientSign:
    """One step of the whole radius along the sign of the loss's gradient: ``x + radius * sign(grad J(x, y))``.

    In L2 the step is the gradient at the length of the radius. With a target it descends the target's loss. Costs one
    forward and one backward pass an image, and one forward pass for the verdict.

    Source: Goodfellow et al. 2015, section 4. The step is brought into [0, 1], which the paper leaves out; the loss is
    taken as log-odds, which rise in the same direction as the paper's cross-entropy.
    """

    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 1
    most_steps: float = 1
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
            search=Steepest(threat.radius),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="first",
            **running,
        )


FGSM = FastGradientSign()
