"""A few pixels of images, chosen by free positions and painted in free colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Ball, BallInBox, Box, Region

from .pixels import check_box


@dataclass(frozen=True, eq=False)
class ChosenPixels:
    """Free numbers (N, k, 2 + C) in [0, 1]: for each of k pixels its place down and across, as shares, and its colour.

    Later pixels cover earlier ones. The start takes random places, drawn for each image by its id, in the colours that
    the image has there, so that it reproduces images: exactly, or to rounding where places are not rounded.

    Args:
        images: What is painted on, (N, C, H, W) in [0, 1].
        count: How many pixels, k.
        rounded: Whether a place is the one pixel it falls into: exactly k pixels change and places have no gradient,
            which is for searches without one. Otherwise a pixel is shared out bilinearly among the four around it, and
            places have a gradient.

    Source: Su et al. 2019, section III (there rounded, with differential evolution).
    """

    images: Tensor
    count: int = 1
    rounded: bool = True

    def __post_init__(self) -> None:
        most = self.images.shape[-1] * self.images.shape[-2]
        if not 1 <= self.count <= most:
            raise StriateError(f"{self.count} chosen pixels", accepted=f"1 to {most}, all of an image")

    @property
    def words(self) -> str:
        """What the free numbers are."""
        plural = "s" if self.count > 1 else ""
        return f"{self.count} chosen pixel{plural}{'' if self.rounded else ', shared out bilinearly'}"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Random places in the colours of the images there."""
        height, width = images.shape[-2:]
        down = rng.child("down").integers(ids.cpu(), (self.count,), high=height).to(images.device)
        across = rng.child("across").integers(ids.cpu(), (self.count,), high=width).to(images.device)
        every = torch.arange(len(images), device=images.device)[:, None]
        places = torch.stack([(down.to(images) + 0.5) / height, (across.to(images) + 0.5) / width], -1)
        return torch.cat([places, images[every, :, down, across]], -1)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images with these pixels in them."""
        base = self.images[rows]
        if self.rounded:
            return self._covered(base, z)
        for place, colour in zip(z[:, :, :2].unbind(1), z[:, :, 2:].unbind(1), strict=True):
            share = self._shares(place, base)[:, None]
            base = base * (1.0 - share) + colour[:, :, None, None] * share
        return base.clamp(0.0, 1.0)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """All numbers in [0, 1], for that box; where places are rounded also for L0 balls that allow so many pixels.

        Other regions cannot be projected onto.
        """
        ball = region.ball if isinstance(region, BallInBox) else region
        if self.rounded and isinstance(ball, Ball) and ball.norm == 0:
            need = self.count * (self.images.shape[1] if ball.values else 1)
            if float(ball.radii[rows].min()) < need:
                raise StriateError(f"{self.words} in {region.words}", accepted=f"a radius of at least {need}")
            region = region.box if isinstance(region, BallInBox) else Box()
        check_box(region, self.words)
        return z.clamp(0.0, 1.0)

    def _covered(self, base: Tensor, z: Tensor) -> Tensor:
        """The images with each pixel's colour where its place falls."""
        every = torch.arange(len(base), device=base.device)
        down, across = (
            (z[:, :, axis].detach() * side).floor().long().clamp(0, side - 1)
            for axis, side in enumerate(base.shape[-2:])
        )
        for place in range(self.count):
            base[every, :, down[:, place], across[:, place]] = z[:, place, 2:]
        return base.clamp(0.0, 1.0)

    def _shares(self, place: Tensor, images: Tensor) -> Tensor:
        """How much of a pixel's colour each pixel of the images takes, bilinearly, (n, H, W)."""
        parts = []
        for axis, side in enumerate(images.shape[-2:]):
            near = (place[:, axis, None] * side).clamp(0.5, side - 0.5)
            pixels = torch.arange(side, device=place.device) + 0.5
            parts.append((1.0 - (near - pixels).abs()).clamp_min(0.0))
        return parts[0][:, :, None] * parts[1][:, None, :]
