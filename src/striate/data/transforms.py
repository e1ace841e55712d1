"""Random changes of whole batches of small images; what an image draws hangs on (seed, its id, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng


class Transform(Protocol):
    """A frozen value that changes a batch of images (n, C, H, W) into another of the same shape."""

    def __call__(self, images: Tensor, ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
        """The changed images; equal ids, seed and step give equal changes, whatever the batch."""


@dataclass(frozen=True)
class RandomFlip:
    """Left and right swapped, in a share of the images.

    Attributes:
        share: Probability in [0, 1] that an image is mirrored.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise StriateError(f"share is {self.share}", accepted="a number from 0 to 1")

    def __call__(self, images: Tensor, ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
        """The images, some of them mirrored."""
        swapped = rng.child("flip").uniform(ids, step=step).to(images.device) < self.share
        return torch.where(swapped[:, None, None, None], images.flip(3), images)


@dataclass(frozen=True)
class RandomCrop:
    """A window of the image's own size, cut at a random place after padding every side.

    Attributes:
        padding: Pixels added at each side.
        fill: What they hold: ``"black"``, the nearest ``"edge"`` pixel, or the picture mirrored (``"reflect"``).
    """

    padding: int = 4
    fill: Literal["black", "edge", "reflect"] = "reflect"

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise StriateError(f"padding is {self.padding}", accepted="a whole number of at least 0")
        if self.fill not in {"black", "edge", "reflect"}:
            raise StriateError(f"fill is {self.fill!r}", accepted="black, edge, reflect")

    def __call__(self, images: Tensor, ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
        """The images, each moved by its own number of whole pixels, at most ``padding`` a side."""
        count, _, height, width = images.shape
        if self.fill == "reflect" and self.padding >= min(height, width):
            raise StriateError(
                f"padding {self.padding} by reflection of {width}x{height} pixels", accepted="less than a side"
            )
        moves = rng.child("crop").integers(ids, (2,), low=-self.padding, high=self.padding + 1, step=step)
        moves = moves.to(images.device)
        rows, row_inside = self._places(height, moves[:, 0])
        columns, column_inside = self._places(width, moves[:, 1])
        which = torch.arange(count, device=images.device)[:, None, None]
        # channels go last, so that one index picks whole pixels
        moved = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.fill != "black":
            return moved
        inside = row_inside[:, :, None] & column_inside[:, None, :]
        return moved * inside[:, None].to(images.dtype)

    def _places(self, side: int, moves: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(side, device=moves.device)[None] + moves[:, None]
        inside = (places >= 0) & (places < side)
        if self.fill == "reflect":
            places = (side - 1) - ((side - 1) - places.abs()).abs()
        return places.clamp(0, side - 1), inside


def transformed(images: Tensor, ids: Tensor, transforms: Sequence[Transform], *, seed: int, step: int = 0) -> Tensor:
    """The images after every transform in turn, each with draws of its own."""
    for number, transform in enumerate(transforms):
        images = transform(images, ids, Rng(seed, f"transform {number}"), step=step)
    return images
