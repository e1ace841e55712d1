"""How often each colour occurs, wherever it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.progress import Step, idle

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

BINS = {1: 32, 3: 8}  # a channel, by the number of channels


@dataclass(frozen=True)
class Colours:
    """Joint histogram of the channels; roots of the shares, so that every code has unit length."""

    channels: int
    bins: int
    width: int
    said: str

    def __call__(self, images: Tensor) -> Tensor:
        """The histograms (N, bins ^ C)."""
        places = (images * self.bins).floor().clamp(0, self.bins - 1).long().flatten(2)
        joint = torch.zeros_like(places[:, 0])
        for channel in range(self.channels):
            joint = joint * self.bins + places[:, channel]
        shares = torch.zeros(len(images), self.width)
        shares.scatter_add_(1, joint, torch.full(joint.shape, 1.0 / joint.shape[1]))
        return shares.sqrt()


def colours(train: Dataset, *, seed: int, memory: int, step: Step = idle) -> Colours:
    """A joint histogram of 8 x 8 x 8 colours in RGB, or of 32 greys.

    The product of two codes is the Bhattacharyya coefficient of the two histograms.

    Source: Swain & Ballard 1991, section 2.1 (their axes are opponent colours, and they compare by intersection).
    """
    del seed, memory, step
    bins = BINS[train.channels]
    kind = f"{bins} x {bins} x {bins} colours, RGB" if train.channels == 3 else f"{bins} greys"
    return Colours(train.channels, bins, bins**train.channels, f"histogram of {kind}, roots of shares")
