"""The pixels themselves, and few of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from striate.core.progress import Step, idle

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

SIDE = 16


@dataclass(frozen=True)
class Pixels:
    """Every pixel of every channel, row after row."""

    width: int
    said: str

    def __call__(self, images: Tensor) -> Tensor:
        """The pixels (N, C H W)."""
        return images.flatten(1).float()


@dataclass(frozen=True)
class Tiny:
    """A small picture without its mean, of unit length (a picture of one colour has length 0)."""

    side: int
    width: int
    said: str

    def __call__(self, images: Tensor) -> Tensor:
        """The pixels of the small pictures, (N, C side side)."""
        small = F.interpolate(images.float(), (self.side, self.side), mode="bilinear", antialias=True).flatten(1)
        centred = small - small.mean(1, keepdim=True)
        # rounding leaves about 1e-7 of a picture of one colour, which is not to be blown up
        return F.normalize(centred, dim=1, eps=1e-4)


def pixels(train: Dataset, *, seed: int, memory: int, step: Step = idle) -> Pixels:
    """Every pixel."""
    del seed, memory, step
    height, width = train.size or (0, 0)
    return Pixels(train.channels * height * width, f"{height} x {width} pixels, {train.channels} channels")


def tiny(train: Dataset, *, seed: int, memory: int, step: Step = idle) -> Tiny:
    """A picture of 16 x 16 pixels, its mean taken off, brought to unit length.

    Source: Torralba, Fergus & Freeman 2008, section 4 (32 x 32 there; 16 x 16 for pictures that are small already).
    """
    del seed, memory, step
    side = min(SIDE, *(train.size or (SIDE, SIDE)))
    return Tiny(side, train.channels * side * side, f"{side} x {side} pixels without their mean, unit length")
