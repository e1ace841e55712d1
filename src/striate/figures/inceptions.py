"""GoogLeNet: the cost of its modules, and the paper's table counted again."""

from __future__ import annotations

from torch import nn

from .claims import SAME, Computed, claim, holds
from .layers import count, on_meta

TABLE = {  # input channels; 1x1, reduce 3x3, 3x3, reduce 5x5, 5x5, after the pool; side of the map
    "3a": (192, (64, 96, 128, 16, 32, 32), 28),
    "3b": (256, (128, 128, 192, 32, 96, 64), 28),
    "4a": (480, (192, 96, 208, 16, 48, 64), 14),
    "4b": (512, (160, 112, 224, 24, 64, 64), 14),
    "4c": (512, (128, 128, 256, 24, 64, 64), 14),
    "4d": (512, (112, 144, 288, 32, 64, 64), 14),
    "4e": (528, (256, 160, 320, 32, 128, 128), 14),
    "5a": (832, (256, 160, 320, 32, 128, 128), 7),
    "5b": (832, (384, 192, 384, 48, 128, 128), 7),
}
SLIDE_WEIGHTS = (2.7, 112, 159, 380, 364, 437, 463, 580, 840, 1072, 1388, 1000)  # thousands, from conv1 to the end
SLIDE_WORK = (34, 360, 128, 304, 73, 88, 100, 119, 170, 54, 71, 1)  # million multiply-adds


def _cost(steps: list[tuple[int, int, int]], side: int) -> tuple[int, int]:
    """Weights (without biases) and multiply-adds of convolutions (inputs, outputs, kernel) on a map of ``side``."""
    weights = work = 0
    for inputs, outputs, kernel in steps:
        conv = on_meta(lambda i=inputs, o=outputs, k=kernel: nn.Conv2d(i, o, k, padding=k // 2, bias=False))  # type: ignore[misc]
        (layer,) = count(conv, (inputs, side, side))
        weights, work = weights + layer.parameters, work + layer.macs
    return weights, work


def _module(inputs: int, widths: tuple[int, int, int, int, int, int]) -> list[tuple[int, int, int]]:
    one, reduce3, three, reduce5, five, after = widths
    return [
        (inputs, one, 1),
        (inputs, reduce3, 1),
        (reduce3, three, 3),
        (inputs, reduce5, 1),
        (reduce5, five, 5),
        (inputs, after, 1),
    ]


def inception_naive() -> Computed:
    """An Inception module without reductions: the pool passes all its channels on, and depth only grows."""
    widths = {1: 128, 3: 192, 5: 96}
    _, work = _cost([(256, outputs, kernel) for kernel, outputs in widths.items()], 28)
    depth = sum(widths.values()) + 256
    return Computed(
        (
            claim("values of the output", 28 * 28 * depth, 526_848, says=SAME),
            claim("multiply-adds", work, 854_196_224, says=SAME),
        )
    )


def inception_module() -> Computed:
    """The same module with 1x1 reductions to 64 channels."""
    _, naive = _cost([(256, 128, 1), (256, 192, 3), (256, 96, 5)], 28)
    widths = (128, 64, 192, 64, 96, 64)
    _, work = _cost(_module(256, widths), 28)
    return Computed(
        (
            claim("multiply-adds", work, 271_351_808),
            claim("times fewer than without", naive / work, 3.15, tolerance=0.005),
            claim("depth of the output", widths[0] + widths[2] + widths[4] + widths[5], 480),
        )
    )


def googlenet_table() -> Computed:
    """GoogLeNet's table of weights and work, counted from its own widths."""
    rows = {
        "conv1": _stem(),
        "conv2": _cost([(64, 64, 1), (64, 192, 3)], 56),
        **{name: _cost(_module(inputs, widths), side) for name, (inputs, widths, side) in TABLE.items()},
        "linear": _cost([(1024, 1000, 1)], 1),
    }
    weights, work = [row[0] for row in rows.values()], [row[1] for row in rows.values()]
    outputs = 64 + 64 + 192 + sum(sum(widths) for _, widths, _ in TABLE.values()) + 1000
    total = sum(weights) + outputs  # each output channel has one bias
    depths = {name: widths[0] + widths[2] + widths[4] + widths[5] for name, (_, widths, _) in TABLE.items()}
    inputs = [entry[0] for entry in TABLE.values()]
    right_weights = [9.2, 112, 159.5, 379, 366.8, 438, 497.5, 590.5, 847, 1018, 1409, 1000]
    right_work = [118, 359.7, 128, 304.3, 73.6, 87.9, 99.9, 118.5, 170, 51.1, 70.7, 1]
    off = "the lecture copies the paper's table, in which conv1, 4a, 4c, 4d, 4e, 5a, 5b do not follow from its widths"
    slower = "conv1 and 5a do not follow from the table's widths"
    note = "the paper claims 12 times fewer than AlexNet; it has 22 layers, one linear, where a lecture has 19 and none"
    return Computed(
        (
            holds("each module's depth is the next one's input", list(depths.values())[:-1] == inputs[1:]),
            claim(
                "weights in 1024s, conv1 to linear",
                [each / 1024 for each in weights],
                right_weights,
                says=SLIDE_WEIGHTS,
                tolerance=0.06,
                note=off,
            ),
            claim(
                "million multiply-adds",
                [each / 1e6 for each in work],
                right_work,
                says=SLIDE_WORK,
                tolerance=0.06,
                note=slower,
            ),
            claim("weights and biases", total, 6_998_552, note=note),
            claim("AlexNet's 62,378,344 over that", 62_378_344 / total, 8.9, says=12, tolerance=0.05),
        )
    )


def _stem() -> tuple[int, int]:
    conv = on_meta(lambda: nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
    (layer,) = count(conv, (3, 224, 224))
    return layer.parameters, layer.macs
