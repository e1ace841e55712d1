"""Architectures that are a chain of layers: LeNet-5, AlexNet, ZFNet, VGG, counted layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from striate.nets.load import load_net

from .claims import SAME, Computed, claim
from .layers import Layer, count, on_meta, parameters

Step = tuple[str, *tuple[int, ...]]

ALEXNET: tuple[Step, ...] = (  # conv: channels, kernel, stride, padding; pool: kernel, stride, padding
    ("conv", 96, 11, 4, 0),
    ("pool", 3, 2, 0),
    ("conv", 256, 5, 1, 2),
    ("pool", 3, 2, 0),
    ("conv", 384, 3, 1, 1),
    ("conv", 384, 3, 1, 1),
    ("conv", 256, 3, 1, 1),
    ("pool", 3, 2, 0),
    ("fc", 4096),
    ("fc", 4096),
    ("fc", 1000),
)
GROUPED = (2, 4, 5)  # convolutions that the paper splits over two graphics cards


def chain(steps: Sequence[Step], shape: tuple[int, int, int], groups: Sequence[int] = ()) -> list[Layer]:
    """The layers with parameters of a chain, counted on an input of ``shape``; ``groups`` names split convolutions."""

    def build() -> nn.Module:
        layers: list[nn.Module] = []
        channels, rows, columns = shape
        convolutions, flat = 0, 0
        for step in steps:
            kind, sizes = step[0], step[1:]
            if kind == "fc":
                if not flat:
                    layers.append(nn.Flatten())
                    flat = channels * rows * columns
                layers.append(nn.Linear(flat, sizes[0]))
                flat = sizes[0]
                continue
            kernel, stride, padding = sizes[-3:]
            if kind == "conv":
                convolutions += 1
                split = 2 if convolutions in groups else 1
                layers.append(nn.Conv2d(channels, sizes[0], kernel, stride, padding, groups=split))
                channels = sizes[0]
            else:
                layers.append(nn.MaxPool2d(kernel, stride, padding))
            rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in (rows, columns))
        return nn.Sequential(*layers)

    return [layer for layer in count(on_meta(build), shape) if layer.parameters]


def _total(layers: Sequence[Layer]) -> int:
    return sum(layer.parameters for layer in layers)


def lenet5_params() -> Computed:
    """LeNet-5 as published: pools that learn, and a third layer that sees only some of the maps."""
    sizes = [32]
    for kernel, stride in ((5, 1), (2, 2), (5, 1), (2, 2)):
        sizes.append((sizes[-1] - kernel) // stride + 1)
    c3_inputs = [3] * 6 + [4] * 9 + [6]
    weights = {
        "C1": parameters(nn.Conv2d(1, 6, 5)),
        "S2": 2 * 6,  # one factor and one bias a map
        "C3": sum(parameters(nn.Conv2d(inputs, 1, 5)) for inputs in c3_inputs),
        "S4": 2 * 16,
        "C5": parameters(nn.Conv2d(16, 120, 5)),
        "F6": parameters(nn.Linear(120, 84)),
    }
    places = {"C1": sizes[1] ** 2, "S2": 6 * sizes[2] ** 2 * 5, "C3": sizes[3] ** 2, "S4": 16 * sizes[4] ** 2 * 5}
    links = sum(count if name.startswith("S") else count * weights[name] for name, count in places.items())
    links += weights["C5"] + weights["F6"] + 84 * 10
    plain = load_net("striate/lenet5", classes=10, channels=1, weights=False)
    return Computed(
        (
            claim("pixels of C1, S2, C3, S4", sizes[1:], [28, 14, 10, 5], says=SAME),
            claim(", ".join(weights), list(weights.values()), [156, 12, 1516, 32, 48_120, 10_164]),
            claim("parameters", sum(weights.values()), 60_000),
            claim("connections", links, 340_908),
            claim("parameters with a full C3, plain pools and a linear end", parameters(plain.module), 61_706),
        )
    )


def alexnet_table() -> Computed:
    """AlexNet's parameters layer by layer."""
    layers = chain(ALEXNET, (3, 227, 227))
    right = [34_944, 614_656, 885_120, 1_327_488, 884_992, 37_752_832, 16_781_312, 4_097_000]
    grouped = chain(ALEXNET, (3, 227, 227), GROUPED)
    note = "the paper splits conv2, 4, 5 in two groups; torchvision's AlexNet is another net"
    return Computed(
        (
            claim("parameters by layer", [layer.parameters for layer in layers], right, says=SAME),
            claim("parameters in all", _total(layers), 62_378_344, says=SAME),
            claim("multiply-adds", sum(layer.macs for layer in layers), 1_135_256_096),
            claim("parameters with the paper's groups", _total(grouped), 60_965_224, note=note),
        )
    )


def alexnet_input() -> Computed:
    """The paper's 224 pixels do not fit its first layer; 227 do."""
    first = chain(ALEXNET[:1], (3, 227, 227))[0]
    sides = [(pixels - 11) / 4 + 1 for pixels in (227, 224)]
    note = "the paper's figure says 224, for which 11x11 windows at stride 4 fit 54.25 times"
    return Computed(
        (
            claim("windows across 227 and 224 pixels", sides, [55, 54.25], note=note),
            claim("side of the first map by torch", first.shape[1], 55, says=SAME),
            claim("weights and biases of conv1", [first.parameters - 96, 96], [34_848, 96], says="35K"),
        )
    )


def alexnet_neurons() -> Computed:
    """The paper's count of neurons in its first layer is not that of its sizes."""
    layers = chain(ALEXNET, (3, 227, 227))
    neurons = [int(torch.Size(layer.shape).numel()) for layer in layers]
    note = "the lecture prints the paper's 253,440 for 55x55x96 = 290,400"
    return Computed(
        (
            claim("neurons of the first layer", neurons[0], 290_400, says=253_440, note=note),
            claim("neurons in all", sum(neurons), 659_272, says=650_000),
            claim("the paper's own list in all", 253_440 + sum(neurons[1:]), 622_312),
        )
    )


def alexnet_drop() -> Computed:
    """How many parameters go with the layers that Zeiler and Fergus removed."""

    def without(*places: int, groups: Sequence[int] = ()) -> list[Layer]:
        kept = [step for place, step in enumerate(ALEXNET) if place not in places]
        return chain(kept, (3, 227, 227), groups)

    fc6, fc7, conv3, conv4 = 8, 9, 4, 5
    whole = _total(chain(ALEXNET, (3, 227, 227)))
    gone = [
        whole - _total(without(*places)) for places in ((fc7,), (fc6, fc7), (conv3, conv4), (conv3, conv4, fc6, fc7))
    ]
    split = _total(chain(ALEXNET, (3, 227, 227), GROUPED)) - _total(without(conv3, conv4, groups=(2, 3)))
    note = "the lecture says about 1 million; 2.5 million, or 1.7 with the paper's groups"
    return Computed(
        (
            claim("fc7", gone[0], 16_781_312, says="16M"),
            claim("fc6 and fc7", gone[1], 49_414_144, says="50M"),
            claim("conv3 and conv4", gone[2], 2_507_520, says="1M", note=note),
            claim("conv3 and conv4 with groups", split, 1_696_512),
            claim("all four", gone[3], 51_921_664),
        )
    )


def lrn() -> Computed:
    """AlexNet's response normalisation: each channel divided by a power of its neighbours' squares."""
    k, n, alpha, beta = 2.0, 5, 1e-4, 0.75
    a = torch.arange(1, 8, dtype=torch.float64)
    near = [(a[max(0, i - n // 2) : i + n // 2 + 1] ** 2).sum() for i in range(len(a))]
    ours = a / (k + alpha * torch.stack(near)) ** beta
    layer = nn.LocalResponseNorm(n, alpha=n * alpha, beta=beta, k=k)
    note = "torch divides alpha by n, so the paper's 1e-4 is its 5e-4"
    return Computed(
        (
            claim("channels 1, 2, 3 of 1..7", ours[:3], [0.594292, 1.187871, 1.780140]),
            claim(
                "largest difference from torch's",
                (layer(a.view(1, 7, 1, 1)).flatten() - ours).abs().max(),
                0.0,
                note=note,
            ),
        )
    )


def zfnet_params() -> Computed:
    """ZFNet: AlexNet with smaller and denser first windows."""

    def net(third: int, fourth: int, fifth: int) -> list[Step]:
        head: list[Step] = [("conv", 96, 7, 2, 1), ("pool", 3, 2, 1), ("conv", 256, 5, 2, 0), ("pool", 3, 2, 1)]
        body: list[Step] = [("conv", width, 3, 1, 1) for width in (third, fourth, fifth)]
        return [*head, *body, *ALEXNET[7:]]

    base, wide = (chain(net(*widths), (3, 224, 224)) for widths in ((384, 384, 256), (512, 1024, 512)))
    note = "512, 1024, 512 is a wider variant in Zeiler & Fergus 2014, table 3, not the net itself"
    return Computed(
        (
            claim("side of the first and the last map", [base[0].shape[1], base[4].shape[1]], [110, 13]),
            claim("parameters", _total(base), 62_357_608, note=note),
            claim("parameters of the variant", _total(wide), 107_627_624),
        )
    )


VGG = {  # convolutions by stage; a 1 stands for a 1x1 window
    "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "E": ((3, 3), (3, 3), (3,) * 4, (3,) * 4, (3,) * 4),
}


def vgg(name: str, classes: int = 1000) -> list[Layer]:
    """A VGG net, A to E, on 224 pixels: layers with their shapes and parameters."""
    steps: list[Step] = []
    for width, kernels in zip((64, 128, 256, 512, 512), VGG[name], strict=True):
        steps += [("conv", width, kernel, 1, kernel // 2) for kernel in kernels]
        steps.append(("pool", 2, 2, 0))
    return chain([*steps, ("fc", 4096), ("fc", 4096), ("fc", classes)], (3, 224, 224))


def vgg_table() -> Computed:
    """Parameters of the five VGG nets."""
    found = [_total(vgg(name)) for name in VGG]
    right = [132_863_336, 133_047_848, 133_638_952, 138_357_544, 143_667_240]
    return Computed(
        (
            claim("A, B, C, D, E", found, right, says="133M, 133M, 134M, 138M, 144M"),
            claim("D with two classes", _total(vgg("D", classes=2)), 134_268_738, says=SAME),
        )
    )
