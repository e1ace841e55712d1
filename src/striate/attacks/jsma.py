"""The Jacobian-based saliency map attack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.keep import Nearest
from striate.imageopt.objective import OUTPUT, Objective, Seen, Term, classes_of
from striate.imageopt.search.saliency import SaliencyPairs
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .method import Running, Threat, norm_name, running_of


@dataclass(frozen=True)
class JacobianSaliency:
    """Sets two values of the image after the other to black or white, by the Jacobian, until the target is reached.

    A step costs one forward and two backward passes. Without a target, runs towards the likeliest rivals in turn, of
    which the nearest image counts; any wrong class ends a run.

    Args:
        rivals: Of such runs.
        ways: 1 sets values to white, -1 to black; with both each step takes what does more.
        pool: Values among which the pair is sought.

    Source: Papernot et al. 2016, algorithm 3, on the logits; 57 pairs are its 14.5 % of the values of MNIST. The paper
    goes one way, looks at all pairs, and has no attack without a target.
    """

    rivals: int = 3
    ways: tuple[int, ...] = (1, -1)
    pool: int = 256
    norms: tuple[float, ...] = (0.0,)
    steps: int = 57
    most_steps: float = math.inf
    random: bool = False
    nearest: bool = True
    targeted: bool = True
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""
        if threat.target is None:
            targets = list(threat.rivals(self.rivals).unbind(1))
        else:
            targets = [torch.as_tensor(threat.target, device=images.device).expand(len(images))]
        every = torch.arange(len(images), device=images.device)
        run = partial(self._towards, net, images, threat, steps=steps, running=running)
        found = run(targets[0], 1)
        for place, target in enumerate(targets[1:], start=2):
            found = found.nearest(run(target, place), every, norm_name(threat.norm))
        return found

    def _towards(
        self, net: Net, images: Tensor, threat: Threat, target: Tensor, place: int, *, steps: int, running: Running
    ) -> Found:
        """Attacks every image, each towards a class."""
        label = f"{running['label']}, target {place}"
        return solve(
            net,
            threat.lead,
            start=images,
            search=SaliencyPairs(target_and_others(target), self.ways, self.pool),
            steps=steps,
            within=threat.region(images),
            goal=threat.goal,
            keep=Nearest(threat.norm),
            **running_of(running, torch.arange(len(images)), label=label),
        )


def target_and_others(target: Tensor) -> Objective:
    """Two scores, (n, 2): the logit of the target (N,), and the sum of all others.

    Source: Papernot et al. 2016, equation 8.
    """

    def score(seen: Seen) -> Tensor:
        own = seen.output.gather(1, classes_of(target, seen)[:, None]).squeeze(1)
        return torch.stack([own, seen.output.sum(1) - own], 1)

    return Term("logit of the target and sum of the others", score, OUTPUT)


JSMA = JacobianSaliency()
