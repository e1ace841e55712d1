"""FAB, aimed at one class after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.goal import near
from striate.imageopt.keep import First, Nearest
from striate.imageopt.objective import leads
from striate.imageopt.search.linearised import AdaptiveBoundary
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat, norm_name, on_survivors, running_of, within_radius


@dataclass(frozen=True)
class FabTargeted:
    """Fast adaptive boundary attack on the boundary to each of the rival classes in turn, from the likeliest on.

    ``steps`` are those of each rival. A step costs two forward passes and one backward pass. With a target there is
    one run, on the boundary between the target and all other classes.

    Args:
        rivals: Classes at most, by their clean scores.
        alpha: Largest share of the way towards the start.
        eta: Overshoot.
        beta: Share of the way back to the start that is left once across.
        nearest: Look for the nearest image that fools. If not, an image leaves at the first that does within the
            radius of the threat, and is returned unchanged where none does: AutoAttack's use of it.

    Source: Croce & Hein 2020, "Minimally distorted adversarial examples", algorithm 1; targeted as in section 3 of
    "Reliable evaluation", with the numbers of its code: 9 rivals, 100 steps, 0.1, 1.05, 0.9, no random start.
    """

    rivals: int = 9
    alpha: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    norms: tuple[float, ...] = (math.inf, 2.0, 1.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        every = torch.arange(len(images), device=images.device)
        places = range(1 if threat.target is not None else threat.rivals(self.rivals).shape[1])
        runs = [
            partial(self._towards, net, images, threat, place=place, steps=steps, running=running) for place in places
        ]
        found = runs[0](every)
        if not self.nearest:
            return on_survivors(found, runs[1:])
        for run in runs[1:]:
            found = found.nearest(run(every), every, norm_name(threat.norm))
        return found

    def _towards(
        self, net: Net, images: Tensor, threat: Threat, rows: Tensor, *, place: int, steps: int, running: Running
    ) -> Found:
        """Attacks some rows at the boundary to the rival of this place."""
        images, threat = images[rows], threat.of(rows)
        boundary, goal = threat.lead, threat.goal
        if threat.target is None:
            boundary = leads(threat.labels, threat.rivals(self.rivals)[:, place, None])
        if not self.nearest:
            goal = near(goal, images, threat.radius, threat.norm)
        search = AdaptiveBoundary(boundary, threat.lead, threat.norm, alpha=self.alpha, eta=self.eta, beta=self.beta)
        found = solve(
            net,
            threat.lead,
            start=images,
            search=search,
            steps=steps,
            goal=goal,
            keep=Nearest(threat.norm) if self.nearest else First(),
            **running_of(running, rows, label=f"{running['label']}, rival {place + 1}"),
        )
        return found if self.nearest else within_radius(found, images, threat, threat.radius)


FAB_T = FabTargeted()
