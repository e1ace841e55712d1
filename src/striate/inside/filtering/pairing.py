"""A net's first filters, each with the filter made by hand that is most like it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .classical import templates


def pair_filters(weight: Tensor) -> tuple[list[str], Tensor, Tensor]:
    """Name, correlation (F,) and picture (F, h, w), with the sign that fits, of the most similar filter made by hand.

    A filter over colours is taken in the one colour that holds most of it: the first singular vector over channels.
    Correlations are those of two patterns without their means; NaN for a constant one.

    Args:
        weight: (F, C, h, w).
    """
    filters = weight.detach().double().cpu()
    flat = filters.flatten(2)
    _, _, right = torch.linalg.svd(flat, full_matrices=False)
    pattern = right[:, 0]
    # the sign of a singular vector is open; that of the filter's mean over its colours is kept
    towards = (pattern * flat.sum(1)).sum(1, keepdim=True)
    pattern = torch.where(towards < 0, -pattern, pattern)
    height, width = filters.shape[2:]
    side = max(height, width)
    names, kernels = templates(side + (side % 2 == 0))
    row, column = (kernels.shape[1] - height) // 2, (kernels.shape[2] - width) // 2
    cut = kernels[:, row : row + height, column : column + width].double()
    found = _unit(pattern) @ _unit(cut.flatten(1)).T
    best = found.abs().argmax(1)
    there = found.gather(1, best[:, None])[:, 0]
    level = pattern - pattern.mean(1, keepdim=True)
    flatness = level.norm(dim=1) <= 1e-6 * pattern.norm(dim=1)
    drawn = cut[best] * torch.where(there < 0, -1.0, 1.0)[:, None, None]
    return [names[each] for each in best.tolist()], torch.where(flatness, math.nan, there.abs()), drawn


def _unit(rows: Tensor) -> Tensor:
    level = rows - rows.mean(1, keepdim=True)
    unit: Tensor = level / level.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit
