"""A somewhat wider `small` for grey images of 28 px: the net of part ``harden`` of the proofs."""

from __future__ import annotations

import torch
from torch import nn

from striate.nets.net import Net

WIDTHS = (32, 48, 96, 192)  # most channels are where maps are 4 x 4, so that a weight costs little


def sturdy() -> Net:
    """Stem of stride 2 and three 3 x 3 convolutions with batch norm and ReLU, pooled to 2 x 2; 230,410 weights."""
    torch.manual_seed(0)
    first, second, third, fourth = WIDTHS
    module = nn.Sequential(
        *_convolution(1, first, 5, 2),
        *_convolution(first, second, 3, 2),
        *_convolution(second, third, 3, 1),
        *_convolution(third, fourth, 3, 2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * fourth, 10),
    )
    return Net(module, mean=0.286, std=0.353, classes=10, name="sturdy", channels=1, size=28)


def _convolution(channels: int, width: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    made = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
    return made, nn.BatchNorm2d(width), nn.ReLU(inplace=True)
