"""The networks of the Visual Geometry Group."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint
from .building import least_side, map_size, scaled, small_stem, start_normal

_CHANNELS = (64, 128, 256, 512, 512)
_KERNELS = {  # sides of the windows of each stage: table 1
    "a": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "b": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "c": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "d": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "e": ((3, 3), (3, 3), (3,) * 4, (3,) * 4, (3,) * 4),
}


def vgg(classes: int, channels: int, size: Pair, *, column: str, width: float = 1.0, stem: str = "paper") -> Blueprint:
    """Stages of 3 x 3 convolutions, each followed by 2 x 2 max pooling, and three linear layers.

    Source: Simonyan & Zisserman 2015, table 1, columns A to E (11, 13, 16, 16 and 19 layers; C has a 1 x 1 convolution
    at the end of the last three stages): 132,863,336, 133,047,848, 133,638,952, 138,357,544 and 143,667,240 weights
    for 1000 classes at 224 px. Weights start as in He et al. 2015; in the paper A starts from deviation 0.01 and the
    deeper ones from A, as they did not learn from scratch.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image; the first linear layer follows it.
        column: Of table 1, in small letters.
        width: Factor on all channels and hidden units.
        stem: ``small`` is none of the paper's: no pooling after the first stage, for images of 16 to 31 px.
    """
    name = f"vgg_{column}"
    small, hint = small_stem(name, stem)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = channels
    for stage, (count, kernels) in enumerate(zip(_CHANNELS, _KERNELS[column], strict=True), start=1):
        for place, kernel in enumerate(kernels, start=1):
            layers[f"conv{stage}_{place}"] = nn.Conv2d(inputs, scaled(count, width), kernel, padding=kernel // 2)
            layers[f"relu{stage}_{place}"] = nn.ReLU()
            inputs = scaled(count, width)
        if stage > 1 or not small:
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
    tall, broad = map_size(name, size, layers.values(), hint=hint)
    least = least_side(layers.values())
    hidden = scaled(4096, width)
    layers["flatten"] = nn.Flatten()
    layers["linear6"], layers["relu6"] = nn.Linear(inputs * tall * broad, hidden), nn.ReLU()
    layers["drop6"] = nn.Dropout(0.5)
    layers["linear7"], layers["relu7"] = nn.Linear(hidden, hidden), nn.ReLU()
    layers["drop7"] = nn.Dropout(0.5)
    layers["linear8"] = nn.Linear(hidden, classes)
    module = nn.Sequential(layers)
    start_normal(module)
    return Blueprint(module, least_size=least)


vgg_a, vgg_b, vgg_c, vgg_d, vgg_e = (partial(vgg, column=column) for column in "abcde")
