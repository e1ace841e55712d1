"""Residual networks for CIFAR with activations before their layers: He et al. 2016, and wide ones."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.nets.site import Pair

from .blueprint import Blueprint, check_width, within
from .layers.dropping import StochasticDepth


class PreactBlock(nn.Module):
    """Normalisation, activation and convolution, two or three times over, around which the input is carried on.

    Where the shape changes the shortcut is a 1 x 1 convolution of the first activation (``projected``), or takes every
    second pixel of the input and fills the new channels with zeros.

    Args:
        channels: Of the input.
        width: Of the output.
        stride: Of the first window of more than a pixel.
        inner: Channels of the middle of three convolutions (1 x 1, 3 x 3, 1 x 1); 0 for two of 3 x 3.
        projected: See above.
        dropout: Has a place for dropout between the convolutions, with rate 0.
    """

    def __init__(
        self, channels: int, width: int, stride: int, *, inner: int = 0, projected: bool = False, dropout: bool = False
    ) -> None:
        super().__init__()
        steps = [(inner, 1, 1), (inner, 3, stride), (width, 1, 1)] if inner else [(width, 3, stride), (width, 3, 1)]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        taken = channels
        for index, (made, kernel, step) in enumerate(steps, start=1):
            layers[f"bn{index}"], layers[f"relu{index}"] = nn.BatchNorm2d(taken), nn.ReLU()
            if dropout and index == len(steps):
                layers["dropout"] = nn.Dropout(0.0)
            layers[f"conv{index}"] = nn.Conv2d(taken, made, kernel, step, kernel // 2, bias=False)
            taken = made
        self.bn1, self.relu1 = layers.pop("bn1"), layers.pop("relu1")
        self.body = nn.Sequential(layers)
        changes = stride > 1 or channels != width
        self.project = nn.Conv2d(channels, width, 1, stride, bias=False) if projected and changes else None
        self.stride, self.spare = stride, width - channels
        self.survive = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the next block, (N, width, H / stride, W / stride)."""
        ready = self.relu1(self.bn1(x))
        made: Tensor = self.survive(self.body(ready))
        if self.project is not None:
            projected: Tensor = self.project(ready)
            return made + projected
        if self.stride > 1 or self.spare:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.spare // 2, self.spare - self.spare // 2))
        return made + x


class PreactResNet(nn.Module):
    """A 3 x 3 convolution, three stages of blocks, a last normalisation, average pooling, one linear layer.

    Source: He, Zhang, Ren & Sun 2016, "Identity mappings in deep residual networks", figure 1b and the appendix;
    weights start as in He et al. 2015, equation 10.
    """

    def __init__(
        self,
        blocks: int,
        widths: tuple[int, int, int],
        classes: int,
        channels: int,
        *,
        stem: int,
        thirds: bool = False,
        projected: bool = False,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, stem, 3, 1, 1, bias=False)
        taken, stages = stem, []
        for stage, width in enumerate(widths):
            made = []
            for index in range(blocks):
                stride = 2 if stage and not index else 1
                inner = width // 4 if thirds else 0
                made.append(PreactBlock(taken, width, stride, inner=inner, projected=projected, dropout=dropout))
                taken = width
            stages.append(nn.Sequential(*made))
        self.layer1, self.layer2, self.layer3 = stages
        self.bn, self.relu = nn.BatchNorm2d(taken), nn.ReLU()
        self.linear = nn.Linear(taken, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        logits: Tensor = self.linear(torch.mean(self.relu(self.bn(x)), (2, 3)))
        return logits


def preact(classes: int, channels: int, size: Pair, *, depth: int, thirds: bool = False, width: int = 16) -> Blueprint:
    """The network of ``depth`` layers: 6n + 2 with two to a block, 9n + 2 with three (``thirds``).

    With two its shortcuts have no weights, and depth 20 has the 269,722 weights of the network with activations
    behind; with three a 1 x 1 convolution starts each stage (164 layers: 1,703,258; 1001: 10,327,706).
    """
    name = f"preact_resnet{depth}"
    within(name, size, 8)
    check_width(name, width)
    factor = 4 if thirds else 1
    widths = (factor * width, 2 * factor * width, 4 * factor * width)
    blocks = (depth - 2) // (9 if thirds else 6)
    module = PreactResNet(blocks, widths, classes, channels, stem=width, thirds=thirds, projected=thirds)
    return Blueprint(module, any_size=True, least_size=8)


def wide(classes: int, channels: int, size: Pair, *, depth: int, widen: int, width: int = 16) -> Blueprint:
    """A wide residual network WRN-``depth``-``widen``; 36,479,194 weights for 28-10, ten classes and colour images.

    Blocks have a place for dropout between their convolutions: ``+dropout=0.3`` is that of the paper.

    Source: Zagoruyko & Komodakis 2016, table 1 and section 2.3.
    """
    name = f"wrn{depth}_{widen}"
    within(name, size, 8)
    check_width(name, width)
    widths = (widen * width, 2 * widen * width, 4 * widen * width)
    module = PreactResNet((depth - 4) // 6, widths, classes, channels, stem=width, projected=True, dropout=True)
    return Blueprint(module, any_size=True, least_size=8)


preact_resnet20, preact_resnet32, preact_resnet44, preact_resnet56, preact_resnet110 = (
    partial(preact, depth=depth) for depth in (20, 32, 44, 56, 110)
)
preact_resnet164, preact_resnet1001 = (partial(preact, depth=depth, thirds=True) for depth in (164, 1001))
wrn40_1, wrn40_4, wrn16_8, wrn28_10 = (
    partial(wide, depth=depth, widen=widen) for depth, widen in ((40, 1), (40, 4), (16, 8), (28, 10))
)
