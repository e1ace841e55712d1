"""The default network: compact, for small images, trained in a minute on two cores."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.core.errors import StriateError
from striate.nets.site import Pair

from .blueprint import Blueprint, within

_WIDTHS = (24, 48, 96, 128)


def small(classes: int, channels: int, size: Pair, *, width: float = 1.0, pool: str = "none") -> Blueprint:
    """Stem and three 3 x 3 convolutions with batch norm and ReLU, average pooling to 2 x 2, one linear layer.

    The stem's stride grows with the image (1 under 16 px, 2 under 48, else 4), so that the cost of an image stays
    about the same: 6 million multiply-adds at 32 px, 169,954 weights for ten classes of colour images. ``width``
    multiplies the channels, so cost and weights about by its square. ``pool`` ``max`` halves stage1 by max pooling
    after a convolution at every place, where ``none`` gives that convolution a stride of 2: a third more time in
    training, as many weights.

    Source: our own. Measured figures: the recipes `quick` and `thorough`, in what they state.

    Raises:
        StriateError: The images are too small or too large, or ``pool`` is neither.
    """
    within("small", size, 8, 96)
    if pool not in ("none", "max"):
        raise StriateError(f"pool={pool} of striate/small", accepted="none, max")
    shortest = min(size)
    stride = 1 if shortest < 16 else 2 if shortest < 48 else 4
    first, second, third, fourth = (max(1, round(width * each)) for each in _WIDTHS)
    layers = OrderedDict(
        stem=_convolution(channels, first, 3 if stride == 1 else 5 if stride == 2 else 7, stride),
        stage1=_convolution(first, second, 3, 2 if pool == "none" else 1),
        stage2=_convolution(second, third, 3, 1),
        stage3=_convolution(third, fourth, 3, 2),
        pool=nn.AdaptiveAvgPool2d(2),
        flatten=nn.Flatten(),
        linear=nn.Linear(4 * fourth, classes),
    )
    if pool == "max":
        layers["stage1"].add_module("pool", nn.MaxPool2d(2, ceil_mode=True))
    return Blueprint(nn.Sequential(layers), any_size=True, least_size=8, greatest_size=96)


def _convolution(channels: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False),
            norm=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
        )
    )
