"""Codes of every image of a split, batch by batch: nothing but the codes themselves grows with the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.nets.net import Net

from ..attribution.chunks import chunk_size, fast_layout
from .layers import find_layer, pooled

SIDE = 32  # pixels that probes and large data compare at most a side


@dataclass(frozen=True)
class Codes:
    """Codes of a split.

    Attributes:
        of: By layer, as it was asked for, (N, D) float32 on the CPU; ``"input"`` are the pixels.
        rows: The rows of the split that they are of; files that could not be read are left out.
        pixels: Shape of the pixels in ``of["input"]``.
    """

    of: Mapping[str, Tensor]
    rows: Tensor
    pixels: tuple[int, ...]

    def take(self, rows: Tensor) -> Codes:
        """The codes of some, by their place."""
        return Codes({name: each[rows] for name, each in self.of.items()}, self.rows[rows], self.pixels)


def codes_of(
    net: Net,
    data: Dataset,
    layers: Sequence[str],
    *,
    side: int | None = None,
    memory: int = 1 << 30,
    workers: int = 0,
    progress: Progress = SILENT,
) -> Codes:
    """The code of every image at each layer, and its pixels; one forward pass an image, which stops at the deepest.

    Maps are averaged over space and tokens over their sequence. An image's code hangs on it alone: within 1e-5 of its
    scale the same in any batch. Memory beside that of the codes stays within the budget.

    Args:
        net: Left bit for bit as found.
        data: Images as the net takes them.
        layers: Sites, or paths of modules.
        side: Pixels are averaged in whole squares until no side is longer; None keeps them as the net takes them.
        memory: Budget in bytes beside the net.
        workers: Processes that decode images.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such layer.
        StriateError: No images, or a layer that makes no codes.
    """
    if not len(data):
        raise StriateError(f"{data.name}, split {data.split}, has no images", hint="another split")
    data.ready()
    size = data.size or net.a_size()
    device = next((each.device for each in net.parameters()), torch.device("cpu"))
    count = chunk_size(net, torch.empty(1, net.channels, *size, device=device), memory=memory)
    parts: dict[str, list[Tensor]] = {name: [] for name in (*layers, "input")}
    met = []
    with progress.task("codes", len(data)) as step:
        for rows, images, _ in batches(data, count, workers=workers):
            for name, each in _passed(net, images.to(device), layers).items():
                parts[name].append(each)
            small = shrunk(images, side)
            parts["input"].append(small.flatten(1))
            met.append(rows)
            step(len(rows))
    return Codes({name: torch.cat(each) for name, each in parts.items()}, torch.cat(met), tuple(small.shape[1:]))


def codes_of_images(
    net: Net, images: Tensor, layers: Sequence[str], *, side: int | None = None, memory: int = 1 << 30
) -> Codes:
    """The same of images (N, C, H, W) at hand."""
    count = chunk_size(net, images, memory=memory)
    parts = [_passed(net, part, layers) for part in torch.split(images, count)]
    small = shrunk(images.cpu(), side)
    of = {name: torch.cat([part[name] for part in parts]) for name in layers}
    return Codes({**of, "input": small.flatten(1)}, torch.arange(len(images)), tuple(small.shape[1:]))


def shrunk(images: Tensor, side: int | None) -> Tensor:
    """Images with their pixels averaged in whole squares until no side is longer than ``side``."""
    longest = max(images.shape[-2:])
    if side is None or longest <= side:
        return images
    factor = -(-longest // side)
    return torch.nn.functional.avg_pool2d(images, factor, ceil_mode=True, count_include_pad=False)


def fitting_side(data: Dataset, size: tuple[int, int], *, memory: int) -> int | None:
    """The side to which pixels are shrunk so that those of all images fit in a quarter of the memory; None for none."""
    side, most = max(size), memory / 4
    if len(data) * data.channels * size[0] * size[1] * 4 <= most:
        return None
    while side > SIDE and len(data) * data.channels * side * side * 4 > most:
        side = (side + 1) // 2
    return side


def _passed(net: Net, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    size = (int(images.shape[-2]), int(images.shape[-1]))
    sites = {name: find_layer(net, size, name).name for name in layers}
    if not sites:
        return {}
    with net.look(read=tuple(sites.values())) as see, torch.no_grad():
        seen = see(fast_layout(images))
        found = {name: seen[site] for name, site in sites.items()}
    for name, values in found.items():
        if len(values) != len(images):
            raise StriateError(
                f"layer {name!r} gives {len(values)} rows for {len(images)} images", accepted="one row an image"
            )
        if not bool(values.isfinite().all()):
            raise StriateError(f"layer {name!r} gives numbers that are not finite", hint="look for NaN in the weights")
    return {name: pooled(values, size).cpu() for name, values in found.items()}
