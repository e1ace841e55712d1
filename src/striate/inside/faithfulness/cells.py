"""Square cells of an image: what is random is drawn by the cell, so that a part of a photograph goes as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError

CELLS = 14  # along the short side


def cells(images: Tensor, patch: int | None = None) -> tuple[Tensor, int]:
    """The number of the cell that each pixel lies in, (H, W) int64, and how many there are.

    Cells are squares of ``patch`` pixels, a 14th of the short side when None; the last ones may be cut off.

    Raises:
        StriateError: A patch that is no patch of these images.
    """
    height, width = images.shape[-2:]
    patch = max(1, round(min(height, width) / CELLS)) if patch is None else patch
    if not 1 <= patch <= min(height, width):
        raise StriateError(f"patch is {patch}", accepted=f"1 to {min(height, width)} pixels")
    columns = -(-width // patch)
    numbers = (torch.arange(height) // patch)[:, None] * columns + torch.arange(width) // patch
    return numbers, int(numbers.max()) + 1


def cell_sums(maps: Tensor, numbers: Tensor, count: int) -> Tensor:
    """Sums of maps (..., H, W) over each cell, (..., count), float64."""
    flat = maps.flatten(-2).double()
    found = torch.zeros(*flat.shape[:-1], count, dtype=torch.float64)
    return found.scatter_add_(-1, numbers.flatten().expand(flat.shape), flat)
