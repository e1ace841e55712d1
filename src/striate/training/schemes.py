"""Schemes of starting weights by name, none of them loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from torch import nn

_HERE = "striate.training.init"
NEED_IMAGES = frozenset({"lsuv"})  # schemes that look at images of the training split

INITS: Registry[Callable[[nn.Module], None]] = Registry(
    "scheme of starting weights",
    {
        "built": Entry(f"{_HERE}:built", "as the net's layers draw them by themselves"),
        "zeros": Entry(f"{_HERE}:zeros", "all weights 0: units stay alike, nothing is learnt below the last layer"),
        "constant": Entry(f"{_HERE}:constant", "every weight 1 / fan-in: units of a layer stay alike"),
        "normal_01": Entry(
            f"{_HERE}:normal_01", "normal, deviation .01 whatever the layer", ("krizhevsky2012imagenet",)
        ),
        "sparse": Entry(
            f"{_HERE}:sparse", "15 connections a unit, standard normal, the others 0", ("martens2010deep",)
        ),
        "xavier_normal": Entry(
            f"{_HERE}:xavier_normal", "normal, variance 2 / (fan-in + fan-out): tanh", ("glorot2010understanding",)
        ),
        "xavier_uniform": Entry(
            f"{_HERE}:xavier_uniform", "uniform, the same variance: tanh", ("glorot2010understanding",)
        ),
        "he_normal": Entry(f"{_HERE}:he_normal", "normal, variance 2 / fan-in: rectifiers", ("he2015delving",)),
        "he_uniform": Entry(f"{_HERE}:he_uniform", "uniform, the same variance: rectifiers", ("he2015delving",)),
        "orthogonal": Entry(
            f"{_HERE}:orthogonal", "rows (or columns) orthonormal: linear nets, tanh", ("saxe2014exact",)
        ),
        "delta_orthogonal": Entry(
            f"{_HERE}:delta_orthogonal", "orthonormal at the kernel's centre, 0 around it", ("xiao2018dynamical",)
        ),
        "lsuv": Entry(
            f"{_HERE}:orthogonal",
            "orthonormal, then each layer scaled to outputs of variance 1 on training images",
            ("mishkin2016all", "saxe2014exact"),
        ),
    },
)
