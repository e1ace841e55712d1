"""Nearest points of balls within a box: the one-dimensional searches behind the projections, on rows (n, D) of float64.

``size`` is how far each coordinate is from the centre, at least 0, and ``room`` how far the box lets it go that way.
Each gives how far it goes, from 0 to the smaller of the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .direction import ranks


def step_l2(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The steps of least squared distance to ``size`` with an L2 norm of at most the radius (n,).

    They are ``min(s * size, room)`` with the largest s in [0, 1] that the radius allows (s = 1 / (1 + multiplier), from
    the stationarity of the Lagrangian).
    """
    return torch.minimum(_largest_scale(size, room, radius)[:, None] * size, room)


def _largest_scale(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The largest s in [0, 1] with ``||min(s * size, room)||_2 <= radius``, for each row of (n, D); exact.

    Each round takes the coordinates that have met their room as fixed and solves for the rest in closed form. That s
    is never too large, never falls, and settles once no further coordinate is met, after at most D rounds.
    """
    length = size.square().sum(1).sqrt()
    s = (radius / torch.where(length > 0, length, 1.0)).clamp(max=1.0)
    s = torch.where(length > 0, s, 1.0)
    while True:
        met = s[:, None] * size >= room
        fixed = torch.where(met, room, 0.0).square().sum(1)
        free = torch.where(met, 0.0, size).square().sum(1)
        left = (radius.square() - fixed).clamp(min=0.0)
        raised = torch.where(free > 0, (left / torch.where(free > 0, free, 1.0)).sqrt(), 1.0).clamp(max=1.0)
        if not bool((raised > s * (1 + 2.0**-50)).any()):
            return s
        s = torch.maximum(s, raised)


def step_l1(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The steps of least squared distance to ``size`` with an L1 norm of at most the radius (n,).

    They are ``clamp(size - m, 0, room)`` with the smallest multiplier m >= 0 that the radius allows. Their sum falls
    with m along straight lines that bend where a coordinate leaves its room or reaches 0: sorting those places gives
    the line, and m on it in closed form.

    Source: Duchi et al. 2008, sections 3 and 4, for the ball; with the box Croce & Hein 2021, section 2.
    """
    whole = torch.minimum(size, room).sum(1)
    bends = torch.cat([size, (size - room).clamp(min=0.0)], 1)
    turns = torch.cat([torch.ones_like(size), -torch.ones_like(size)], 1)
    places, order = bends.sort(dim=1, descending=True)
    slopes = turns.gather(1, order).cumsum(1)
    after = torch.cat([places[:, 1:], torch.zeros_like(places[:, :1])], 1)
    sums = (slopes * (places - after)).cumsum(1)  # of the steps, at the lower end of each line
    at = (sums < radius[:, None]).sum(1, keepdim=True).clamp(max=places.shape[1] - 1)
    over = sums.gather(1, at).squeeze(1) - radius
    slope = slopes.gather(1, at).squeeze(1)
    multiplier = after.gather(1, at).squeeze(1) + over / torch.where(slope > 0, slope, 1.0)
    multiplier = torch.where(whole <= radius, 0.0, multiplier)
    step = torch.minimum((size - multiplier[:, None]).clamp(min=0.0), room)
    total = step.sum(1)  # a radius far below the sizes drowns in the rounding of the multiplier
    return step * torch.where(total > radius, radius / torch.where(total > 0, total, 1.0), 1.0)[:, None]


def chosen_l0(size: Tensor, room: Tensor, count: Tensor, channels: int) -> Tensor:
    """Which coordinates may differ, so that at most ``count`` (n,) pixels do and the squared distance is least.

    Those whose pixels gain most: a coordinate that goes as far as its room allows instead of staying saves
    ``size^2 - (size - step)^2``, a pixel the sum over its ``channels`` coordinates. Among equals the first.
    """
    step = torch.minimum(size, room)
    gain = (step * (2 * size - step)).reshape(len(size), channels, -1).sum(1)
    chosen = ranks(gain) < count[:, None]
    return chosen[:, None].expand(-1, channels, -1).flatten(1)
