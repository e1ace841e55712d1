"""AutoPGD: projected gradient that needs no step size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.objective import Objective, dlr
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.auto_pgd import AutoPGD
from striate.imageopt.search.auto_pgd_l1 import SparseAutoPGD
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat, on_survivors, running_of

WIDER = ((3.0, 0.3), (2.0, 0.3), (1.0, 0.4))  # radii, as multiples of the threat's, and their shares of the steps in L1
TARGETS = 9  # runners-up that targeted attacks aim at


def auto_pgd(net: Net, objective: Objective, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
    """One run of AutoPGD from a random start within the threat; images leave once they fool.

    In L1 it begins in a ball of three times the radius, whose best points are projected into smaller ones.
    """
    run = partial(solve, net, objective, start=images, goal=threat.goal, **running)
    if threat.norm != 1:
        search = AutoPGD(threat.radius)
        return run(search=search, steps=steps, within=threat.region(images), keep="first")
    found: Found | None = None
    for wider, share in WIDER:
        radius, last = wider * threat.radius, wider == WIDER[-1][0]
        taken = steps - sum(math.ceil(each * steps) for _, each in WIDER[:-1]) if last else math.ceil(share * steps)
        now = run(
            search=SparseAutoPGD(images, radius, begin=None if found is None else found.images),
            steps=max(1, taken),
            within=Ball(images, radius, 1.0) & Box(),
            keep="first" if last else "best",
        )
        found = now if found is None else now.after(found)
    assert found is not None  # there is one radius at least
    return found


@dataclass(frozen=True)
class AutoProjectedGradient:
    """AutoPGD on one loss: cross-entropy (as log-odds) or the difference-of-logits ratio.

    100 steps, one random start. With a target it climbs the target's log-odds, or ``z_t - z_y`` over the spread.

    Source: Croce & Hein 2020, sections 3 and 4; L1: Croce & Hein 2021. Log-odds rise in the same direction as the
    paper's cross-entropy, and never vanish. Images leave once they fool, which the paper's do at the end.
    """

    ratio: bool = False
    norms: tuple[float, ...] = (math.inf, 2.0, 1.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        return auto_pgd(net, self._loss(threat), images, threat, steps=steps, running=running)

    def _loss(self, threat: Threat) -> Objective:
        if not self.ratio:
            return threat.loss
        target = threat.target
        if isinstance(target, int):
            target = torch.full_like(threat.labels, target)
        return dlr(threat.labels, target)


@dataclass(frozen=True)
class TargetedAutoPGD:
    """AutoPGD on the targeted difference-of-logits ratio, one run for each of the nine likeliest wrong classes.

    The goal is any wrong class; the next class is tried on the images that are left. Nets of fewer classes have fewer
    targets; below four classes the ratio is the plain lead ``z_t - z_y``, since it needs four logits.

    Source: Croce & Hein 2020, section 4.2; the order of targets is that of the clean logits.
    """

    norms: tuple[float, ...] = (math.inf, 2.0, 1.0)
    steps: int = 100
    most_steps: float = math.inf
    random: bool = True
    nearest: bool = False
    targeted: bool = False
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        every = threat.rivals(TARGETS)

        def aimed(targets: Tensor) -> Callable[[Tensor], Found]:
            def run(rows: Tensor) -> Found:
                part = threat.of(rows)
                loss, own = dlr(part.labels, targets[rows]), running_of(running, rows)
                return auto_pgd(net, loss, images[rows], part, steps=steps, running=own)

            return run

        first, *others = (aimed(targets) for targets in every.unbind(1))
        return on_survivors(first(torch.arange(len(images), device=images.device)), others)


APGD_CE = AutoProjectedGradient()
APGD_DLR = AutoProjectedGradient(ratio=True)
APGD_T = TargetedAutoPGD()
