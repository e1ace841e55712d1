"""Networks of a search space: cells whose edges are chosen, and stages whose depths, widths and kernels are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.site import Pair

from .blueprint import Blueprint, within

NODES = 4
EDGES = tuple((source, node) for node in range(1, NODES) for source in range(node))  # 0>1 0>2 1>2 0>3 1>3 2>3
OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool3x3")  # the digits of a code


class Cell(nn.Module):
    """Four nodes, each the sum of what comes along the edges from all before it; the first is the input.

    An edge that is none carries nothing, a node that nothing reaches is zero.

    Source: Dong & Yang 2020, "NAS-Bench-201", section 2.1; convolutions are ReLU, convolution, batch norm.
    """

    def __init__(self, operations: Sequence[str], width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"{source}to{node}": operation(name, width)
                for (source, node), name in zip(EDGES, operations, strict=True)
                if name != "none"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of the last node, in the shape of the input."""
        nodes = [x]
        for node in range(1, NODES):
            come = [
                self.edges[f"{source}to{node}"](nodes[source])
                for source in range(node)
                if f"{source}to{node}" in self.edges
            ]
            nodes.append(sum(come[1:], come[0]) if come else torch.zeros_like(x))
        return nodes[-1]


def operation(name: str, width: int) -> nn.Module:
    """What an edge does to ``width`` channels; the size stays."""
    if name == "skip":
        return nn.Identity()
    if name == "avgpool3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    kernel = {"conv1x1": 1, "conv3x3": 3}[name]
    return nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, kernel, 1, kernel // 2, bias=False), nn.BatchNorm2d(width))


class Halving(nn.Module):
    """A residual block that halves the size and changes the channels; its shortcut is average pooling and 1 x 1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(channels, width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Features of half the size, rounded up."""
        out: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return out


def pooled(channels: int, width: int) -> nn.Sequential:
    """Average pooling to half the size and a 1 x 1 convolution: a halving that learns next to nothing itself."""
    return nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(channels, width, 1, bias=False))


def skeleton(
    cells: Sequence[nn.Module], *, channels: int, classes: int, width: int, halving: str = "residual"
) -> nn.Sequential:
    """A stem, three equal runs of ``cells`` with a halving between, average pooling, a linear layer.

    Cells of run i have ``width * 2**i`` channels. ``halving`` is a residual block, or ``pooled``.

    Source: Dong & Yang 2020, section 2.1 (there 16 channels and five cells a run).
    """
    kinds: dict[str, Callable[[int, int], nn.Module]] = {"residual": Halving, "pooled": pooled}
    if halving not in kinds:
        raise UnknownNameError("halving of striate/cell", halving, kinds)
    between, each = kinds[halving], len(cells) // 3
    parts: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)), *cells[:each]
    ]  # fmt: skip
    for run in (1, 2):
        parts += [between(width << (run - 1), width << run), *cells[run * each : (run + 1) * each]]
    wide = width << 2
    head = nn.Sequential(nn.BatchNorm2d(wide), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*parts, head, nn.Linear(wide, classes))


def operations_of(code: str) -> tuple[str, ...]:
    """The names of the operations of a code of six digits, in the order of `EDGES`.

    >>> operations_of("301031")
    ('conv3x3', 'none', 'skip', 'none', 'conv3x3', 'skip')
    """
    if len(code) != len(EDGES) or set(code) - set("01234"[: len(OPERATIONS)]):
        listed = ", ".join(f"{digit} {name}" for digit, name in enumerate(OPERATIONS))
        edges = " ".join(f"{source}>{node}" for source, node in EDGES)
        raise StriateError(f"code of striate/cell is {code!r}", accepted=f"six digits, for {edges}: {listed}")
    return tuple(OPERATIONS[int(digit)] for digit in code)


def cell(
    classes: int,
    channels: int,
    size: Pair,
    *,
    code: str = "313313",
    cells: int = 1,
    width: int = 16,
    halving: str = "residual",
) -> Blueprint:
    """The network of one cell, repeated; 15,625 codes.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image.
        code: Six digits, the operations of the edges.
        cells: Cells in each of three runs.
        width: Channels of the first run; the next have two and four times as many.
        halving: Between runs: ``residual`` (a block of two convolutions) or ``pooled`` (the cells do all the work).
    """
    within("cell", size, 8)
    if cells < 1 or width < 1:
        raise StriateError(f"striate/cell with cells={cells}, width={width}", accepted="at least 1 of each")
    names = operations_of(code)
    parts = [Cell(names, width << run) for run in range(3) for _ in range(cells)]
    module = skeleton(parts, channels=channels, classes=classes, width=width, halving=halving)
    return Blueprint(module, any_size=True, least_size=8)


def stages(
    classes: int,
    channels: int,
    size: Pair,
    *,
    depths: str = "1-1-1",
    widths: str = "16-32-64",
    kernels: str = "3-3-3",
) -> Blueprint:
    """Plain stages: depth, width and kernel of each are chosen; from the second on a stage begins by halving.

    Args:
        classes: Outputs.
        channels: Of an image.
        size: Of an image.
        depths: Convolutions of each stage, with hyphens between.
        widths: Channels of each stage.
        kernels: Kernel of each stage, an odd number.
    """
    within("stages", size, 8)
    read = [_whole(name, text) for name, text in (("depths", depths), ("widths", widths), ("kernels", kernels))]
    if len({len(each) for each in read}) > 1:
        raise StriateError(
            f"striate/stages with depths={depths}, widths={widths}, kernels={kernels}", accepted="as many of each"
        )
    if any(kernel % 2 == 0 for kernel in read[2]):
        raise StriateError(f"kernels of striate/stages are {kernels}", accepted="odd numbers")
    parts: list[nn.Module] = []
    for run, ((before, after), depth, kernel) in enumerate(
        zip(pairwise([channels, *read[1]]), read[0], read[2], strict=True)
    ):
        for block in range(depth):
            stride = 2 if run and not block else 1
            taken = after if block else before
            parts.append(
                nn.Sequential(
                    nn.Conv2d(taken, after, kernel, stride, kernel // 2, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                )
            )
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(read[1][-1], classes)]
    return Blueprint(nn.Sequential(*parts), any_size=True, least_size=8)


def _whole(name: str, text: str) -> list[int]:
    try:
        values = [int(part) for part in text.split("-")]
    except ValueError:
        values = []
    if not values or min(values) < 1:
        raise StriateError(
            f"{name} of striate/stages is {text!r}", accepted="whole numbers of at least 1, such as 1-2-1"
        )
    return values
