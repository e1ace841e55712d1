"""Members of the families of convolutional nets with random weights, small, in float64, their statistics alive.

The table of docs/attribution.md has the members as they are; here what costs seconds is thinner.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import nn

from striate.nets.load import load_net
from striate.nets.net import Net

FAMILIES = {
    "vgg11": 32,
    "resnet18": 32,
    "googlenet": 32,
    "inception_v3": 80,
    "densenet": 32,
    "squeezenet1_0": 32,
    "mobilenet_v2": 32,
    "shufflenet_v2_x0_5": 32,
    "mnasnet0_5": 32,
}
FEW = ("resnet18", "densenet", "squeezenet1_0", "mobilenet_v2")  # skips, normalisation first, neither, ReLU6


def family_net(family: str) -> Net:
    """A copy with random weights in float64."""
    return deepcopy(_made(family))


@cache
def _made(family: str) -> Net:
    """Batch normalisations know the statistics of one batch, so that signals keep their size."""
    if family in ("vgg11", "densenet"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = Net(_thin_vgg() if family == "vgg11" else _thin_densenet(), mean=0.5, std=0.25, name=family)
    else:
        net = load_net(f"torchvision/{family}.random")
    net.requires_grad_(False)
    net.eval()
    for each in net.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.train()
            each.momentum = 1.0
    side = max(64, FAMILIES[family])
    with torch.no_grad():
        net(torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(2)))
    return net.eval().double()


def _thin_vgg() -> nn.Module:
    from torchvision.models.vgg import cfgs, make_layers

    layers = [each if each == "M" else each // 4 for each in cfgs["A"]]
    parts = [make_layers(layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 20), nn.ReLU(True)]
    return nn.Sequential(*parts, nn.Dropout(), nn.Linear(20, 9))


def _thin_densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=8, block_config=(2, 3, 2, 2), num_init_features=16, num_classes=9)


def family_images(family: str) -> torch.Tensor:
    """One image (1, 3, H, W)."""
    side = FAMILIES[family]
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
