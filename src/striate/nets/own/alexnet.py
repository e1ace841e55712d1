"""AlexNet, and ZFNet after it."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint
from .building import chosen, least_side, map_size, scaled, small_stem, start_normal


def local_response() -> nn.LocalResponseNorm:
    """Each value over (2 + 1e-4 * the sum of squares in the five channels around it) ** 0.75.

    Source: Krizhevsky et al. 2012, section 3.3: k 2, n 5, alpha 1e-4, beta .75. torch divides alpha by n, so it is
    given n times as much.
    """
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def alexnet(
    classes: int, channels: int, size: Pair, *, width: float = 1.0, groups: int = 1, stem: str = "paper"
) -> Blueprint:
    """Five convolutions and three linear layers: 62,378,344 weights for 1000 classes at 227 px.

    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.5; 227 px, not the 224 of the text, of which 11 x 11 windows
    at stride 4 make the 55 of its figure 2. Ours is one tower; the paper's two towers on two devices, between which
    only the third convolution and the linear layers look, are ``groups=2``: 60,965,224 weights. Weights start as in
    He et al. 2015 (the paper: deviation 0.01 and some biases 1, for pixels up to 255).

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; the first linear layer follows it.
        width: Factor on all channels and hidden units.
        groups: 2 splits the second, fourth and fifth convolution as the paper does.
        stem: ``small`` is none of the paper's: a 3 x 3 convolution at stride 1 without pooling, for images below 67 px.
    """
    groups = int(chosen("alexnet", "groups", str(groups), ("1", "2")))
    c1, c2, c3, c4, c5 = (scaled(each, width, step=groups) for each in (96, 256, 384, 384, 256))
    small, hint = small_stem("alexnet", stem)
    first = nn.Conv2d(channels, c1, 3, 1, 1) if small else nn.Conv2d(channels, c1, 11, 4)
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv1=first, relu1=nn.ReLU(), norm1=local_response())
    if not small:
        layers["pool1"] = nn.MaxPool2d(3, 2)
    layers["conv2"] = nn.Conv2d(c1, c2, 5, 1, 2, groups=groups)
    layers["relu2"], layers["norm2"], layers["pool2"] = nn.ReLU(), local_response(), nn.MaxPool2d(3, 2)
    _last_three(layers, (c2, c3, c4, c5), groups=groups)
    tall, broad = map_size("alexnet", size, layers.values(), hint=hint)
    return _with_head(layers, classes, inputs=c5 * tall * broad, width=width)


def zfnet(classes: int, channels: int, size: Pair, *, width: float = 1.0, stem: str = "paper") -> Blueprint:
    """AlexNet with 7 x 7 windows at stride 2 first and stride 2 in the second layer: 62,357,608 weights at 224 px.

    Source: Zeiler & Fergus 2014, section 3.1 and figure 3: maps of 110, 55, 26, 13, 13, 13, 13, 6 px. The paper says
    no paddings; these give those maps: 1 in the first convolution and pool, none in the second convolution, and pools
    that round up. Contrast is normalised across maps after pooling, with AlexNet's numbers, as the paper names none.
    Weights start as in He et al. 2015.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; the first linear layer follows it.
        width: Factor on all channels and hidden units.
        stem: ``small`` is none of the paper's: a 3 x 3 convolution at stride 1 without pooling, for small images.
    """
    c1, c2, c3, c4, c5 = (scaled(each, width) for each in (96, 256, 384, 384, 256))
    small, hint = small_stem("zfnet", stem)
    first = nn.Conv2d(channels, c1, 3, 1, 1) if small else nn.Conv2d(channels, c1, 7, 2, 1)
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv1=first, relu1=nn.ReLU())
    if not small:
        layers["pool1"] = nn.MaxPool2d(3, 2, 1)
    layers["norm1"] = local_response()
    layers["conv2"], layers["relu2"] = nn.Conv2d(c1, c2, 5, 2), nn.ReLU()
    layers["pool2"], layers["norm2"] = nn.MaxPool2d(3, 2, ceil_mode=True), local_response()
    _last_three(layers, (c2, c3, c4, c5), groups=1)
    tall, broad = map_size("zfnet", size, layers.values(), hint=hint)
    return _with_head(layers, classes, inputs=c5 * tall * broad, width=width)


def _last_three(layers: OrderedDict[str, nn.Module], widths: tuple[int, int, int, int], *, groups: int) -> None:
    c2, c3, c4, c5 = widths
    layers["conv3"], layers["relu3"] = nn.Conv2d(c2, c3, 3, 1, 1), nn.ReLU()
    layers["conv4"], layers["relu4"] = nn.Conv2d(c3, c4, 3, 1, 1, groups=groups), nn.ReLU()
    layers["conv5"], layers["relu5"] = nn.Conv2d(c4, c5, 3, 1, 1, groups=groups), nn.ReLU()
    layers["pool5"] = nn.MaxPool2d(3, 2)


def _with_head(layers: OrderedDict[str, nn.Module], classes: int, *, inputs: int, width: float) -> Blueprint:
    least = least_side(layers.values())
    hidden = scaled(4096, width)
    layers["flatten"] = nn.Flatten()
    layers["drop6"], layers["linear6"] = nn.Dropout(0.5), nn.Linear(inputs, hidden)
    layers["relu6"], layers["drop7"] = nn.ReLU(), nn.Dropout(0.5)
    layers["linear7"], layers["relu7"] = nn.Linear(hidden, hidden), nn.ReLU()
    layers["linear8"] = nn.Linear(hidden, classes)
    module = nn.Sequential(layers)
    start_normal(module)
    return Blueprint(module, least_size=least)
