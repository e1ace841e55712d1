"""Plain and residual networks for CIFAR, of 6n + 2 layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.nets.site import Pair

from .blueprint import Blueprint, check_width, within
from .layers.dropping import StochasticDepth
from .layers.gates import gate_maker

Make = Callable[[int], nn.Module] | None


class Block(nn.Module):
    """Two 3 x 3 convolutions around which the input is carried on; of a plain network they stand alone.

    Where the size halves and the channels grow, the shortcut takes every second pixel and fills the new channels with
    zeros, half of them before and half behind: option A, without weights. A gate may weigh the branch at its end.
    """

    def __init__(self, channels: int, width: int, stride: int, *, residual: bool = True, gate: Make = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.spare, self.residual = stride, width - channels, residual
        self.gate = gate(width) if gate else None
        if residual:
            self.survive = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the next block, (N, width, H / stride, W / stride)."""
        made = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.gate is not None:
            made = self.gate(made)
        if self.residual:
            made = self.survive(made) + self.carried(x)
        out: Tensor = self.relu(made)
        return out

    def carried(self, x: Tensor) -> Tensor:
        """The input as the shortcut brings it."""
        if self.stride > 1 or self.spare:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.spare // 2, self.spare - self.spare // 2))
        return x


class CifarResNet(nn.Module):
    """A 3 x 3 convolution, three stages of n blocks, average pooling, one linear layer.

    Source: He, Zhang, Ren & Sun 2016, section 4.2; weights start as in He et al. 2015, equation 10.
    """

    def __init__(
        self,
        depth: int,
        classes: int,
        channels: int,
        *,
        width: int = 16,
        residual: bool = True,
        gate: Make = None,
    ) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = _stage(width, width, blocks, 1, residual=residual, gate=gate)
        self.layer2 = _stage(width, 2 * width, blocks, 2, residual=residual, gate=gate)
        self.layer3 = _stage(2 * width, 4 * width, blocks, 2, residual=residual, gate=gate)
        self.linear = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(torch.mean(x, (2, 3)))
        return logits


def _stage(channels: int, width: int, blocks: int, stride: int, *, residual: bool, gate: Make) -> nn.Sequential:
    first = Block(channels, width, stride, residual=residual, gate=gate)
    return nn.Sequential(first, *(Block(width, width, 1, residual=residual, gate=gate) for _ in range(blocks - 1)))


def build(classes: int, channels: int, size: Pair, *, depth: int, residual: bool = True, width: int = 16) -> Blueprint:
    """The network of ``depth`` layers; 269,722 weights for depth 20, width 16, ten classes and colour images.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image.
        depth: Layers with weights, 6n + 2.
        residual: With shortcuts; without it is the plain network that the paper compares with.
        width: Channels of the first stage; the next have two and four times as many.
    """
    name = f"{'resnet' if residual else 'plain'}{depth}"
    within(name, size, 8)
    check_width(name, width)
    module = CifarResNet(depth, classes, channels, width=width, residual=residual)
    return Blueprint(module, any_size=True, least_size=8)


def se_resnet20(classes: int, channels: int, size: Pair, *, width: int = 16) -> Blueprint:
    """The residual network of 20 layers whose blocks squeeze and excite.

    Source: Hu, Shen & Sun 2018, section 3, ratio 16, but at least four channels in the middle of a gate.
    """
    within("se_resnet20", size, 8)
    check_width("se_resnet20", width)
    module = CifarResNet(20, classes, channels, width=width, gate=gate_maker("se", ""))
    return Blueprint(module, any_size=True, least_size=8)


def cbam_resnet20(
    classes: int, channels: int, size: Pair, *, width: int = 16, order: str = "channel_first"
) -> Blueprint:
    """The residual network of 20 layers with convolutional attention at the end of its branches.

    Source: Woo et al. 2018; ``order`` as in `striate.nets.own.layers.gates.ConvolutionalAttention`.
    """
    within("cbam_resnet20", size, 8)
    check_width("cbam_resnet20", width)
    module = CifarResNet(20, classes, channels, width=width, gate=gate_maker("cbam", order))
    return Blueprint(module, any_size=True, least_size=8)


resnet8, resnet20, resnet32, resnet44, resnet56, resnet110 = (
    partial(build, depth=depth) for depth in (8, 20, 32, 44, 56, 110)
)
plain8, plain20, plain32, plain44, plain56 = (
    partial(build, depth=depth, residual=False) for depth in (8, 20, 32, 44, 56)
)
