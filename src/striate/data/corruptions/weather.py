"""Weather: snow, frost, fog, daylight. Source: Hendrycks & Dietterich 2019, released code, but for the frost."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.image import to_channels
from striate.core.rng import Rng

from .blur import smeared, zoomed

_ICE = (0.80, 0.92, 1.0)  # colour of thick frost
_OCTAVES = (5, 10, 20, 40, 80)  # cells along the shorter side
_WIBBLE = 100.0  # of the fractal, as in the released code; its map is scaled to [0, 1] in the end


def snow(images: Tensor, constants: tuple[float, ...], ids: Tensor, rng: Rng) -> Tensor:
    """Flakes (mean, spread, enlargement, threshold of a noise), blown (radius, sigma) over a whitened image (share)."""
    mean, spread, zoom, threshold, radius, sigma, share = constants
    height, width = images.shape[-2:]
    layer = zoomed(mean + spread * rng.normal(ids, (1, height, width)).to(images), zoom)
    layer = torch.where(layer < threshold, 0.0, layer.clamp(0, 1))
    layer = (layer * 255).floor() / 255
    layer = smeared(layer, radius, sigma, rng.child("wind").uniform(ids, low=-135.0, high=-45.0))
    grey = to_channels(images, 1)
    white = share * images + (1 - share) * torch.maximum(images, grey * 1.5 + 0.5)
    return white + layer + layer.flip(-1, -2)


def frost(images: Tensor, constants: tuple[float, float], ids: Tensor, rng: Rng) -> Tensor:
    """A share of the image and a share of frost in front of it.

    The paper cuts its frost from six photographs. No pictures come with this package: this frost is drawn, by
    `crystals`, so that accuracies under it are near, not equal, to those of ImageNet-C.
    """
    kept, laid = constants
    ice = crystals(ids, (images.shape[-2], images.shape[-1]), rng).to(images)
    return kept * images + laid * (ice if images.shape[1] == 3 else to_channels(ice, 1))


def crystals(ids: Tensor, size: tuple[int, int], rng: Rng) -> Tensor:
    """Frost (n, 3, H, W) in [0, 1]: feathery ridges of bluish white, thicker in some places than in others.

    Ridges are where smooth noise crosses its middle, ``1 - |2 v - 1|``, in several octaves, each finer one weighed by
    the coarser (Musgrave's ridged multifractal; Ebert et al. 2003, "Texturing and Modeling", chapter 16), drawn at
    places that another noise has displaced.
    """
    height, width = size
    bend = torch.cat([_noise(ids, size, 5, rng.child(f"bend {axis}")) for axis in "xy"], 1) - 0.5
    y, x = ((torch.arange(side) + 0.5) * 2 / side - 1 for side in size)
    straight = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], 2)
    grid = straight + 0.3 * bend.permute(0, 2, 3, 1)
    total, weight = torch.zeros(len(ids), 1, height, width), torch.ones(len(ids), 1, height, width)
    for octave, cells in enumerate(_OCTAVES):
        if cells > 1.5 * min(size):
            break
        smooth = _noise(ids, size, cells, rng.child(f"octave {octave}"))
        ridges = (1 - (2 * smooth - 1).abs()) ** 3
        total += 0.85**octave * weight * ridges
        weight = (2.5 * ridges).clamp(0.25, 1)
    thick = _noise(ids, size, 2, rng.child("thick"))
    ice = F.grid_sample(total * (0.3 + thick), grid, padding_mode="reflection", align_corners=False)
    ice = (0.62 * ice).clamp(0, 1) ** 0.8
    colour = torch.tensor(_ICE).view(1, 3, 1, 1)
    return (ice * (colour + (1 - colour) * ice)).clamp(0, 1)


def _noise(ids: Tensor, size: tuple[int, int], cells: int, rng: Rng) -> Tensor:
    """Smooth noise (n, 1, H, W) in [0, 1] with so many cells along the shorter side."""
    side = min(size) / cells
    grid = tuple(max(2, math.ceil(each / side) + 1) for each in size)
    return F.interpolate(rng.uniform(ids, (1, *grid)), size=size, mode="bicubic", align_corners=True).clamp(0, 1)


def fog(images: Tensor, constants: tuple[float, float], ids: Tensor, rng: Rng) -> Tensor:
    """The image plus a strength times a plasma fractal, darkened so that its largest value stays."""
    strength, decay = constants
    height, width = images.shape[-2:]
    side = 1 << max(1, math.ceil(math.log2(max(height, width))))
    cloud = plasma(ids, side, decay, rng)[:, None, :height, :width].to(images)
    most = images.amax((1, 2, 3), keepdim=True)
    return (images + strength * cloud) * most / (most + strength)


def plasma(ids: Tensor, side: int, decay: float, rng: Rng) -> Tensor:
    """Height maps (n, side, side) from 0 to 1 that repeat at their edges; ``side`` is a power of two.

    Diamonds and squares: the middle of four known points is their mean and noise, which ``decay`` divides as the
    squares get smaller. Source: Fournier, Fussell & Carpenter 1982.
    """
    heights = torch.zeros(len(ids), side, side, dtype=torch.float64)
    step, wibble, level = side, _WIBBLE, 0

    def mean(four: Tensor, name: str) -> Tensor:
        drawn = rng.child(name).uniform(ids, four.shape[1:], step=level, low=-1.0, high=1.0).double()
        return four / 4 + wibble**2 * drawn

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        four = corners + corners.roll(-1, 1)
        middles = mean(four + four.roll(-1, 2), "squares")
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = mean(
            middles + middles.roll(1, 1) + corners + corners.roll(-1, 2), "diamonds across"
        )
        heights[:, half::step, ::step] = mean(
            middles + middles.roll(1, 2) + corners + corners.roll(-1, 1), "diamonds down"
        )
        step, wibble, level = half, wibble / decay, level + 1
    low, high = heights.amin((1, 2), keepdim=True), heights.amax((1, 2), keepdim=True)
    return (heights - low) / (high - low).clamp(min=1e-12)


def brightness(images: Tensor, more: float, ids: Tensor, rng: Rng) -> Tensor:
    """More value in HSV, at most 1; hue and saturation stay."""
    del ids, rng
    value = images.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1.0)
    return torch.where(value > 0, images * raised / value.clamp(min=1e-12), raised)
