"""The first attack of all: L-BFGS in the box."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from striate.imageopt.found import Found
from striate.imageopt.objective import OUTPUT, Objective, Term, squared_distance, weighted
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat, norm_name, running_of

CLOSE = 1.05  # how near the c that fools and the one that fails have to come


@dataclass(frozen=True)
class BoxedLBFGS:
    """The least ``c |r|^2 - log p(target | x + r)`` in the box by L-BFGS, with the largest c that still fools.

    c begins at 1, goes by tens until one value fools and another does not, and then by bisection on a logarithmic
    scale; each image has its own, and leaves once they are within 5 %. ``steps`` are the line searches of all
    values of c together; each costs one forward and one backward pass at least. Without a target, the probability is
    that of all classes but the label together.

    Args:
        length: Line searches for one value of c.

    Source: Szegedy et al. 2014, section 4.1, which writes ``c |r|`` and takes one c by line search; the square has the
    same minimisers for other c, and a slope at 0.
    """

    length: int = 25
    norms: tuple[float, ...] = (2.0,)
    steps: int = 200
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        rows = torch.arange(len(images), device=images.device)
        c = torch.ones(len(images), dtype=torch.float64, device=images.device)
        fools, fails = torch.zeros_like(c), torch.full_like(c, torch.inf)
        length = min(self.length, steps)
        found = self._once(net, images, threat, c, rows, steps=length, running=running)
        now = found.success
        for _ in range(1, max(1, steps // length)):
            fools[rows] = torch.where(now, c[rows], fools[rows])
            fails[rows] = torch.where(now, fails[rows], c[rows])
            c = torch.where(fails.isinf(), 10 * fools, torch.where(fools == 0, fails / 10, (fools * fails).sqrt()))
            rows = (fails > CLOSE * fools).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            later = self._once(net, images, threat, c, rows, steps=length, running=running)
            found, now = found.nearest(later, rows, norm_name(threat.norm)), later.success
        return found

    def _once(
        self, net: Net, images: Tensor, threat: Threat, c: Tensor, rows: Tensor, *, steps: int, running: Running
    ) -> Found:
        """Attacks some rows with the values of c that they have now."""
        images, threat = images[rows], threat.of(rows)
        return solve(
            net,
            log_probability_of_goal(threat) - weighted(squared_distance(images), c[rows], "c * squared_distance"),
            start=images,
            search=LBFGS(evaluations=10),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep="best",
            **running_of(running, rows),
        )


def log_probability_of_goal(threat: Threat) -> Objective:
    """The logarithm of the target's probability; without a target, of that of all classes but the label together."""
    odds = threat.loss
    return Term("log-probability of the goal", lambda seen: -softplus(-odds(seen)), OUTPUT)


LBFGS_BOX = BoxedLBFGS()
