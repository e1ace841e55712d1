"""How far heads look: mean attention distance."""

from __future__ import annotations

import torch
from torch import Tensor

from .tokens import TokenGrid


def distances(grid: TokenGrid, patch: tuple[int, int]) -> Tensor:
    """Distances in pixels between the middles of patches, (patches, patches) float64."""
    rows, columns = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.columns), indexing="ij")
    places = torch.stack([rows.flatten() * patch[0], columns.flatten() * patch[1]], 1).double()
    return torch.cdist(places, places)


def attention_distance(weights: Tensor, grid: TokenGrid, patch: tuple[int, int]) -> Tensor:
    """Mean distance in pixels from a patch to where it looks, for probabilities (n, heads, T, T): (n, heads) float64.

    Attention to tokens that have no place is left out, and the rest counts as one; the mean is over all patches alike.

    Source: Dosovitskiy et al. 2021, figure 7 (right) and figure 11, there for images of one data set.
    """
    among = weights[:, :, grid.patches, grid.patches].double().cpu()
    far = (among * distances(grid, patch)).sum(3) / among.sum(3).clamp(min=1e-30)
    return far.mean(2)
