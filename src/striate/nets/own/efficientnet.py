"""EfficientNet: one network, scaled in width, depth and size of images together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from striate.nets.site import Pair

from .blueprint import Blueprint, within
from .layers.dropping import StochasticDepth
from .layers.gates import SqueezeExcite

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width and size for twice the work, found on a small grid
_DEATH = 0.2  # of the last block's branch
STAGES = (  # factor, channels, blocks, stride, kernel of B0: table 1
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


@dataclass(frozen=True)
class Scale:
    """Factors on widths and depths, side of the images, rate of dropout: of one EfficientNet."""

    width: float
    depth: float
    size: int
    dropout: float


# The published networks use rounded factors of their own, about beta^phi and alpha^phi.
SCALES: Mapping[str, Scale] = {
    "b0": Scale(1.0, 1.0, 224, 0.2),
    "b1": Scale(1.0, 1.1, 240, 0.2),
    "b2": Scale(1.1, 1.2, 260, 0.3),
    "b3": Scale(1.2, 1.4, 300, 0.3),
    "b4": Scale(1.4, 1.8, 380, 0.4),
    "b5": Scale(1.6, 2.2, 456, 0.4),
    "b6": Scale(1.8, 2.6, 528, 0.5),
    "b7": Scale(2.0, 3.1, 600, 0.5),
}


def compound(phi: float) -> tuple[float, float, float]:
    """Factors on depth, width and size of the images for 2^phi times the work: equation 3 of the paper.

    >>> [round(each, 4) for each in compound(1)]
    [1.2, 1.1, 1.15]
    """
    return ALPHA**phi, BETA**phi, GAMMA**phi


def scaled_width(channels: int, factor: float) -> int:
    """Channels times ``factor``, to the nearest multiple of 8 that is not below nine tenths of it.

    >>> scaled_width(40, 1.1), scaled_width(16, 1.2), scaled_width(1280, 2.0)
    (48, 24, 2560)
    """
    near = max(8, int(channels * factor + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels * factor else near


def scaled_depth(blocks: int, factor: float) -> int:
    """Blocks times ``factor``, rounded up.

    >>> scaled_depth(3, 1.1)
    4
    """
    return math.ceil(blocks * factor)


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, a window on each, a gate, 1 x 1 to fewer; the input is added where the shape is the same.

    Source: Sandler et al. 2018, with the gate of Tan et al. 2019: a quarter of the input's channels in its middle.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = channels * factor
        widen = _unit(channels, wide, 1) if factor > 1 else []
        layers = [*widen, *_unit(wide, wide, kernel, stride=stride, groups=wide)]
        gate = SqueezeExcite(wide, max(1, channels // 4), activation=nn.SiLU)
        self.body = nn.Sequential(*layers, gate, *_unit(wide, width, 1)[:-1])
        self.carries = channels == width and stride == 1
        if self.carries:
            self.survive = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the next block."""
        made: Tensor = self.body(x)
        return x + self.survive(made) if self.carries else made


def build(classes: int, channels: int, size: Pair, *, name: str, width: float = 1.0, depth: float = 1.0) -> Blueprint:
    """An EfficientNet by name, its widths and depths times ``width`` and ``depth`` again.

    EfficientNet-B0 has 5,288,548 weights for 1000 classes, B7 66,347,960.

    Source: Tan & Le 2019, table 1 and section 3.3; dropout and stochastic depth (survival .8, linear) as there. Weights
    start as torch draws them.
    """
    within(f"efficientnet_{name}", size, 32)
    scale = SCALES[name]
    widen, deepen = scale.width * width, scale.depth * depth
    taken = scaled_width(32, widen)
    layers: list[nn.Module] = [nn.Sequential(*_unit(channels, taken, 3, stride=2))]
    for factor, outputs, blocks, stride, kernel in STAGES:
        made = []
        for index in range(scaled_depth(blocks, deepen)):
            made.append(InvertedResidual(taken, scaled_width(outputs, widen), kernel, 1 if index else stride, factor))
            taken = scaled_width(outputs, widen)
        layers.append(nn.Sequential(*made))
    head = scaled_width(1280, widen)
    end: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(scale.dropout)]
    module = nn.Sequential(*layers, nn.Sequential(*_unit(taken, head, 1)), *end, nn.Linear(head, classes))
    blocks_in = [each for each in module.modules() if isinstance(each, InvertedResidual)]
    for index, block in enumerate(blocks_in):
        if block.carries:
            block.survive.rate = _DEATH * index / len(blocks_in)
    return Blueprint(module, any_size=True, least_size=32)


def _unit(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01), nn.SiLU()]


(
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
) = (partial(build, name=name) for name in SCALES)
