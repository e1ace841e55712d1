"""Pictures of units: patches in a row, activation grids, filters beside their fits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.image import encode_png, encode_webp, enlarge
from striate.data.dataset import Dataset
from striate.inside import heatmap
from striate.nets.net import Net

from .layers import UnitLayer
from .payload import Box

TILE, GAP = 72, 2
LEAST = 64
MOST = 144  # maps on one grid
SHARE = 0.998  # of the values that the colours of a grid hold: one spot leaves the rest dark otherwise


def patch_strip(data: Dataset, rows: Sequence[int], boxes: Sequence[Box]) -> bytes:
    """Patches of images in a row as one WebP, each brought to a square tile, grey where a box is not square.

    Small patches are enlarged pixel by pixel, so that what the unit sees is not smoothed.
    """
    images = data.images(list(rows))
    tiles = [
        _tile(image[:, top:bottom, left:right]) for image, (top, left, bottom, right) in zip(images, boxes, strict=True)
    ]
    line = torch.ones(tiles[0].shape[0], TILE, GAP)
    parts = [part for tile in tiles for part in (tile, line)][:-1]
    return encode_webp(torch.cat(parts, 2), quality=80)


def _tile(patch: Tensor) -> Tensor:
    height, width = patch.shape[1:]
    share = TILE / max(height, width)
    size = (max(1, round(height * share)), max(1, round(width * share)))
    if share >= 1:
        shown = F.interpolate(patch[None], size=size, mode="nearest")[0]
    else:
        shown = F.interpolate(patch[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)
    tile = torch.full((patch.shape[0], TILE, TILE), 0.5)
    top, left = (TILE - size[0]) // 2, (TILE - size[1]) // 2
    tile[:, top : top + size[0], left : left + size[1]] = shown
    return tile


def filter_rows(weight: Tensor, names: str, *, end: float) -> dict[str, bytes]:
    """One PNG a filter (F, C, h, w), from -end to end; zero is mid-grey in colour, white where there is one channel."""
    return {names.format(k): encode_png(_drawn(one.float(), end)) for k, one in enumerate(weight)}


def _drawn(weight: Tensor, end: float) -> Tensor:
    if weight.shape[0] == 3:
        return enlarge(torch.clamp(0.5 + weight / (2 * end), 0, 1), LEAST)
    return enlarge(heatmap.colour(weight[0], (-end, end), signed=True), LEAST)


def kernel_slices(weight: Tensor, unit: int, *, most: int = MOST) -> tuple[bytes, tuple[float, float]]:
    """The kernel of one unit of a deeper layer as a PNG, a slice for each channel it takes in, and its scale's ends."""
    slices = weight[unit].detach().float().cpu()[:most]
    end = float(slices.abs().max()) or 1.0
    tiles = [heatmap.colour(each, (-end, end), signed=True) for each in slices]
    return encode_png(_sheet(tiles, least=24)), (-end, end)


def activation_grid(
    net: Net, image: Tensor, layer: UnitLayer, *, most: int = MOST
) -> tuple[bytes, tuple[float, float]]:
    """The maps of a layer for one image (C, H, W) as a PNG grid, and the ends of their common colour scale.

    Maps that are never negative are viridis from 0; others are blue, white, red, with zero white. The scale holds
    99.8 % of the values; what lies beyond has the colour of its end.

    Source: Zeiler & Fergus 2014, section 4; Yosinski et al. 2015, section 2 (a grid of live activations).
    """
    with torch.no_grad(), net.look(read=[layer.name]) as see:
        seen = layer.arranged(see(image[None])[layer.name])[0]
    values = seen.T.reshape(layer.units, *layer.grid)[:most].float().cpu()
    signed = bool((values < 0).any())
    limits = heatmap.limits_of(values.flatten(0, 1), signed=signed, share=SHARE)
    maps = [heatmap.colour(each, limits, signed=signed) for each in values]
    return encode_png(_sheet(maps, least=32)), limits


def _sheet(tiles: Sequence[Tensor], *, least: int) -> Tensor:
    shown = [enlarge(each, least) for each in tiles]
    across = max(1, round(len(shown) ** 0.5))
    height, width = shown[0].shape[1:]
    rows = -(-len(shown) // across)
    sheet = torch.ones(3, rows * (height + 1) - 1, across * (width + 1) - 1)
    for k, tile in enumerate(shown):
        top, left = k // across * (height + 1), k % across * (width + 1)
        sheet[:, top : top + height, left : left + width] = tile
    return sheet
