"""Objectives on the image itself: penalties and distances, which need no pass of the net."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError

from .term import Objective, Seen, Term, own_rows


def total_variation(beta: float | None = None) -> Objective:
    """How much neighbouring pixels differ.

    Without ``beta`` the sum of absolute differences along rows and columns (Rudin et al. 1992, taken axis by axis).
    With it ``sum (dx^2 + dy^2)^(beta / 2)`` over all values, where beyond the last column or row nothing differs; the
    gradient where both differences are 0 counts as 0. ``beta`` 1 is the isotropic total variation, 2 smooths most.

    Raises:
        StriateError: ``beta`` is not above 0.

    Source: Mahendran & Vedaldi 2015, section 3, R_V^beta.
    """
    if beta is not None and not beta > 0:
        raise StriateError(f"beta is {beta:g}", accepted="a number above 0")

    def score(seen: Seen) -> Tensor:
        across, down = seen.images.diff(dim=-1), seen.images.diff(dim=-2)
        if beta is None:
            return across.abs().flatten(1).sum(1) + down.abs().flatten(1).sum(1)
        squares = F.pad(across.square(), (0, 1)) + F.pad(down.square(), (0, 0, 0, 1))
        moved = squares > 0
        powers = torch.where(moved, squares, 1.0) ** (beta / 2)
        return torch.where(moved, powers, 0.0).flatten(1).sum(1)

    return Term("total_variation" if beta is None else f"total_variation(beta {beta:g})", score)


def alpha_norm(alpha: float = 6.0, centre: float = 0.5) -> Objective:
    """The sum of ``|x - centre|^alpha`` over all values: a high alpha punishes the extreme ones alone.

    Raises:
        StriateError: ``alpha`` is below 1.

    Source: Mahendran & Vedaldi 2015, section 3, R_alpha, on images less their mean; ours are in [0, 1] about mid grey.
    """
    if alpha < 1:
        raise StriateError(f"alpha is {alpha:g}", accepted="at least 1")

    def score(seen: Seen) -> Tensor:
        return ((seen.images - centre).abs() ** alpha).flatten(1).sum(1)

    return Term(f"alpha_norm({alpha:g}, about {centre:g})", score)


def pixel_range(low: float = 0.0, high: float = 1.0) -> Objective:
    """The sum of squares of what exceeds [low, high]: 0 inside, for searches that no box holds."""
    if not low < high:
        raise StriateError(f"range is [{low:g}, {high:g}]", accepted="low below high")

    def score(seen: Seen) -> Tensor:
        return (seen.images - seen.images.clamp(low, high)).flatten(1).square().sum(1)

    return Term(f"pixel_range({low:g}, {high:g})", score)


def distance(images: Tensor, norm: float = 2.0) -> Objective:
    """The L1, L2 or Linf distance from images (N, C, H, W), or (1, C, H, W) for all; its gradient at 0 counts as 0.

    Raises:
        StriateError: ``norm`` is not 1, 2 or infinity.
    """
    if norm not in (1.0, 2.0, math.inf):
        raise StriateError(f"norm is {norm:g}", accepted="1, 2, inf")

    def score(seen: Seen) -> Tensor:
        sizes = (seen.images - own_rows(images, seen)).flatten(1).abs()
        if norm == 1:
            return sizes.sum(1)
        if norm == 2:
            square = sizes.square().sum(1)
            return torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)
        return sizes.amax(1)

    return Term(f"distance(images, L{norm:g})", score)


def squared_distance(centre: float | Tensor) -> Objective:
    """The squared L2 distance of the image from a grey value, or from images (N, C, H, W), in pixel units."""

    def score(seen: Seen) -> Tensor:
        middle = centre[seen.rows] if isinstance(centre, Tensor) else centre
        return (seen.images - middle).flatten(1).square().sum(1)

    return Term(f"squared_distance({'images' if isinstance(centre, Tensor) else f'{centre:g}'})", score)


def weighted_distance(images: Tensor, weights: Tensor) -> Objective:
    """The mean over values of a weight times the squared difference from images.

    Args:
        images: (N, C, H, W), or (1, C, H, W) for all.
        weights: (N, C, H, W), or with sizes of 1 that stand for all, such as (N, 1, H, W).

    Source: Ruder et al. 2016, section 4.2, with their ``D`` the number of values.
    """

    def score(seen: Seen) -> Tensor:
        difference = seen.images - own_rows(images, seen).to(seen.images)
        return (own_rows(weights, seen).to(difference) * difference.square()).flatten(1).mean(1)

    return Term("weighted_distance(images)", score)
