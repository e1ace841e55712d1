"""Completeness: what the pixels were given must add up to how far the score rose."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.number import Number
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .chunks import chunk_size, fast_layout, target_scores

SHARE = 0.1  # of the largest logit: a rise below it is held to it


def completeness(
    what: str,
    *,
    totals: Tensor,
    rises: Tensor,
    level: Tensor,
    bounds: Tensor,
    n: int | None = None,
    why: str = "arithmetic: no interval",
) -> tuple[MapCheck, ...]:
    """One check an image: the gap between a map's sum and the rise of the score, as a share of the rise.

    A rise of less than a tenth of the largest logit is taken for a tenth: what is nothing has no share.

    Args:
        what: What should hold.
        totals: Sums of the maps, (n,).
        rises: Score of the image less that of the baseline, (n,).
        level: The largest logit of each image in size, (n,).
        bounds: Largest share of each, (n,).
        n: How many points or samples the sums are of.
        why: How the numbers came about.
    """
    scale = torch.maximum(rises.double().abs(), SHARE * level.double().abs()).clamp_min(1e-30)
    residuals = (totals.double() - rises.double()).abs() / scale
    return tuple(
        MapCheck(what, Number.of(residual, n=n, why=why), bound, residual <= bound)
        for residual, bound in zip(residuals.tolist(), bounds.tolist(), strict=True)
    )


def scores_and_level(net: Net, images: Tensor, targets: Tensor, *, memory: int) -> tuple[Tensor, Tensor]:
    """The target's logit of each image and the largest logit in size, both (n,) float64 on the CPU; one pass each."""
    logits = all_logits(net, images, memory=memory)
    return target_scores(logits, targets.cpu()), logits.abs().amax(1)


def all_logits(net: Net, images: Tensor, *, memory: int) -> Tensor:
    """Logits (n, K) float64 on the CPU; one pass an image."""
    most = chunk_size(net, images, memory=memory)
    with torch.no_grad():
        return torch.cat([net.logits(fast_layout(part)).double().cpu() for part in torch.split(images, most)])
