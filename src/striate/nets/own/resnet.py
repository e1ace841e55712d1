"""Residual networks for CIFAR, of 6n + 2 layers."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from striate.nets.site import Pair

from .blueprint import Blueprint, within


class Block(nn.Module):
    """Two 3 x 3 convolutions around which the input is carried on.

    Where the size halves and the channels grow, the shortcut takes every second pixel and fills the new channels with
    zeros, half of them before and half behind: option A, without weights.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.spare = stride, width - channels

    def forward(self, x: Tensor) -> Tensor:
        """Features of the next block, (N, width, H / stride, W / stride)."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1 or self.spare:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.spare // 2, self.spare - self.spare // 2))
        return F.relu(residual + x)


class CifarResNet(nn.Module):
    """A 3 x 3 convolution, three stages of n blocks with 16, 32, 64 channels, average pooling, one linear layer.

    Source: He, Zhang, Ren & Sun 2016, section 4.2; weights start as in He et al. 2015, equation 10.
    """

    def __init__(self, depth: int, classes: int, channels: int) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(channels, width, stride)
    return nn.Sequential(first, *(Block(width, width, 1) for _ in range(blocks - 1)))


def build(classes: int, channels: int, size: Pair, *, depth: int) -> Blueprint:
    """The network of ``depth`` layers; 269,722 weights for depth 20, ten classes and colour images."""
    within(f"resnet{depth}", size, 8)
    return Blueprint(CifarResNet(depth, classes, channels), any_size=True, least_size=8)


resnet20, resnet32, resnet44, resnet56, resnet110 = (partial(build, depth=depth) for depth in (20, 32, 44, 56, 110))
