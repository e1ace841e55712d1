"""MobileNet, the first."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint, within
from .building import scaled, small_stem

# table 1: channels and stride of each depthwise convolution with the 1 x 1 behind it
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def _layers(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> list[tuple[str, nn.Module]]:
    return [
        ("conv", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)),
        ("norm", nn.BatchNorm2d(outputs)),
        ("relu", nn.ReLU()),
    ]


def mobilenet1(classes: int, channels: int, size: Pair, *, width: float = 1.0, stem: str = "paper") -> Blueprint:
    """Depthwise and 1 x 1 convolutions in turn: 4,231,976 weights, 568,740,352 multiply-adds at 224 px.

    Source: Howard et al. 2017, table 1; the stride of its last depthwise convolution is 1 here, as the map keeps its
    7 px (the table prints 2). ``width`` is the paper's alpha; its rho is the size of the image.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; 8 px or more.
        width: Factor on all channels: 1, .75, .5 and .25 in the paper.
        stem: ``small`` is none of the paper's: stride 1 in the first convolution and the second block, for small
            images.
    """
    within("mobilenet1", size, 8)
    small, _ = small_stem("mobilenet1", stem)
    inputs = scaled(32, width)
    blocks: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(OrderedDict(_layers(channels, inputs, 3, 1 if small else 2)))
    )
    for place, (count, stride) in enumerate(_BLOCKS, start=1):
        outputs = scaled(count, width)
        blocks[f"block{place}"] = nn.Sequential(
            OrderedDict(
                depthwise=nn.Sequential(
                    OrderedDict(_layers(inputs, inputs, 3, 1 if small and place == 2 else stride, inputs))
                ),
                pointwise=nn.Sequential(OrderedDict(_layers(inputs, outputs, 1, 1))),
            )
        )
        inputs = outputs
    blocks["pool"], blocks["flatten"], blocks["linear"] = (
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(inputs, classes),
    )
    return Blueprint(nn.Sequential(blocks), any_size=True, least_size=8)
