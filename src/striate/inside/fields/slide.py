"""An occluder that slides over an image, and what a place gives under it by whole passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.inside.units.layers import UnitLayer
from striate.nets.net import Net


@dataclass(frozen=True)
class Slide:
    """An occluder that slides over an image: whose place is watched, where the occluder stands, what it shows.

    Attributes:
        layer: The layer.
        place: The place on its map.
        corners: Top left pixels of the occluder, (P, 2); it is clipped at the border.
        cover: Its pixels, (C, patch, patch).
    """

    layer: UnitLayer
    place: int
    corners: Tensor
    cover: Tensor


Occluded = Callable[[Net, Tensor, Slide], Tensor]


def whole_passes(memory: int) -> Occluded:
    """Activations under occluders by passes of whole images, batch by batch."""

    def compute(net: Net, image: Tensor, slide: Slide) -> Tensor:
        layer, place = slide.layer, slide.place
        most = net.batch_size((image.shape[-2], image.shape[-1]), memory=memory)
        found = []
        with net.look(read=[layer.name]) as see:
            own = layer.arranged(see(image[None])[layer.name])[:, place].clone()
            for part in torch.split(slide.corners, most):
                batch = covered(image, slide.cover, part).contiguous(memory_format=torch.channels_last)
                found.append(layer.arranged(see(batch)[layer.name])[:, place].clone())
        return torch.cat([own, *found])

    return compute


def covered(image: Tensor, cover: Tensor, corners: Tensor) -> Tensor:
    """Copies of an image with the cover at each of these corners (P, 2), clipped at the border."""
    patch = cover.shape[-1]
    margin = (patch, patch, patch, patch)
    wide = torch.nn.functional.pad(image, margin).expand(len(corners), -1, -1, -1).clone()
    reach = torch.arange(patch)
    rows, columns = corners[:, 0, None] + patch + reach, corners[:, 1, None] + patch + reach
    at = torch.arange(len(corners))[:, None, None]
    wide.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None]] = cover.permute(1, 2, 0)
    return wide[:, :, patch:-patch, patch:-patch]
