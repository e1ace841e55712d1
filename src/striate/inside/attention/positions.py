"""How alike the learnt positions of patches are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.nets.net import Net

from .tokens import TokenGrid


def position_embedding(net: Net, grid: TokenGrid) -> tuple[str, Tensor] | None:
    """Path and values (patches, D) of the positions that are added to patches; None where the net has none of its own.

    It is the one parameter called positions, ``pos_embed`` or the like with a row for each token or each patch.
    Positions that are computed, relative, or resized for this size of image are none.
    """
    patches = grid.rows * grid.columns
    for path, value in net.module.named_parameters():
        rows = value.detach().squeeze(0) if value.ndim == 3 else value.detach()
        if "pos" not in path.rpartition(".")[2] or rows.ndim != 2 or rows.shape[1] != grid.width:
            continue
        if rows.shape[0] == grid.count:
            return path, rows[grid.patches]
        if rows.shape[0] == patches:
            return path, rows
    return None


def position_cosines(rows: Tensor) -> Tensor:
    """Cosine of every position (patches, D) with every other, (patches, patches) float64.

    Source: Dosovitskiy et al. 2021, figure 7 (middle).
    """
    unit = F.normalize(rows.detach().double().cpu(), dim=1)
    return unit @ unit.T


def near_and_far(cosines: Tensor, grid: TokenGrid) -> tuple[tuple[float, int], tuple[float, int]]:
    """Mean cosine, and number of pairs, of patches that touch by a side and of those half the longer side apart."""
    place = torch.stack(torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.columns), indexing="ij"), -1).flatten(
        0, 1
    )
    apart = torch.cdist(place.double(), place.double())
    above = torch.ones_like(apart, dtype=torch.bool).triu(1)
    near, far = (apart < 1.1) & above, (apart >= max(grid.rows, grid.columns) / 2) & above
    return (float(cosines[near].mean()), int(near.sum())), (float(cosines[far].mean()), int(far.sum()))
