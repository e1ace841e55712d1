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
        "lenet5_1998": Entry(
            f"{_HERE}.lenet_historic:lenet5_1998",
            "LeNet-5 as published: table of connections, trained sub-sampling, fixed codes: 60,000 weights at 32 px",
            ("lecun1998gradient",),
        ),
        "lenet1": Entry(
            f"{_HERE}.lenet_historic:lenet1",
            "LeNet-1: 4 and 12 maps, a table of connections, 2,578 weights at 28 px",
            ("lecun1990handwritten",),
        ),
        "alexnet": Entry(
            f"{_HERE}.alexnet:alexnet",
            "AlexNet as published, in one tower or (groups=2) two: 62,378,344 weights at 227 px",
            ("krizhevsky2012imagenet",),
        ),
        "zfnet": Entry(
            f"{_HERE}.alexnet:zfnet", "AlexNet with smaller windows and strides first", ("zeiler2014visualizing",)
        ),
        **{
            f"vgg_{column}": Entry(
                f"{_HERE}.vgg:vgg_{column}",
                f"{layers} layers of 3 x 3 convolutions{and_more}: column {column.upper()} of the paper",
                ("simonyan2015very",),
            )
            for column, layers, and_more in (
                ("a", 11, ""),
                ("b", 13, ""),
                ("c", 16, " and three of 1 x 1"),
                ("d", 16, ""),
                ("e", 19, ""),
            )
        },
        "nin": Entry(f"{_HERE}.nin:nin", "Network in Network for ImageNet, no linear layer", ("lin2014network",)),
        "nin_cifar": Entry(
            f"{_HERE}.nin:nin_cifar", "Network in Network for CIFAR: 966,986 weights", ("lin2014network",)
        ),
        "allconv": Entry(
            f"{_HERE}.nin:allconv",
            "All-CNN-C: strided convolutions in the place of pools, for CIFAR",
            ("springenberg2015striving",),
        ),
        "googlenet": Entry(
            f"{_HERE}.googlenet:googlenet",
            "GoogLeNet as published: 5 x 5 windows, no batch normalisation; auxiliary=yes adds its two heads",
            ("szegedy2015going",),
        ),
        "mobilenet1": Entry(
            f"{_HERE}.mobilenet:mobilenet1",
            "MobileNet of 2017: depthwise and 1 x 1 convolutions; width is its alpha",
            ("howard2017mobilenets",),
        ),
        "neocognitron": Entry(
            f"{_HERE}.neocognitron:neocognitron",
            "neocognitron: S-cells that learn without labels, C-cells that allow for shifts, a linear layer at the end",
            ("fukushima1980neocognitron",),
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
