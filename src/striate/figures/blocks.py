"""Blocks that newer nets are built of, small enough to count: residual, attentive, dense, separable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def unit(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """Convolution without bias, padded to keep the size, and batch normalisation; with ``act`` a ReLU behind."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU()) if act else nn.Sequential(*layers)


class Squeeze(nn.Module):
    """Weights for the channels from their means: two linear layers with biases, a ratio in between (Hu et al. 2018)."""

    def __init__(self, channels: int, ratio: int = 16, *, biased: bool = True) -> None:
        super().__init__()
        narrow = nn.Linear(channels, channels // ratio, bias=biased)
        self.net = nn.Sequential(narrow, nn.ReLU(), nn.Linear(channels // ratio, channels, bias=biased))

    def forward(self, x: Tensor) -> Tensor:
        """The map with every channel weighed, same shape."""
        weights: Tensor = self.net(x.mean((2, 3))).sigmoid()
        return x * weights[:, :, None, None]


class Attend(Squeeze):
    """CBAM: the same layers for means and maxima, then a 7x7 window over both across channels (Woo et al. 2018)."""

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__(channels, ratio)
        self.where = unit(2, 1, 7, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map with every channel and every place weighed, same shape."""
        x = x * (self.net(x.mean((2, 3))) + self.net(x.amax((2, 3)))).sigmoid()[:, :, None, None]
        places: Tensor = self.where(torch.stack([x.mean(1), x.amax(1)], 1)).sigmoid()
        return x * places


class Residual(nn.Module):
    """relu(shortcut(x) + body(x)); the shortcut is a 1x1 convolution where the shape changes (He et al. 2016)."""

    def __init__(self, body: nn.Sequential, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = body
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else unit(inputs, outputs, 1, stride=stride, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map of the shortcut's shape."""
        total: Tensor = self.shortcut(x) + self.body(x)
        return total.relu()


def gate(kind: str, channels: int) -> list[nn.Module]:
    """What stands at the end of a block's body: nothing, ``"SE"``, ``"SE without biases"`` or ``"CBAM"``."""
    gates: dict[str, Callable[[], list[nn.Module]]] = {
        "": list,
        "SE": lambda: [Squeeze(channels)],
        "SE without biases": lambda: [Squeeze(channels, biased=False)],
        "CBAM": lambda: [Attend(channels)],
    }
    return gates[kind]()


def resnet(
    depths: Sequence[int],
    *,
    bottleneck: bool = True,
    widen: float = 1.0,
    groups: int = 1,
    width: int = 64,
    kind: str = "",
) -> nn.Sequential:
    """A residual net for 224 pixels and 1000 classes; the stride stands in a block's first convolution.

    Args:
        depths: Blocks in each of the four stages.
        bottleneck: 1x1, 3x3, 1x1 with four times the channels out, in place of two 3x3.
        widen: Factor on the channels behind the stem.
        groups: Groups of the 3x3 convolutions (ResNeXt).
        width: Channels a group of the first stage's 3x3 convolutions; with one group, all of them.
        kind: What `gate` puts at the end of each block.
    """
    blocks: list[nn.Module] = [unit(3, 64, 7, stride=2), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, depth in enumerate(depths):
        plain = int(64 * 2**stage * widen)
        for block in range(depth):
            stride = 2 if block == 0 and stage > 0 else 1
            if bottleneck:
                inner, outputs = width * groups * 2**stage, 4 * plain
                body = [
                    unit(inputs, inner, 1, stride=stride),
                    unit(inner, inner, 3, groups=groups),
                    unit(inner, outputs, 1, act=False),
                ]
            else:
                outputs = plain
                body = [unit(inputs, outputs, 3, stride=stride), unit(outputs, outputs, 3, act=False)]
            blocks.append(Residual(nn.Sequential(*body, *gate(kind, outputs)), inputs, outputs, stride))
            inputs = outputs
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


class Dense(nn.Module):
    """x with ``grown`` more channels behind it: 1x1 to four times as many, then 3x3 (Huang et al. 2017)."""

    def __init__(self, inputs: int, grown: int) -> None:
        super().__init__()
        first = [nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, 4 * grown, 1, bias=False)]
        second = [nn.BatchNorm2d(4 * grown), nn.ReLU(), nn.Conv2d(4 * grown, grown, 3, padding=1, bias=False)]
        self.body = nn.Sequential(*first, *second)

    def forward(self, x: Tensor) -> Tensor:
        """The map with the new channels behind the old."""
        return torch.cat([x, self.body(x)], 1)


def densenet(depths: Sequence[int], grown: int) -> nn.Sequential:
    """A DenseNet for 224 pixels and 1000 classes; between its blocks half the channels go on."""
    channels = 2 * grown
    layers: list[nn.Module] = [unit(3, channels, 7, stride=2), nn.MaxPool2d(3, 2, 1)]
    for stage, depth in enumerate(depths):
        for _ in range(depth):
            layers.append(Dense(channels, grown))
            channels += grown
        if stage < len(depths) - 1:
            half = nn.Conv2d(channels, channels // 2, 1, bias=False)
            layers += [nn.BatchNorm2d(channels), nn.ReLU(), half, nn.AvgPool2d(2)]
            channels //= 2
    end: list[nn.Module] = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *end, nn.Linear(channels, 1000))


class Separable(nn.Module):
    """EfficientNet's block: widen by 1x1, one window a channel, squeeze, narrow by 1x1 (Tan & Le 2019)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = inputs * factor
        widen = [unit(inputs, wide, 1)] if factor > 1 else []
        self.body = nn.Sequential(*widen, unit(wide, wide, kernel, stride=stride, groups=wide))
        self.squeeze = nn.Sequential(nn.Conv2d(wide, inputs // 4, 1), nn.SiLU(), nn.Conv2d(inputs // 4, wide, 1))
        self.narrow = unit(wide, outputs, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map of the last convolution."""
        hidden = self.body(x)
        weights = self.squeeze(hidden.mean((2, 3), keepdim=True)).sigmoid()
        narrow: Tensor = self.narrow(hidden * weights)
        return narrow


EFFICIENT = (  # factor, channels, blocks, stride, kernel of EfficientNet-B0
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet_of(widen: float, deepen: float) -> nn.Sequential:
    """An EfficientNet whose B0 widths and depths are scaled, widths to the nearest multiple of 8."""

    def scaled(channels: int) -> int:
        near = max(8, int(channels * widen + 4) // 8 * 8)
        return near + 8 if near < 0.9 * channels * widen else near

    channels = scaled(32)
    layers: list[nn.Module] = [unit(3, channels, 3, stride=2)]
    for factor, outputs, blocks, stride, kernel in EFFICIENT:
        for block in range(-int(-blocks * deepen // 1)):
            layers.append(Separable(channels, scaled(outputs), kernel, stride if block == 0 else 1, factor))
            channels = scaled(outputs)
    head = scaled(1280)
    end: list[nn.Module] = [unit(channels, head, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *end, nn.Linear(head, 1000))
