"""Grad-CAM++: where a layer speaks for the target, with weights that count every place of an object alike."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .cams import gradient_cam
from .maps import Maps


def grad_cam_plus_plus(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's channels summed with weighted means of their positive gradients, (N, H, W).

    One forward pass and a backward pass down to the layer, and six forward passes for the check of the gradients.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: As in `grad_cam`; the weights are meant for a layer whose values are not negative.
        check: Whether the gradients are checked; without, six forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps; the message says why.

    Source: Chattopadhay et al. 2018, section 3, with the exact alpha of equation 19 for the score exp(logit): where the
    logit is piecewise linear, its second and third derivatives are powers of the first (equations 15 to 18), and the
    factor exp(logit) cancels in alpha. In the weights (equation 5) it is a positive factor of the whole map, and is
    left out, so that maps have the scale of logits and none overflows.
    """
    return gradient_cam(
        net,
        images,
        targets,
        name="grad_cam_plus_plus",
        layer=layer,
        combine=_weighed,
        units="evidence for the target at {layer}: weighted mean of a channel's positive gradients, times the channel; "
        "negative sums are cut off",
        check=check,
        memory=memory,
        progress=progress,
    )


def alphas(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weights of places, (n, K, h, w): equation 19 where the gradient is positive, 0 elsewhere, where none is asked."""
    total = activations.sum(dim=(2, 3), keepdim=True)
    below = 2 + total * gradients  # the fraction is shortened by the gradient's square
    return torch.where((gradients > 0) & (below != 0), 1 / below, 0.0)


def _weighed(activations: Tensor, gradients: Tensor) -> Tensor:
    weights = (alphas(activations, gradients) * gradients.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()
