"""The nearest point of a hyperplane within a box, in L1, L2 and Linf: the step of attacks that look for a boundary."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.errors import StriateError

from .box import UNIT, Box


def step_to_hyperplane(x: Tensor, normal: Tensor, gap: Tensor, norm: float, *, box: Box = UNIT) -> Tensor:
    """The argmin of ``||d||`` over ``<normal, d> = gap`` and low <= x + d <= high, image by image.

    Where no point of the box lies on the hyperplane, the corner of the box that comes nearest to it.

    Every coordinate goes towards the hyperplane, that is with the sign of ``gap * normal``, and gains the size of
    its normal times its way. With ``room`` as far as the box lets it go that way, it goes ``min(m, room)`` in Linf and
    ``min(m * |normal|, room)`` in L2 (stationarity of the Lagrangian), where one multiplier m brings the whole gain; in
    L1 the coordinates of the largest normal go as far as their room until the gain is brought.

    Args:
        x: Points (n, ...) of the box.
        normal: Normals of the hyperplanes, shaped like ``x``.
        gap: By how much ``<normal, x>`` has to change, (n,), of either sign.
        norm: 1, 2 or infinity.
        box: Values lie in it.

    Source: Croce & Hein 2020, appendix A (of the attack FAB), for the cube; m comes from sorting where coordinates
    meet their room, in float64.
    """
    flat, slope = x.to(torch.float64).flatten(1), normal.to(torch.float64).flatten(1)
    towards = slope.sign() * gap.to(torch.float64).sign()[:, None]
    room = torch.where(towards > 0, box.high - flat, flat - box.low).clamp(min=0.0)
    size, gain = slope.abs(), gap.to(torch.float64).abs()
    if math.isinf(norm):
        way = torch.minimum(_level(size, room, gain)[:, None], room)
    elif norm == 2:
        met = room / torch.where(size > 0, size, 1.0)
        level = _level(size.square(), torch.where(size > 0, met, 0.0), gain)
        way = torch.minimum(level[:, None] * size, room)
    elif norm == 1:
        way = _greedy(size, room, gain)
    else:
        raise StriateError(f"norm is {norm:g}", accepted="1, 2, inf: directions have no length in L0")
    return (towards * way).to(x.dtype).view_as(x)


def _level(weight: Tensor, met: Tensor, gain: Tensor) -> Tensor:
    """The m with ``sum(weight * min(m, met)) = gain`` for each row of (n, D); the largest ``met`` where none is.

    The sum rises with m along straight lines that bend at every ``met``: sorted, the line that crosses gives m.
    """
    places, order = met.sort(1)
    heavy = weight.gather(1, order)
    below = (heavy * places).cumsum(1)  # of the coordinates that have met
    left = (heavy.sum(1, keepdim=True) - heavy.cumsum(1)).clamp(min=0.0)
    reached = below + left * places  # the sum at m = each place
    at = (reached < gain[:, None]).sum(1, keepdim=True)
    last = places.shape[1] - 1
    before = (at - 1).clamp(min=0)
    fixed = torch.where(at > 0, below.gather(1, before), 0.0)
    slope = torch.where(at > 0, left.gather(1, before), heavy.sum(1, keepdim=True))
    level = (gain[:, None] - fixed) / torch.where(slope > 0, slope, 1.0)
    limit = places.gather(1, at.clamp(max=last))
    return torch.where((at > last) | (slope <= 0), limit, torch.minimum(level, limit)).squeeze(1).clamp(min=0.0)


def _greedy(size: Tensor, room: Tensor, gain: Tensor) -> Tensor:
    """How far coordinates go if those of the largest weight go first, until the gain is brought."""
    heavy, order = size.sort(dim=1, descending=True, stable=True)
    ways = room.gather(1, order)
    before = (heavy * ways).cumsum(1) - heavy * ways
    left = (gain[:, None] - before).clamp(min=0.0)
    ways = torch.minimum(ways, left / torch.where(heavy > 0, heavy, 1.0))
    return torch.zeros_like(ways).scatter(1, order, torch.where(heavy > 0, ways, 0.0))
