"""HiResCAM: where a layer speaks for the target, each value times its own gradient."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .cams import gradient_cam
from .maps import Maps


def hires_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The sum over channels of a layer's values times their gradients, signed, in input pixels, (N, H, W).

    Where the rest of the net is linear (as pooling and one linear layer are), the map at the layer sums up to the logit
    without its bias: it shows what the net computes and nothing else.
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

    Source: Draelos & Carin 2020, section 3.2. The map is enlarged bilinearly, pixel centres aligned.
    """
    return gradient_cam(
        net,
        images,
        targets,
        name="hires_cam",
        layer=layer,
        combine=lambda activations, gradients: (activations * gradients).sum(1),
        units="share of the target's logit at {layer}: value times its gradient, summed over channels",
        signed=True,
        check=check,
        memory=memory,
        progress=progress,
    )
