"""Networks of our own: one family to a file, built by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .blueprint import Blueprint

_HERE = "striate.nets.own"
OWN: Registry[Callable[..., Blueprint]] = Registry(
    "network of striate",
    {
        "small": Entry(f"{_HERE}.small:small", "compact CNN for images of 8 to 96 px, the default; trains in a minute"),
        "linear": Entry(f"{_HERE}.linear:linear", "one linear layer on the pixels: softmax regression"),
        "mlp": Entry(
            f"{_HERE}.linear:mlp", "two hidden layers of 256 and 128 rectified units", ("rumelhart1986learning",)
        ),
        "lenet5": Entry(
            f"{_HERE}.lenet:lenet5", "LeNet-5 as it is built now: 61,706 weights at 32 px", ("lecun1998gradient",)
        ),
        "hog": Entry(
            f"{_HERE}.hog:hog",
            "histograms of oriented gradients, fixed, and a linear layer: the head of a support vector machine",
            ("dalal2005histograms",),
        ),
        "vit_tiny": Entry(
            f"{_HERE}.vit:vit_tiny",
            "vision transformer for images of 8 to 96 px: class token, learnt positions, four blocks",
            ("dosovitskiy2021image",),
        ),
        "cell": Entry(
            f"{_HERE}.cell:cell", "a cell of four nodes, repeated, its six edges chosen by a code", ("dong2020bench",)
        ),
        "stages": Entry(f"{_HERE}.cell:stages", "plain stages, the depth, width and kernel of each chosen"),
        **{
            f"resnet{depth}": Entry(
                f"{_HERE}.resnet:resnet{depth}",
                f"residual network of {depth} layers for CIFAR, shortcuts without weights (option A)",
                ("he2016deep",),
            )
            for depth in (8, 20, 32, 44, 56, 110)
        },
        **{
            f"plain{depth}": Entry(
                f"{_HERE}.resnet:plain{depth}",
                f"plain network of {depth} layers for CIFAR: the residual one without its shortcuts",
                ("he2016deep",),
            )
            for depth in (8, 20, 32, 44, 56)
        },
    },
    hint="striate models lists all",
)
