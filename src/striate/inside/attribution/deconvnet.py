"""Deconvnet: the target projected back to the pixels through transposed filters, switches and rectifiers."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .rectified import rectified_maps
from .rules.way import SELECTING, end_of, way_to


def deconvnet(net: Net, images: Tensor, targets: Tensor, *, memory: int = 1 << 30, progress: Progress = SILENT) -> Maps:
    """The projection at every pixel, raw and signed, (N, C, H, W).

    Backwards a max pooling puts the signal where its maximum was (its switches), a rectifier keeps the positive part of
    the signal whatever went forward, ``R_l = [R_l+1 > 0] R_l+1``, and a convolution is transposed. One forward and one
    backward pass an image. The image decides the map by its switches alone: a net without max pooling has one map for
    all images, which its units say.

    Raises:
        StriateError: The net has a nonlinearity that is no rectifier (SiLU, GELU, attention...), or gates.

    Source: Zeiler & Fergus 2014, section 2.1. They start from one unit of a layer, which `unit_map` does too; here the
    start is the target's logit, with a signal of 1. ReLU6 counts as a rectifier, rectifying the signal at 0 alone.
    """
    size = (images.shape[-2], images.shape[-1])
    switches = any(site.op in SELECTING for site in way_to(net, size, end_of(net, size)))
    return rectified_maps(
        net,
        images,
        targets,
        gated=False,
        method="deconvnet",
        units="projected signal of the target's logit by one unit of pixel value; drawn is the largest absolute value "
        "over the channels"
        + ("" if switches else "; without max pooling there are no switches, and every image has the same map"),
        memory=memory,
        progress=progress,
    )
