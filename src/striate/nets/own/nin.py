"""Networks without linear layers: Network in Network, and the all-convolutional network."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint
from .building import least_side, map_size, scaled, small_stem, start_normal


def nin(classes: int, channels: int, size: Pair, *, width: float = 1.0, stem: str = "paper") -> Blueprint:
    """Network in Network for ImageNet: 7,595,176 weights for 1000 classes at 224 px.

    Source: Lin, Chen & Yan 2014, section 3: behind every convolution two of 1 x 1, and the mean of one map for each
    class at the end. The paper has nets for CIFAR, SVHN and MNIST only; the one for ImageNet is what its authors
    published afterwards (the model zoo of Caffe), with AlexNet's first windows. The maps of the classes have no
    rectifier here: their means are logits, which may be negative. Weights start as in He et al. 2015.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; any that leaves a map.
        width: Factor on all channels but those of the classes.
        stem: ``small`` is none of the paper's: a 3 x 3 convolution at stride 1 without pooling, for small images.
    """
    c1, c2, c3, c4 = (scaled(each, width) for each in (96, 256, 384, 1024))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    small, hint = small_stem("nin", stem)
    first = nn.Conv2d(channels, c1, 3, 1, 1) if small else nn.Conv2d(channels, c1, 11, 4)
    _mlpconv(layers, 1, first, (c1, c1))
    if not small:
        layers["pool1"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    _mlpconv(layers, 2, nn.Conv2d(c1, c2, 5, 1, 2), (c2, c2))
    layers["pool2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    _mlpconv(layers, 3, nn.Conv2d(c2, c3, 3, 1, 1), (c3, c3))
    layers["pool3"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    layers["drop3"] = nn.Dropout(0.5)
    _mlpconv(layers, 4, nn.Conv2d(c3, c4, 3, 1, 1), (c4, classes))
    return _averaged("nin", layers, size, hint=hint)


def nin_cifar(classes: int, channels: int, size: Pair, *, width: float = 1.0) -> Blueprint:
    """Network in Network for CIFAR-10: 966,986 weights for ten classes of colour images at 32 px.

    Source: Lin, Chen & Yan 2014, section 4.2, with the widths that its authors published: 192, 160, 96 and twice 192
    three times, the second pool one of means. No rectifier on the maps of the classes. Weights start as in He et al.
    2015.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; any that leaves a map.
        width: Factor on all channels but those of the classes.
    """
    wide, middle, narrow = (scaled(each, width) for each in (192, 160, 96))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    _mlpconv(layers, 1, nn.Conv2d(channels, wide, 5, 1, 2), (middle, narrow))
    layers["pool1"], layers["drop1"] = nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(0.5)
    _mlpconv(layers, 2, nn.Conv2d(narrow, wide, 5, 1, 2), (wide, wide))
    layers["pool2"], layers["drop2"] = nn.AvgPool2d(3, 2, ceil_mode=True), nn.Dropout(0.5)
    _mlpconv(layers, 3, nn.Conv2d(wide, wide, 3, 1, 1), (wide, classes))
    return _averaged("nin_cifar", layers, size)


def allconv(classes: int, channels: int, size: Pair, *, width: float = 1.0) -> Blueprint:
    """All-CNN-C, convolutions alone: 1,369,738 weights for ten classes of colour images at 32 px.

    Source: Springenberg, Dosovitskiy, Brox & Riedmiller 2015, tables 1 and 2 and section 3.1: 3 x 3 convolutions of
    stride 2 in the place of pools; dropout of .2 on the image and .5 behind them. The seventh convolution has no
    padding, so that the mean is over 6 x 6 as the table says. No rectifier on the maps of the classes, where the paper
    has one. Weights start as in He et al. 2015.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; any that leaves a map.
        width: Factor on all channels but those of the classes.
    """
    one, two = scaled(96, width), scaled(192, width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(drop0=nn.Dropout(0.2))
    plan = (  # channels, side of the window, stride, padding, dropout behind
        (one, 3, 1, 1, False),
        (one, 3, 1, 1, False),
        (one, 3, 2, 1, True),
        (two, 3, 1, 1, False),
        (two, 3, 1, 1, False),
        (two, 3, 2, 1, True),
        (two, 3, 1, 0, False),
        (two, 1, 1, 0, False),
        (classes, 1, 1, 0, False),
    )
    inputs = channels
    for place, (count, kernel, stride, padding, dropped) in enumerate(plan, start=1):
        layers[f"conv{place}"] = nn.Conv2d(inputs, count, kernel, stride, padding)
        layers[f"relu{place}"] = nn.ReLU()
        if dropped:
            layers[f"drop{place}"] = nn.Dropout(0.5)
        inputs = count
    return _averaged("allconv", layers, size)


def _mlpconv(layers: OrderedDict[str, nn.Module], stage: int, first: nn.Conv2d, then: tuple[int, int]) -> None:
    """A convolution and two of 1 x 1, each with its rectifier: a small perceptron that slides over the map."""
    inputs = first.out_channels
    layers[f"conv{stage}"], layers[f"relu{stage}"] = first, nn.ReLU()
    for place, count in enumerate(then, start=1):
        layers[f"conv{stage}_{place}"], layers[f"relu{stage}_{place}"] = nn.Conv2d(inputs, count, 1), nn.ReLU()
        inputs = count


def _averaged(name: str, layers: OrderedDict[str, nn.Module], size: Pair, *, hint: str = "") -> Blueprint:
    """The layers and the mean of each class's map; the last rectifier goes, as logits may be negative."""
    layers.popitem()
    least = least_side(layers.values())
    map_size(name, size, layers.values(), hint=hint)
    layers["pool"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    module = nn.Sequential(layers)
    start_normal(module)
    return Blueprint(module, any_size=True, least_size=least)
