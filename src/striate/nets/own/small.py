"""The default network: compact, for small images, trained in a minute on two cores."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint, within

_WIDTHS = (32, 64, 96)


def small(classes: int, channels: int, size: Pair) -> Blueprint:
    """Stem, three 3 x 3 convolutions with batch norm and ReLU, pooling to 3 x 3, one linear layer.

    The stem's stride grows with the image (1 under 16 px, 2 under 48, else 4), so that the rest sees 8 to 24 units a
    side whatever the size, and the cost stays about the same.
    """
    within("small", size, 8, 96)
    shortest = min(size)
    stride = 1 if shortest < 16 else 2 if shortest < 48 else 4
    first, second, third = _WIDTHS
    layers = OrderedDict(
        stem=_convolution(channels, first, 3 if stride == 1 else 5 if stride == 2 else 7, stride),
        stage1=_convolution(first, second, 3, 1),
        stage2=_convolution(second, third, 3, 2),
        stage3=_convolution(third, third, 3, 1),
        pool=nn.AdaptiveAvgPool2d(3),
        flatten=nn.Flatten(),
        linear=nn.Linear(9 * third, classes),
    )
    return Blueprint(nn.Sequential(layers), any_size=True, least_size=8, greatest_size=96)


def _convolution(channels: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False),
            norm=nn.BatchNorm2d(width),
            relu=nn.ReLU(inplace=True),
        )
    )
