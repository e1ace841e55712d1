"""LeNet-5 as it is built now; `lenet_historic` has the networks as they were published."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint, within


def lenet5(classes: int, channels: int, size: Pair) -> Blueprint:
    """LeNet-5 as it is built now: 61,706 weights for ten classes of grey 32 x 32 images.

    Images under 32 px are padded by 2 on each side in the first layer, as the paper pads MNIST from 28 to 32.

    Source: LeCun, Bottou, Bengio & Haffner 1998, section II.B. Ours has full connections in the second convolution
    (the paper's table I leaves some out), max pooling without weights, ReLU and a linear output, where the paper has
    trained subsampling, scaled tanh and radial basis functions: that one is ``striate/lenet5_1998``.
    """
    within("lenet5", size, 12)
    padding = 2 if min(size) < 32 else 0
    tall, broad = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in size)
    layers = OrderedDict(
        conv1=nn.Conv2d(channels, 6, 5, padding=padding),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        linear1=nn.Linear(16 * tall * broad, 120),
        relu3=nn.ReLU(),
        linear2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        linear3=nn.Linear(84, classes),
    )
    return Blueprint(nn.Sequential(layers), least_size=12)
