"""Plain and residual networks for ImageNet, with and without gates, and ResNeXt for CIFAR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from striate.nets.site import Pair

from .blueprint import Blueprint, check_width, within
from .layers.dropping import StochasticDepth
from .layers.gates import gate_maker

Make = Callable[[int], nn.Module] | None


class ResidualBlock(nn.Module):
    """Convolutions, each with its normalisation, a gate or none, and the input added, then an activation.

    The shortcut is a 1 x 1 convolution with normalisation where the shape changes (option B).

    Args:
        channels: Of the input.
        steps: (channels, kernel, stride, groups) of each convolution.
        gate: What makes the gate at the end of the branch.
        residual: Without, nothing is added: a block of a plain network.
    """

    def __init__(
        self, channels: int, steps: Sequence[tuple[int, int, int, int]], *, gate: Make = None, residual: bool = True
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taken, stride = channels, 1
        for index, (made, kernel, step, groups) in enumerate(steps):
            conv = nn.Conv2d(taken, made, kernel, step, kernel // 2, groups=groups, bias=False)
            layers += [conv, nn.BatchNorm2d(made)]
            layers += [nn.ReLU()] if index < len(steps) - 1 else []
            taken, stride = made, stride * step
        self.body = nn.Sequential(*layers, *([gate(taken)] if gate else []))
        self.shortcut: nn.Module | None = None
        if residual:
            changes = channels != taken or stride > 1
            brought = [nn.Conv2d(channels, taken, 1, stride, bias=False), nn.BatchNorm2d(taken)] if changes else []
            self.shortcut = nn.Sequential(*brought)
            self.survive = StochasticDepth()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the next block."""
        made = self.body(x)
        if self.shortcut is not None:
            made = self.survive(made) + self.shortcut(x)
        out: Tensor = self.relu(made)
        return out


class Stages(nn.Module):
    """A stem, stages of blocks, average pooling, one linear layer; weights start as in He et al. 2015, equation 10."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], width: int, classes: int) -> None:
        super().__init__()
        self.stem, self.stages = stem, nn.Sequential(*stages)
        self.linear = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        logits: Tensor = self.linear(torch.mean(self.stages(self.stem(x)), (2, 3)))
        return logits


_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def _imagenet(
    classes: int, channels: int, size: Pair, *, depth: int, width: int, name: str, gate: Make, residual: bool = True
) -> Blueprint:
    """Of 18 and 34 layers with two 3 x 3 convolutions to a block; deeper ones narrow and widen around one.

    Source: He et al. 2016, "Deep residual learning", table 1; the stride stands in a block's first convolution.
    """
    within(name, size, 32)
    check_width(name, width)
    stem = nn.Sequential(
        nn.Conv2d(channels, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    )
    taken, stages = width, []
    for stage, blocks in enumerate(_BLOCKS[depth]):
        inner, made = width * 2**stage, []
        for index in range(blocks):
            step = 2 if stage and not index else 1
            if depth < 50:
                steps = [(inner, 3, step, 1), (inner, 3, 1, 1)]
            else:
                steps = [(inner, 1, step, 1), (inner, 3, 1, 1), (4 * inner, 1, 1, 1)]
            made.append(ResidualBlock(taken, steps, gate=gate, residual=residual))
            taken = steps[-1][0]
        stages.append(nn.Sequential(*made))
    return Blueprint(Stages(stem, stages, taken, classes), any_size=True, least_size=32)


def plain(classes: int, channels: int, size: Pair, *, depth: int, width: int = 64) -> Blueprint:
    """The network that the paper compares with: no shortcuts; 11,515,688 weights of 18 layers for 1000 classes."""
    name = f"plain{depth}"
    return _imagenet(classes, channels, size, depth=depth, width=width, name=name, gate=None, residual=False)


def se(classes: int, channels: int, size: Pair, *, depth: int, width: int = 64) -> Blueprint:
    """A residual network whose blocks squeeze and excite; 28,088,024 weights of 50 layers for 1000 classes.

    Source: Hu, Shen & Sun 2018, section 3.3, ratio 16.
    """
    name, gate = f"se_resnet{depth}", gate_maker("se", "")
    return _imagenet(classes, channels, size, depth=depth, width=width, name=name, gate=gate)


def cbam(
    classes: int, channels: int, size: Pair, *, depth: int, width: int = 64, order: str = "channel_first"
) -> Blueprint:
    """A residual network with convolutional attention; 28,089,624 weights of 50 layers for 1000 classes.

    Source: Woo et al. 2018; ``order`` as in `striate.nets.own.layers.gates.ConvolutionalAttention`.
    """
    name, gate = f"cbam_resnet{depth}", gate_maker("cbam", order)
    return _imagenet(classes, channels, size, depth=depth, width=width, name=name, gate=gate)


def resnext29_8x64d(
    classes: int, channels: int, size: Pair, *, cardinality: int = 8, width: int = 64, stem: int = 64
) -> Blueprint:
    """ResNeXt-29 for CIFAR: three stages of three blocks of ``cardinality`` paths, 34,426,698 weights for ten classes.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image.
        cardinality: Paths of a block.
        width: Channels of a path in the first stage.
        stem: Channels of the first convolution; stages have 4, 8 and 16 times as many.

    Source: Xie, Girshick, Dollar, Tu & He 2017, section 5.2.
    """
    name = "resnext29_8x64d"
    within(name, size, 8)
    for each in (cardinality, width, stem):
        check_width(name, each)
    first = nn.Sequential(nn.Conv2d(channels, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
    taken, stages = stem, []
    for stage in range(3):
        inner, outer, made = cardinality * width * 2**stage, 4 * stem * 2**stage, []
        for index in range(3):
            step = 2 if stage and not index else 1
            made.append(ResidualBlock(taken, [(inner, 1, 1, 1), (inner, 3, step, cardinality), (outer, 1, 1, 1)]))
            taken = outer
        stages.append(nn.Sequential(*made))
    return Blueprint(Stages(first, stages, taken, classes), any_size=True, least_size=8)


plain18, plain34 = (partial(plain, depth=depth) for depth in (18, 34))
se_resnet18, se_resnet50 = (partial(se, depth=depth) for depth in (18, 50))
cbam_resnet18, cbam_resnet50 = (partial(cbam, depth=depth) for depth in (18, 50))
