"""What layers show of one image, and the kernel of one deeper unit."""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import Tensor

from striate.data.dataset import Dataset
from striate.nets.net import Net

from .layers import UnitLayer, source_of, unit_layer
from .payload import Layer, Sheet, Units
from .pictures import MOST, activation_grid, kernel_slices


def with_sheets(result: Units, net: Net, data: Dataset) -> tuple[Units, dict[str, bytes]]:
    """The maps of each layer for the first image, and the kernel of a unit of the first deeper layer that has one.

    Cost: one forward pass a layer.
    """
    like = next((each for each in net.parameters() if each.is_floating_point()), torch.zeros(1))
    image = data.images([0])[0].to(like)
    album: dict[str, bytes] = {}
    layers: list[Layer] = []
    for told in result.layers:
        layer, stem = unit_layer(net, result.size, told.site), re.sub(r"[^A-Za-z0-9._-]+", "-", told.site)
        maps, kernel = None, None
        if min(layer.grid) > 1:
            album[f"{stem}-maps.png"], limits = activation_grid(net, image, layer)
            maps = Sheet(f"{stem}-maps.png", limits, min(MOST, layer.units), layer.units, data.name_of(0))
        weight = _deeper_kernel(net, layer) if all(each.kernel is None for each in layers) else None
        if weight is not None:
            kernel = _kernel(weight, told, f"{stem}-kernel.png", album)
        layers.append(replace(told, maps=maps, kernel=kernel))
    return replace(result, layers=tuple(layers)), album


def _deeper_kernel(net: Net, layer: UnitLayer) -> Tensor | None:
    """The weight (units, channels, h, w) of a layer's units, where it looks around itself at the units of another."""
    site = source_of(net, layer)
    weight = None if site is None else getattr(dict(net.module.named_modules()).get(site.module), "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 4 or len(weight) != layer.units or weight.shape[1] <= 3:
        return None
    return weight if max(weight.shape[2:]) > 1 else None


def _kernel(weight: Tensor, told: Layer, key: str, album: dict[str, bytes]) -> Sheet:
    unit = next((each for each in told.listed if each not in told.dead), told.listed[0])
    album[key], limits = kernel_slices(weight, unit)
    return Sheet(key, limits, min(MOST, weight.shape[1]), weight.shape[1], f"unit {unit}")
