"""AutoAttack: four attacks of different kinds, each on the images that those before it left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.nets.net import Net

from .apgd import APGD_CE, APGD_DLR, APGD_T
from .fab_t import FabTargeted
from .method import Method, Running, Threat, on_survivors, running_of
from .square import SQUARE


@dataclass(frozen=True)
class AutoAttack:
    """The standard ensemble: APGD on cross-entropy, APGD and FAB towards nine targets, Square without gradients.

    A net with random outputs meets APGD on both losses instead, each step over the mean of 20 passes.

    An image is robust where all four leave it. Each runs at full strength (100, 9 x 100, 9 x 100 steps, 5,000 queries);
    `Found.broken_by` says which broke an image. ``steps`` below 100 shorten all in proportion, and are no longer the
    standard.

    Source: Croce & Hein 2020, section 5; L1: Croce & Hein 2021, section 5. Where the paper's runs go on to the end,
    images leave here as soon as they fool: the verdicts are the same, the passes fewer.
    """

    members: tuple[tuple[str, Method], ...] = (
        ("apgd_ce", APGD_CE),
        ("apgd_t", APGD_T),
        ("fab_t", FabTargeted(nearest=False)),
        ("square", SQUARE),
    )
    for_random: tuple[tuple[str, Method], ...] = (("apgd_ce", APGD_CE), ("apgd_dlr", APGD_DLR))
    norms: tuple[float, ...] = (math.inf, 2.0)
    steps: int = 100
    most_steps: float = 100
    random: bool = True
    nearest: bool = False
    targeted: bool = False
    gradients: bool = True

    def __call__(self, net: Net, images: Tensor, threat: Threat, *, steps: int, running: Running) -> Found:
        """Attacks every image."""

        def member(name: str, page: Method) -> Callable[[Tensor], Found]:
            def run(rows: Tensor) -> Found:
                own = running_of(running, rows, label=f"{name}, {len(rows)} images left")
                taken = max(1, page.steps * steps // self.steps)
                found = page(net, images[rows], threat.of(rows), steps=taken, running=own)
                return replace(found, broken_by=tuple(name if won else "" for won in found.success.tolist()))

            return run

        members = self.members if running["draws"] == 1 else self.for_random
        first, *others = (member(name, page) for name, page in members)
        return on_survivors(first(torch.arange(len(images), device=images.device)), others)


AUTO = AutoAttack()
