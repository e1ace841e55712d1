"""DeepFool."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.keep import Nearest
from striate.imageopt.search.linearised import DeepFool
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat


@dataclass(frozen=True)
class DeepFoolAttack:
    """Shortest steps onto the nearest linearised boundary until one is crossed; the crossing point is the result.

    Two or three steps do on most nets. The first costs a backward pass for each rival class, each later one three, and
    every step one or two forward passes.

    Args:
        overshoot: By how much further than the sum of the steps.
        classes: Rivals at most: those with the highest clean scores.
        contenders: Rivals whose gradients a later step takes.
        halvings: How often the step that crossed is halved towards the boundary.

    Source: Moosavi-Dezfooli et al. 2016, algorithm 2 and section 3.3; 9 rivals as in their code, which takes the label
    and them for the 10 highest classes. Steps are clamped to the box, which the paper leaves out, and later ones take
    the gradients of the nearest 3 rivals alone, where the paper takes all. The paper's result is the point behind the
    last step, ours on it.
    """

    overshoot: float = 0.02
    classes: int = 9
    contenders: int = 3
    halvings: int = 4
    norms: tuple[float, ...] = (2.0, math.inf)
    steps: int = 50
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = False
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return solve(
            net,
            threat.lead,
            start=images,
            search=DeepFool(
                threat.labels,
                threat.rivals(self.classes),
                norm=threat.norm,
                overshoot=self.overshoot,
                contenders=self.contenders,
                halvings=self.halvings,
            ),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running,
        )


DEEPFOOL = DeepFoolAttack()
