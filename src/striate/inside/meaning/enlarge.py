"""A layer's maps enlarged to the pixels of the image, each unit standing at the centre of what it sees."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.nets.payload import Field
from striate.nets.site import Site


class Enlarged:
    """Bilinear interpolation of maps (..., h, w) to (..., H, W).

    Unit i stands at the centre of its receptive field, ``offset + i stride``; beyond the outermost units their values
    are held. Where the site has no single receptive field the maps are laid over the image edge to edge.
    """

    def __init__(self, site: Site, size: tuple[int, int]) -> None:
        self.down, self.across = (
            weights(site.shape[1 + axis], size[axis], None if site.field is None else site.field[axis])
            for axis in range(2)
        )

    def __call__(self, maps: Tensor) -> Tensor:
        """The maps in pixels."""
        return self.down @ (maps.float() @ self.across.T)


def weights(units: int, pixels: int, field: Field | None) -> Tensor:
    """(pixels, units): what of each unit comes to each pixel on one axis; every row sums to 1."""
    stride = field.stride if field is not None else pixels / units
    offset = field.offset if field is not None else (stride - 1) / 2
    place = ((torch.arange(pixels, dtype=torch.float64) - offset) / stride).clamp(0, units - 1)
    below = place.floor().clamp(max=max(units - 2, 0)).long()
    share = place - below
    out = torch.zeros(pixels, units, dtype=torch.float64)
    rows = torch.arange(pixels)
    out[rows, below] = 1 - share
    if units > 1:
        out[rows, below + 1] += share
    return out.float()
