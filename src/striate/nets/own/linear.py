"""Networks without convolutions: softmax regression and a multi-layer perceptron."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from striate.nets.site import Pair

from .blueprint import Blueprint


def linear(classes: int, channels: int, size: Pair) -> Blueprint:
    """One linear layer on the pixels; row k of its weight is the template of class k.

    Source: Cox 1958, "The regression analysis of binary sequences", for several classes.
    """
    layers = OrderedDict(flatten=nn.Flatten(), linear=nn.Linear(channels * math.prod(size), classes))
    return Blueprint(nn.Sequential(layers))


def mlp(classes: int, channels: int, size: Pair) -> Blueprint:
    """Two hidden layers of 256 and 128 units with ReLU.

    Source: Rumelhart, Hinton & Williams 1986; they used logistic units, we rectified ones (Nair & Hinton 2010).
    """
    layers = OrderedDict(
        flatten=nn.Flatten(),
        hidden1=nn.Linear(channels * math.prod(size), 256),
        relu1=nn.ReLU(),
        hidden2=nn.Linear(256, 128),
        relu2=nn.ReLU(),
        linear=nn.Linear(128, classes),
    )
    return Blueprint(nn.Sequential(layers))
