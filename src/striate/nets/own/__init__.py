"""Networks of our own: one family to a file, built by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .blueprint import Blueprint

_HERE = "striate.nets.own"


def _family(module: str, cites: tuple[str, ...], **summaries: str) -> dict[str, Entry]:
    return {name: Entry(f"{_HERE}.{module}:{name}", summary, cites) for name, summary in summaries.items()}


_RESIDUAL = {
    **_family(
        "preact",
        ("he2016identity",),
        **{
            f"preact_resnet{depth}": f"residual network of {depth} layers for CIFAR, activations before convolutions"
            for depth in (20, 32, 44, 56, 110, 164, 1001)
        },
    ),
    **_family(
        "preact",
        ("zagoruyko2016wide",),
        **{
            f"wrn{depth}_{widen}": f"wide residual network for CIFAR: {depth} layers, {widen} times as wide"
            for depth, widen in ((40, 1), (40, 4), (16, 8), (28, 10))
        },
    ),
    **_family(
        "residual", ("xie2017aggregated",), resnext29_8x64d="ResNeXt of 29 layers for CIFAR: blocks of 8 parallel paths"
    ),
    **_family(
        "densenet",
        ("huang2017densely",),
        densenet40_12="densely connected network for CIFAR: 40 layers, growth 12",
        densenet100_12="densely connected network for CIFAR: 100 layers, growth 12",
        densenet_bc100_12="the same with bottlenecks and halved channels: 100 layers, growth 12",
        densenet_bc190_40="the same with bottlenecks and halved channels: 190 layers, growth 40",
    ),
    **_family(
        "residual",
        ("he2016deep",),
        plain18="plain network of 18 layers for ImageNet: the residual one without its shortcuts",
        plain34="plain network of 34 layers for ImageNet: the residual one without its shortcuts",
    ),
    **_family(
        "residual",
        ("hu2018squeeze",),
        se_resnet18="residual network of 18 layers for ImageNet that weighs channels (squeeze and excitation)",
        se_resnet50="residual network of 50 layers for ImageNet that weighs channels (squeeze and excitation)",
    ),
    **_family(
        "residual",
        ("woo2018cbam",),
        cbam_resnet18="residual network of 18 layers for ImageNet that weighs channels and places; order=...",
        cbam_resnet50="residual network of 50 layers for ImageNet that weighs channels and places; order=...",
    ),
    **_family("resnet", ("hu2018squeeze",), se_resnet20="residual network of 20 layers for CIFAR that weighs channels"),
    **_family(
        "resnet",
        ("woo2018cbam",),
        cbam_resnet20="residual network of 20 layers for CIFAR that weighs channels and places; order=...",
    ),
    **_family(
        "efficientnet",
        ("tan2019efficientnet",),
        **{f"efficientnet_b{number}": f"EfficientNet-B{number}, scaled from B0 as published" for number in range(8)},
    ),
}
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
        **_RESIDUAL,
    },
    hint="striate models lists all",
)
