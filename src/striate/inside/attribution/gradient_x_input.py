"""Gradient times input: what each pixel adds to the score, were the net linear."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .gradient import gradients
from .maps import Maps


def gradient_x_input(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Each pixel value times the derivative of the target's logit by it, signed, (N, C, H, W).

    Zero is black: a pixel value of 0 adds nothing, whatever its gradient. Of a net that is linear in the pixels the map
    sums to the score less that of a black image. Passes and check are those of the gradient.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        check: Whether the gradients are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Source: Shrikumar, Greenside, Shcherbina & Kundaje 2016, section 1 (gradient * input). Elsewhere the input is what
    comes behind the normalisation, whose zero is the mean colour of the data; here it is the pixels.
    """
    found = list(
        gradients(net, images, targets, check=check, memory=memory, progress=progress, label="gradient_x_input")
    )
    return Maps(
        torch.cat([(part * slope).float().cpu().contiguous() for part, slope, _ in found]),
        units="pixel value times the change of the target's logit by it; zero is a black pixel, or no slope; drawn is "
        "the sum over the channels",
        signed=True,
        checks=tuple(each for _, _, checks in found for each in checks),
        share=0.995,
    )
