"""Grad-CAM: where a layer speaks for the target, its channels weighed by their mean gradient."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .cams import gradient_cam
from .maps import Maps


def grad_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's channels summed with their mean gradients, in input pixels, (N, H, W).

    One forward pass and a backward pass down to the layer, and six forward passes for the check: moving every channel
    by a share of its mean, in the direction of its weight, must change the logit as the weights say (an image that
    fails takes six more, in float64).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: A site with spatial extent, or with tokens on a grid of patches; when None the last one of the feature
            extractor, in a transformer the normalised tokens that its last attention takes in.
        check: Whether the maps are checked; without, six forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps to weigh; the message says why.

    Source: Selvaraju et al. 2017, section 3, equations 1 and 2. The map is enlarged bilinearly, pixel centres aligned.
    """
    return gradient_cam(
        net,
        images,
        targets,
        name="grad_cam",
        layer=layer,
        combine=_weighed,
        units="evidence for the target at {layer}: logit change by one unit of a channel, times the channel; "
        "negative sums are cut off",
        direction=_by_channel,
        what="moving each channel by a share of its mean changes the logit as the channel weights say",
        check=check,
        memory=memory,
        progress=progress,
    )


def _weighed(activations: Tensor, gradients: Tensor) -> Tensor:
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()


def _by_channel(activations: Tensor, gradients: Tensor) -> Tensor:
    weights, means = (values.mean(dim=(2, 3), keepdim=True) for values in (gradients, activations))
    return (weights.sign() * means.abs()).expand_as(activations)
