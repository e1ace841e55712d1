"""Thresholds of units: the activation that a given share of all places is above, exactly, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError

_ROUNDING = 1e-5  # interpolation between equal values gives them again but for this share


class TopShare:
    """The largest activations of each unit, from which the threshold of its share is read; filled chunk by chunk.

    Of n places in all the floor(share n) highest are above the threshold, which is the next one: exact, whatever the
    chunks. A unit that is at its highest value in more places than that (a saturated one, a mask) is on in all of
    them; one that never changes is never on. It holds units x (share n + 1) numbers.

    >>> top = TopShare(units=1, places=10, share=0.2)
    >>> top.add(torch.arange(10.0).view(1, 10))
    >>> top.thresholds()
    tensor([7.])
    """

    def __init__(self, *, units: int, places: int, share: float) -> None:
        if not 0 < share < 1:
            raise StriateError(f"share is {share}", accepted="a share of places between 0 and 1, such as 0.005")
        self.keep = int(share * places + 1e-9) + 1
        self.held = torch.empty(units, 0)
        self.least = torch.full((units,), torch.inf)

    def add(self, values: Tensor) -> None:
        """More places, (units, places)."""
        new = values.topk(min(self.keep, values.shape[1]), dim=1, sorted=False).values.float().cpu()
        self.least = torch.minimum(self.least, values.amin(1).float().cpu())
        both = torch.cat([self.held, new], 1)
        self.held = both if both.shape[1] <= self.keep else both.topk(self.keep, dim=1, sorted=False).values

    def thresholds(self) -> Tensor:
        """(units,) float32: `a` is on where it is above."""
        bars, most = self.held.amin(1), self.held.amax(1)
        just_below = most - _ROUNDING * torch.maximum(most.abs(), most - self.least)
        return torch.where((bars == most) & (self.least < most), just_below, bars)
