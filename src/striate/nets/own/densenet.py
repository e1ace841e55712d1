"""Densely connected networks for CIFAR."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striate.nets.site import Pair

from .blueprint import Blueprint, check_width, within


class DenseLayer(nn.Module):
    """The maps with ``growth`` new ones behind them, which see all; by way of four times as many with ``bottleneck``.

    There is a place for dropout behind each convolution, with rate 0.
    """

    def __init__(self, channels: int, growth: int, *, bottleneck: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if bottleneck:
            layers = [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 4 * growth, 1, bias=False)]
            layers.append(nn.Dropout(0.0))
            channels = 4 * growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, growth, 3, padding=1, bias=False)]
        self.body = nn.Sequential(*layers, nn.Dropout(0.0))

    def forward(self, x: Tensor) -> Tensor:
        """The maps, (N, channels + growth, H, W)."""
        return torch.cat([x, self.body(x)], 1)


def _dense(
    classes: int, channels: int, size: Pair, *, name: str, depth: int, growth: int, bottleneck: bool
) -> Blueprint:
    """Three dense blocks with halved sides, and with ``bottleneck`` halved channels, in between.

    Source: Huang, Liu, van der Maaten & Weinberger 2017, section 3; weights start as in He et al. 2015.
    """
    within(name, size, 8)
    check_width(name, growth)
    layers = (depth - 4) // (6 if bottleneck else 3)
    width = 2 * growth if bottleneck else 16
    made: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    for block in range(3):
        dense = [DenseLayer(width + growth * index, growth, bottleneck=bottleneck) for index in range(layers)]
        width += growth * layers
        made.append(nn.Sequential(*dense))
        if block < 2:
            kept = width // 2 if bottleneck else width
            conv = nn.Conv2d(width, kept, 1, bias=False)
            made.append(nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), conv, nn.Dropout(0.0), nn.AvgPool2d(2)))
            width = kept
    end: list[nn.Module] = [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    module = nn.Sequential(*made, *end, nn.Linear(width, classes))
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight)
    return Blueprint(module, any_size=True, least_size=8)


def densenet40_12(classes: int, channels: int, size: Pair, *, growth: int = 12) -> Blueprint:
    """40 layers, growth 12: 1,019,722 weights for ten classes and colour images."""
    name = "densenet40_12"
    return _dense(classes, channels, size, name=name, depth=40, growth=growth, bottleneck=False)


def densenet100_12(classes: int, channels: int, size: Pair, *, growth: int = 12) -> Blueprint:
    """100 layers, growth 12: 6,979,642 weights for ten classes and colour images."""
    name = "densenet100_12"
    return _dense(classes, channels, size, name=name, depth=100, growth=growth, bottleneck=False)


def densenet_bc100_12(classes: int, channels: int, size: Pair, *, growth: int = 12) -> Blueprint:
    """100 layers with bottlenecks and halved channels, growth 12: 769,162 weights for ten classes, colour images."""
    name = "densenet_bc100_12"
    return _dense(classes, channels, size, name=name, depth=100, growth=growth, bottleneck=True)


def densenet_bc190_40(classes: int, channels: int, size: Pair, *, growth: int = 40) -> Blueprint:
    """190 layers with bottlenecks and halved channels, growth 40: 25,624,430 weights for ten classes, colour images."""
    name = "densenet_bc190_40"
    return _dense(classes, channels, size, name=name, depth=190, growth=growth, bottleneck=True)
