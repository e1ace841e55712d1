"""What is added to images: a difference of each image's own, or one that all share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Ball, BallInBox, Box, Region

_HALVINGS = 25  # from pulling back by 2**-24 on to pulling back wholly


@dataclass(frozen=True, eq=False)
class Delta:
    """Images plus free numbers, clamped to [0, 1].

    The start reproduces images to rounding; a shared difference starts as the mean of the images' own.

    Args:
        images: What is added to, (N, C, H, W) in [0, 1].
        shared: Whether one difference (1, C, H, W) serves all images: a universal perturbation.

    Source: Szegedy et al. 2014, section 4; shared: Moosavi-Dezfooli et al. 2017, section 3.
    """

    images: Tensor
    shared: bool = False

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return "a difference that all images share" if self.shared else "differences from images"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """The differences from what is added to; nothing is random."""
        del ids, rng
        if images.shape != self.images.shape:
            raise StriateError(
                f"start of shape {tuple(images.shape)} for differences from {tuple(self.images.shape)}",
                accepted="the same shape",
            )
        own = images - self.images
        return own.mean(0, keepdim=True) if self.shared else own

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The sums, clamped; one row of ``z`` counts for all rows."""
        return (self.images[rows] + z).clamp(0.0, 1.0)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Differences whose images lie in the region.

        Each image's own: the region's nearest point. Shared: in a ball about the images the nearest difference of at
        most the smallest radius (the box is kept by clamping); other regions have no shared nearest point and are
        refused. Where rounding of the sum would leave the region, the difference is shortened until it does not; a
        shared one in a ball about the images within [0, 1] is held at a radius less the most that rounding can add, so
        that no image needs to be looked at.
        """
        if self.shared:
            held = self._shared(z, region)
            every = torch.arange(len(self.images), device=z.device)
            return held if self._surely_inside(region) else self._inside(held, region, every)
        base = self.images[rows]
        return self._inside(region.project(base + z, rows) - base, region, rows)

    def _shared(self, z: Tensor, region: Region) -> Tensor:
        if isinstance(region, Box) and region.low <= 0 and region.high >= 1:
            return z
        ball = region.ball if isinstance(region, BallInBox) else region
        holds_box = not isinstance(region, BallInBox) or (region.box.low <= 0 and region.box.high >= 1)
        if not isinstance(ball, Ball) or not holds_box:
            raise StriateError(
                f"the canvas ({self.words}) cannot be projected onto {region.words}",
                accepted="a ball about the images, alone or within [0, 1], or that box",
            )
        radius = float(ball.radii.min())
        if self._surely_inside(region):
            radius = max(0.0, radius - _rounding(z, ball.norm))
        zero = replace(ball, centre=torch.zeros_like(z), radius=radius)
        return zero.project(z, torch.zeros(1, dtype=torch.int64, device=z.device))

    def _surely_inside(self, region: Region) -> bool:
        """Whether a shared difference within the radius less `_rounding` keeps every image inside."""
        if isinstance(region, Box):
            return region.low <= 0 and region.high >= 1
        if not isinstance(region, BallInBox) or (region.box.low, region.box.high) != (0, 1):
            return False
        return region.ball.centre is self.images or torch.equal(region.ball.centre, self.images)

    def _inside(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        for halving in range(_HALVINGS):
            outside = ~region.contains(self.paint(z, rows), rows)
            if not bool(outside.any()):
                return z
            pulled = z * (1.0 - 2.0 ** (halving + 1 - _HALVINGS))
            z = pulled if self.shared else torch.where(outside.view(-1, *[1] * (z.ndim - 1)), pulled, z)
        if not bool(region.contains(self.paint(z, rows), rows).all()):
            raise StriateError(f"an image that is added to lies outside of {region.words}", accepted="images inside")
        return z


def _rounding(z: Tensor, norm: float) -> float:
    """The most by which rounding of ``x + z``, clamped to [0, 1], can lengthen the difference from x in a norm.

    Each value is off by at most half the spacing of numbers below 1; where z is 0 the sum is exact, so L0 stays.
    """
    if norm == 0:
        return 0.0
    each = torch.finfo(z.dtype).eps / 4
    return each if math.isinf(norm) else each * float(z[0].numel() ** (1 / norm))
