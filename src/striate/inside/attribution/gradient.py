"""Gradient: how fast the target's score changes with each pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.passes import input_gradient
from striate.nets.undisturbed import undisturbed

from .chunks import chunks, target_scores
from .maps import Maps
from .slope import central_slope, slope_checks

STEPS = (2e-3, 5e-4, 1e-4)  # Euclidean lengths of the steps of the check, in pixel values


def gradient(net: Net, images: Tensor, targets: Tensor, *, memory: int = 1 << 30, progress: Progress = SILENT) -> Maps:
    """The derivative of the target's logit by every pixel, raw and signed, (N, C, H, W).

    One forward and one backward pass an image, for the input's gradient alone; six forward passes more for the check:
    a step along the gradient must change the logit at the rate of the gradient's length.

    Source: Simonyan, Vedaldi & Zisserman 2013, section 3. Pixels there are from 0 to 255 and here from 0 to 1.
    """
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with undisturbed(net), progress.task("gradient", len(images)) as step:
        for part, wanted in chunks(net, images, targets, memory=memory, backward=True):
            leaf = part.clone().requires_grad_()
            logits = net.logits(leaf)
            found = input_gradient(target_scores(logits, wanted), leaf).detach()
            values.append(found.float().cpu().contiguous())
            level = logits.detach().abs().amax(1)
            checks.extend(_along(net, part, wanted, found=found, level=level))
            step(len(part))
    return Maps(
        torch.cat(values),
        units="change of the target's logit by one unit of pixel value (black to white); drawn is the largest "
        "absolute value over the channels",
        signed=False,
        checks=tuple(checks),
        share=0.995,
    )


def _along(net: Net, images: Tensor, targets: Tensor, *, found: Tensor, level: Tensor) -> tuple[MapCheck, ...]:
    lengths = found.double().flatten(1).norm(dim=1)
    flat = torch.full_like(found, found[0].numel() ** -0.5)  # where there is no gradient any direction will do
    unit = (found / lengths.clamp(min=1e-30).to(found.dtype).view(-1, 1, 1, 1)).to(images.dtype)
    direction = torch.where((lengths > 0).view(-1, 1, 1, 1), unit, flat)

    def score(move: float) -> Tensor:
        with torch.no_grad():
            return target_scores(net.logits(images + move * direction), targets).cpu()

    return slope_checks(
        "a small step along the gradient changes the logit at the rate of the gradient's length",
        found=central_slope(score, STEPS),
        predicted=lengths.cpu(),
        level=level.cpu(),
        step=STEPS[1],
    )
