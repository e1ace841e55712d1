"""Views: random differentiable transforms under which an objective is to stay high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng


class View(Protocol):
    """A random transform; what it draws for an image depends on (seed, image id, step) alone."""

    @property
    def words(self) -> str:
        """What it does."""

    def __call__(self, images: Tensor, ids: Tensor, *, step: int, rng: Rng) -> Tensor:
        """The transformed images, of the same shape; ``ids`` (n,) are those of the images given."""


@dataclass(frozen=True)
class Jitter:
    """Shift by up to so many pixels along each axis; what enters at an edge mirrors what is there.

    Source: Mordvintsev et al. 2015 ("jitter"), who wrap around instead.
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise StriateError(f"pixels is {self.pixels}", accepted="at least 0")

    @property
    def words(self) -> str:
        """What it does."""
        return f"jitter by up to {self.pixels} px"

    def __call__(self, images: Tensor, ids: Tensor, *, step: int, rng: Rng) -> Tensor:
        """Each image at its own shift."""
        if self.pixels == 0:
            return images
        height, width = images.shape[-2:]
        if self.pixels >= min(height, width):
            raise StriateError(f"jitter of {self.pixels} px on {height} x {width} images", accepted="less than a side")
        padded = F.pad(images, (self.pixels,) * 4, mode="reflect")
        shifts = rng.child("jitter").integers(ids.cpu(), (2,), high=2 * self.pixels + 1, step=step).tolist()
        shifted = [
            image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, shifts, strict=True)
        ]
        return torch.stack(shifted)


@dataclass(frozen=True)
class Chain:
    """Views one after the other."""

    views: tuple[View, ...]

    @property
    def words(self) -> str:
        """What they do."""
        return ", ".join(view.words for view in self.views)

    def __call__(self, images: Tensor, ids: Tensor, *, step: int, rng: Rng) -> Tensor:
        """Through all of them; two of a kind draw apart."""
        for place, view in enumerate(self.views):
            images = view(images, ids, step=step, rng=rng.child(str(place)))
        return images
