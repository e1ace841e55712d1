"""How alike two maps are: by their values, by rank, and by structure."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rank_correlation import average_ranks

WINDOW = 1.5  # standard deviation of the window of structural similarity, in pixels


def ranked(values: Tensor) -> Tensor:
    """Ranks along the last dimension, float64, equal values having their mean rank."""
    rows = values.detach().cpu().double().reshape(-1, values.shape[-1]).numpy()
    return torch.from_numpy(np.stack([average_ranks(row) for row in rows])).view(values.shape)


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Correlation along the last dimension; 0 where one of them never changes."""
    one, other = (each - each.mean(-1, keepdim=True) for each in (first, second))
    level = 1e-12 * (first.abs().amax(-1) * second.abs().amax(-1)) * first.shape[-1]
    length = one.norm(dim=-1) * other.norm(dim=-1)
    return torch.where(length > level, (one * other).sum(-1) / length.clamp(min=1e-300), 0.0)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation of maps (..., H, W), pixel by pixel, (...); 0 where one of them never changes."""
    one, other = (_standard(ranked(each.flatten(-2))) for each in (first, second))
    return (one * other).sum(-1)


def spearman_matrix(maps: Tensor) -> Tensor:
    """Spearman's rank correlation of each two of K maps (K, H, W), (K, K)."""
    ranks = _standard(ranked(maps.flatten(-2)))
    return ranks @ ranks.T


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of maps (N, H, W), each divided by its largest absolute value, (N,) float64.

    Source: Wang et al. 2004, equation 13, with a Gaussian window of 11 pixels (fewer where the map is smaller) and 1.5
    as its standard deviation, K1 = 0.01, K2 = 0.03, and 1 as the range of values. Windows lie inside the map.
    """
    reach = min(5, (min(first.shape[-2:]) - 1) // 2)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / WINDOW).square())
    bell = bell / bell.sum()
    one, other = (_unit(each.detach().cpu().double())[:, None] for each in (first, second))

    def mean(values: Tensor) -> Tensor:
        found: Tensor = F.conv2d(F.conv2d(values, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))
        return found

    centre, middle = mean(one), mean(other)
    spread, width = mean(one * one) - centre.square(), mean(other * other) - middle.square()
    both = mean(one * other) - centre * middle
    light, contrast = 0.01**2, 0.03**2
    above = (2 * centre * middle + light) * (2 * both + contrast)
    below = (centre.square() + middle.square() + light) * (spread + width + contrast)
    found: Tensor = (above / below).mean(dim=(1, 2, 3))
    return found


def _standard(ranks: Tensor) -> Tensor:
    centred = ranks - ranks.mean(-1, keepdim=True)
    length: Tensor = centred.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    return centred / length


def _unit(values: Tensor) -> Tensor:
    scaled: Tensor = values / values.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)
    return scaled
