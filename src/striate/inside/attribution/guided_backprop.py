"""Guided backpropagation: what of the pixels feeds the target, through rectifiers that let no negative signal back."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .rectified import rectified_maps


def guided_backprop(
    net: Net, images: Tensor, targets: Tensor, *, memory: int = 1 << 30, progress: Progress = SILENT
) -> Maps:
    """The guided signal at every pixel, raw and signed, (N, C, H, W).

    Backwards through a rectifier goes ``R_l = [f_l > 0] [R_l+1 > 0] R_l+1``: where the forward signal passed, and of
    the backward signal the positive part. Every other operation keeps its own backward. One forward and one backward
    pass an image. It shows edges that the net looks at, and depends little on the target (Adebayo et al. 2018).

    Raises:
        StriateError: The net has a nonlinearity that is no rectifier (SiLU, GELU, attention...), or gates.

    Source: Springenberg et al. 2015, section 3.4. ReLU6 counts as a rectifier that passes where 0 < x < 6.
    """
    return rectified_maps(
        net,
        images,
        targets,
        gated=True,
        method="guided_backprop",
        units="guided signal of the target's logit by one unit of pixel value; drawn is the largest absolute value "
        "over the channels",
        memory=memory,
        progress=progress,
    )
