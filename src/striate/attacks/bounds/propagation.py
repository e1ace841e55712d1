"""Interval bound propagation: which images no change within a radius of Linf can turn."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .interval import Interval, least_lead, pixels_within, worst_leads

ROUNDING = 1e-5  # of the largest score: a lead below it may be lost to the rounding of float32


def bounded(net: Net, pixels: Interval) -> Interval:
    """What the net can answer to pixels within limits.

    Raises:
        StriateError: One of its operations has no rule for intervals (named), or it gives no logits.
    """
    if net.outputs != "logits":
        raise StriateError(f"outputs of {net.name} are {net.outputs!r}", accepted="a net that gives logits")
    mean = 0.0 if net.mean is None else net.mean.to(pixels.low)
    std = 1.0 if net.std is None else net.std.to(pixels.low)
    module: Any = net.module
    found = module(Interval((pixels.low - mean) / std, (pixels.high - mean) / std))
    if not isinstance(found, Interval) or found.ndim != 2:
        raise StriateError(f"{net.name} gives no interval of scores", accepted="a classifier of plain layers")
    return found


@torch.no_grad()
def certified(net: Net, images: Tensor, labels: Tensor, radius: float, *, batch: int = 64) -> Tensor:
    """Which images (N,) stay right whatever the pixels do within ``radius`` of Linf and [0, 1].

    Limits are computed in float64 and must leave room for the rounding of float32, in which the net itself answers.
    An image without a certificate may still be robust: limits are too wide wherever layers undo one another.
    A pass costs about two of the net in float64.
    """
    with undisturbed(net):
        exact = Net(
            copy.deepcopy(net.module).double(), mean=net.mean, std=net.std, classes=net.classes, name=net.name,
            channels=net.channels, size=net.size, outputs=net.outputs,
        ).eval()  # fmt: skip
    sure = []
    for start in range(0, len(images), batch):
        pixels = images[start : start + batch].to(torch.float64)
        wanted = labels[start : start + batch]
        output = bounded(exact, pixels_within(pixels, radius))
        scale = torch.maximum(output.low.abs(), output.high.abs()).amax(1)
        sure.append(least_lead(worst_leads(output, wanted), wanted) > ROUNDING * scale)
    return torch.cat(sure) if sure else torch.zeros(0, dtype=torch.bool)
