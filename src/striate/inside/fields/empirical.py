"""Empirical receptive fields: where an occluder that slides over a unit's best images moves the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.inside.units.layers import UnitLayer
from striate.nets.net import Net

from .partly import in_part
from .slide import Occluded, Slide

PATCH, STRIDE = 11, 3
THRESHOLD = 0.5  # of the map's peak: with a patch over all of a flat field's border, half of the field is covered


@dataclass(frozen=True)
class Seen:
    """The field of one unit as occluders find it.

    Attributes:
        map: Mean change of the unit by the offset of the occluder's centre from the unit's, in strides of the occluder,
            (2R + 1, 2R + 1), peak 1 (0 where nothing moves it).
        side: Square root of the area where the change is at least half its peak, in pixels.
        images: How many images it is the mean of.
    """

    map: Tensor
    side: float
    images: int


def empirical_field(
    net: Net,
    images: Tensor,
    layer: UnitLayer,
    unit: int,
    places: Sequence[int],
    *,
    patch: int = PATCH,
    stride: int = STRIDE,
    seed: int = 0,
    memory: int = 1 << 28,
    progress: Progress = SILENT,
    occluded: Occluded | None = None,
) -> Seen:
    """The size of what moves a unit at its places in images (N, C, H, W), one place an image.

    An occluder of random pixels slides over all that the place can see; the maps of the absolute change are laid over
    each other at the unit's centre and averaged. One forward pass up to the layer for each place of the occluder, of
    which only what the occluder changes is computed where that gains.

    Args:
        net: The net.
        images: The unit's top images.
        layer: Its layer, with a field.
        unit: Its number.
        places: Where it fires in each image.
        patch: Side of the occluder in pixels.
        stride: Pixels from one place of it to the next.
        seed: Seed of its pixels.
        memory: Bytes for one batch.
        progress: How progress is shown.
        occluded: What computes the activations of a place under occluders: (net, image, `Slide`) ->
            (1 + P, units), the first row those of the image as it is; by default in part where that gains (`in_part`),
            else by passes of whole images.

    Source: Zhou et al. 2015 (object detectors emerge), section 3.2: occluders 11 x 11, stride 3, the top images, maps
    centred and averaged. They give no threshold; half the peak finds the side of an evenly weighted field exactly.
    """
    if layer.field is None:
        raise StriateError(f"{layer.name} sees the whole image from every place", accepted="a layer with a window")
    compute = occluded or in_part(memory)
    reach = max((field.size + patch) // 2 // stride + 1 for field in layer.field)
    total = torch.zeros(2 * reach + 1, 2 * reach + 1, dtype=torch.float64)
    counts = torch.zeros_like(total)
    draws = Rng(seed, "occluder").uniform(image_ids(images), (images.shape[1], patch, patch)).to(images)
    with torch.no_grad(), progress.task("fields", len(images)) as step:
        for image, place, cover in zip(images, places, draws, strict=True):
            steps, corners = _slides(layer, place, reach, patch, stride)
            values = compute(net, image, Slide(layer, place, corners, cover))[:, unit].double().cpu()
            change = (values[1:] - values[0]).abs()
            total[steps[:, 0], steps[:, 1]] += change / change.max().clamp_min(1e-300)
            counts[steps[:, 0], steps[:, 1]] += 1
            step(1)
    mean = total / counts.clamp_min(1)
    peak = float(mean.max())
    found = mean / peak if peak > 0 else mean
    area = float((found >= THRESHOLD).sum()) * stride**2 if peak > 0 else 0.0
    return Seen(found, area**0.5, len(images))


def _slides(layer: UnitLayer, place: int, reach: int, patch: int, stride: int) -> tuple[Tensor, Tensor]:
    """Where the occluder stands: its steps from the unit's centre, counted from 0, and its top left pixels, (P, 2).

    All that lies wholly outside of the image is left out, and what reaches over its border is clipped when it is laid.
    """
    assert layer.field is not None
    spots = (place // layer.grid[1], place % layer.grid[1])
    axes = []
    for field, at, length in zip(layer.field, spots, layer.size, strict=True):
        first = round(field.offset + at * field.stride - (patch - 1) / 2) - reach * stride
        axes.append([(k, first + k * stride) for k in range(2 * reach + 1) if -patch < first + k * stride < length])
    pairs = [(down, right) for down in axes[0] for right in axes[1]]
    steps = torch.tensor([(down[0], right[0]) for down, right in pairs])
    return steps, torch.tensor([(down[1], right[1]) for down, right in pairs])
