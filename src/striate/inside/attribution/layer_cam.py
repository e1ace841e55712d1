"""LayerCAM: where a layer speaks for the target, each value times its own gradient where that is positive."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .cams import gradient_cam
from .maps import Maps


def layer_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's values summed with their own positive gradients, in input pixels, (N, H, W).

    Made for shallow layers too, where one weight for a whole channel says little of a place.
    One forward pass and a backward pass down to the layer, and six forward passes for the check of the gradients.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: As in `grad_cam`.
        check: Whether the gradients are checked; without, six forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps; the message says why.

    Source: Jiang et al. 2021, section III-B, equations 5 to 7. Maps of several layers are not fused here (their
    section III-C scales shallow ones by tanh first). The map is enlarged bilinearly, pixel centres aligned.
    """
    return gradient_cam(
        net,
        images,
        targets,
        name="layer_cam",
        layer=layer,
        combine=lambda activations, gradients: (gradients.relu() * activations).sum(1).relu(),
        units="evidence for the target at {layer}: value times its gradient where that is positive; negative sums are "
        "cut off",
        check=check,
        memory=memory,
        progress=progress,
    )
