"""GoogLeNet as its paper has it."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from striate.nets.site import Pair

from .alexnet import local_response
from .blueprint import Blueprint, within
from .building import scaled, small_stem, start_normal

Widths = tuple[int, int, int, int, int, int]
# table 1: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 behind the pool
MODULES: dict[str, Widths] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
_HEADED = ("4a", "4d")  # modules behind which an auxiliary head stands


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), relu=nn.ReLU()))


class Inception(nn.Module):
    """Windows of 1, 3 and 5 px and a pool side by side, their maps one behind another; figure 2b of the paper."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        one, before3, three, before5, five, behind = widths
        self.one = _convolution(inputs, one, 1)
        self.three = nn.Sequential(_convolution(inputs, before3, 1), _convolution(before3, three, 3))
        self.five = nn.Sequential(_convolution(inputs, before5, 1), _convolution(before5, five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), _convolution(inputs, behind, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The map of all four branches, of the same height and width."""
        return torch.cat((self.one(x), self.three(x), self.five(x), self.pool(x)), 1)


class Head(nn.Sequential):
    """An auxiliary classifier: mean over 5 x 5 at stride 3, 1 x 1 to 128, 1024 units, dropout of .7, the classes.

    Where the map is smaller than 5 px the window is the map.
    """

    def __init__(self, inputs: int, side: Pair, classes: int, width: float) -> None:
        window = (min(5, side[0]), min(5, side[1]))
        places = [(length - kernel) // 3 + 1 for length, kernel in zip(side, window, strict=True)]
        maps, hidden = scaled(128, width), scaled(1024, width)
        super().__init__(
            OrderedDict(
                pool=nn.AvgPool2d(window, 3),
                conv=_convolution(inputs, maps, 1),
                flatten=nn.Flatten(),
                linear1=nn.Linear(maps * places[0] * places[1], hidden),
                relu=nn.ReLU(),
                drop=nn.Dropout(0.7),
                linear2=nn.Linear(hidden, classes),
            )
        )


class GoogLeNet(nn.Module):
    """The stem, nine modules in three stages, the mean of every map, dropout of .4, one linear layer."""

    auxiliary_weight = 0.3

    def __init__(
        self,
        classes: int,
        channels: int,
        size: Pair,
        *,
        width: float = 1.0,
        auxiliary: bool = False,
        small: bool = False,
    ) -> None:
        super().__init__()
        first, second, third = (scaled(each, width) for each in (64, 64, 192))
        self.conv1 = _convolution(channels, first, 3 if small else 7, 1 if small else 2)
        self.pool1: nn.Module = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.norm1 = local_response()
        self.reduce2, self.conv2 = _convolution(first, second, 1), _convolution(second, third, 3)
        self.norm2 = local_response()
        self.pool2, self.pool3, self.pool4 = (nn.MaxPool2d(3, 2, 1) for _ in range(3))
        inputs, heads = third, {}
        side = _halved(size, 2 if small else 4)  # of the fourth stage
        for name, plain in MODULES.items():
            widths = tuple(scaled(each, width) for each in plain)
            setattr(self, f"inception{name}", Inception(inputs, widths))  # type: ignore[arg-type]
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
            if auxiliary and name in _HEADED:
                heads[name] = Head(inputs, side, classes, width)
        self.heads = nn.ModuleDict(heads)
        self.pool5, self.flatten, self.drop = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4)
        self.linear = nn.Linear(inputs, classes)
        self.auxiliary: tuple[Tensor, ...] = ()
        start_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes); in training mode the heads' logits are kept in ``auxiliary`` until they are taken."""
        x = self.norm1(self.pool1(self.conv1(x)))
        x = self.pool2(self.norm2(self.conv2(self.reduce2(x))))
        kept = []
        for name in MODULES:
            if name in ("4a", "5a"):
                x = (self.pool3 if name == "4a" else self.pool4)(x)
            x = self.get_submodule(f"inception{name}")(x)
            if self.training and name in self.heads:
                kept.append(self.heads[name](x))
        self.auxiliary = tuple(kept)
        logits: Tensor = self.linear(self.drop(self.flatten(self.pool5(x))))
        return logits

    def train(self, mode: bool = True) -> GoogLeNet:
        """As torch has it; what the heads gave is dropped."""
        self.auxiliary = ()
        return super().train(mode)


def _halved(size: Pair, times: int) -> Pair:
    height, width = size
    for _ in range(times):
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def googlenet(
    classes: int, channels: int, size: Pair, *, width: float = 1.0, auxiliary: bool = False, stem: str = "paper"
) -> Blueprint:
    """Inception of 2014: 6,998,552 weights for 1000 classes at 224 px, 13,378,280 with the auxiliary heads.

    Source: Szegedy et al. 2015, section 5 and table 1: 5 x 5 windows, local response normalisation, no batch
    normalisation. Pools are padded by 1, which gives the sizes of the table and leaves a map of any image. Weights
    start as in He et al. 2015, as the paper does not say how its own did.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; 8 px or more, and any such size without auxiliary heads.
        width: Factor on all channels and hidden units.
        auxiliary: With the two heads behind 4a and 4d, whose losses count .3 each in training; else they are not
            built. Nothing but training uses them.
        stem: ``small`` is none of the paper's: a 3 x 3 convolution at stride 1 without pooling, for small images.
    """
    within("googlenet", size, 8)
    small, _ = small_stem("googlenet", stem)
    module = GoogLeNet(classes, channels, size, width=width, auxiliary=auxiliary, small=small)
    return Blueprint(module, any_size=not auxiliary, least_size=8)
