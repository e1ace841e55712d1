"""LeNet-1 and LeNet-5 as their papers have them: tables of connections, trained sub-sampling, scaled tanh."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.nets.site import Pair

from .blueprint import Blueprint, within
from .building import chosen
from .digits import CODES

# Which maps each map of the second convolution sees. LeNet-1: 1990, table 1. LeNet-5: 1998, table I.
LENET1_TABLE = ((0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1), (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3))
LENET5_TABLE = (
    *[tuple((first + step) % 6 for step in range(3)) for first in range(6)],
    *[tuple((first + step) % 6 for step in range(4)) for first in range(6)],
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    tuple(range(6)),
)


class TableConv(nn.Module):
    """A convolution of which each map sees only the maps that its row of a table names; (N, len(table), H', W')."""

    def __init__(self, table: Sequence[Sequence[int]], kernel: int) -> None:
        super().__init__()
        self.table = tuple(tuple(row) for row in table)
        self.maps = nn.ModuleList(nn.Conv2d(len(row), 1, kernel) for row in self.table)

    def forward(self, x: Tensor) -> Tensor:
        """Each map by a small convolution of its own, in the order of the table."""
        seen = (torch.cat([x[:, each : each + 1] for each in row], 1) for row in self.table)
        return torch.cat([conv(part) for conv, part in zip(self.maps, seen, strict=True)], 1)


class SubSample(nn.Sequential):
    """Mean of 2 x 2 pixels, times one weight a map, plus one bias a map: two weights a map in all.

    The papers multiply the sum of the four; their weight is a fourth of ours.
    """

    def __init__(self, maps: int) -> None:
        super().__init__(OrderedDict(mean=nn.AvgPool2d(2), scale=nn.Conv2d(maps, maps, 1, groups=maps)))


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3): through (1, 1) and (-1, -1), with its greatest curvature there (1998, appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """As many values as ``x``, in (-1.7159, 1.7159)."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class CodeDistance(nn.Module):
    """Minus the squared distance to each class's code: the fixed radial basis units as logits.

    Source: LeCun et al. 1998, equation 7; the paper's outputs are penalties, so the least wins.
    """

    codes: Tensor

    def __init__(self, codes: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.register_buffer("codes", torch.tensor(codes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes), at most 0."""
        return -(x[:, None] - self.codes).square().sum(2)


def lenet1(classes: int, channels: int, size: Pair) -> Blueprint:
    """LeNet-1: 4 maps, 12 maps, ten outputs; 2,578 weights and 98,442 connections for grey images of 28 px.

    Source: LeCun et al. 1990, section 3, "Handwritten digit recognition with a back-propagation network": 5 x 5
    windows, averaging with two weights a map, table 1 between the first and the second maps, no hidden layer before
    the outputs. (The net of 1989 for 16 x 16 images, with windows at stride 2 and a bias for each unit, is another.)
    Outputs are logits here, where the paper has sigmoid units and squared error; the sigmoid is the scaled tanh of
    LeNet-5, and weights start as that paper says.
    """
    within("lenet1", size, 16)
    tall, broad = (((side - 4) // 2 - 4) // 2 for side in size)
    layers = OrderedDict(
        conv1=nn.Conv2d(channels, 4, 5),
        tanh1=ScaledTanh(),
        pool1=SubSample(4),
        tanh2=ScaledTanh(),
        conv2=TableConv(LENET1_TABLE, 5),
        tanh3=ScaledTanh(),
        pool2=SubSample(12),
        tanh4=ScaledTanh(),
        flatten=nn.Flatten(),
        linear=nn.Linear(12 * tall * broad, classes),
    )
    module = nn.Sequential(layers)
    start_uniform(module)
    return Blueprint(module, least_size=16)


def lenet5_1998(classes: int, channels: int, size: Pair, *, end: str = "codes") -> Blueprint:
    """LeNet-5 as published: 60,000 trained weights and 340,908 connections for grey images of 32 px.

    By layer 156, 12, 1,516, 32, 48,120 and 10,164 weights. Source: LeCun, Bottou, Bengio & Haffner 1998, section II.B.
    Images under 32 px are padded by 2 on each side in the first layer, as the paper pads MNIST. The codes of the
    digits are drawn by us after the paper's figure 3, as it prints no numbers. Minus the distance to a code is a logit
    here, trained by cross-entropy; the paper has equation 9, which that is without its constant.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; the layer of 120 units follows it.
        end: ``codes``: fixed 7 x 12 pictures of the digits, for ten classes. ``linear``: a learnt layer in their
            place, 850 weights more for ten classes.

    Raises:
        StriateError: Codes for other than ten classes.
    """
    within("lenet5_1998", size, 12)
    padding = 2 if min(size) < 32 else 0
    tall, broad = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in size)
    coded = chosen("lenet5_1998", "end", end, ("codes", "linear")) == "codes"
    if coded and classes != len(CODES):
        raise StriateError(
            f"striate/lenet5_1998 for {classes} classes",
            accepted="the ten digits, whose codes are fixed pictures",
            hint="striate/lenet5_1998+end=linear",
        )
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, 6, 5, padding=padding),
        tanh1=ScaledTanh(),
        pool1=SubSample(6),
        tanh2=ScaledTanh(),
        conv2=TableConv(LENET5_TABLE, 5),
        tanh3=ScaledTanh(),
        pool2=SubSample(16),
        tanh4=ScaledTanh(),
        conv3=nn.Conv2d(16, 120, (tall, broad)),
        tanh5=ScaledTanh(),
        flatten=nn.Flatten(),
        linear1=nn.Linear(120, 84),
        tanh6=ScaledTanh(),
        end=CodeDistance(CODES) if coded else nn.Linear(84, classes),
    )
    module = nn.Sequential(layers)
    start_uniform(module)
    return Blueprint(module, least_size=12)


def start_uniform(module: nn.Module) -> None:
    """Weights and biases uniform between -2.4 / F and 2.4 / F for F inputs of a unit; in place.

    Source: LeCun et al. 1998, appendix A.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            bound = 2.4 / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound)
    for layer in module.modules():
        if isinstance(layer, SubSample):  # a unit has four inputs; the weight, of their mean, is four times the paper's
            bias = layer.get_parameter("scale.bias")
            nn.init.uniform_(bias, -0.6, 0.6)
