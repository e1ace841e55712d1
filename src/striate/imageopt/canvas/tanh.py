"""Pixels behind a hyperbolic tangent, which never leave their box."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import check_box


@dataclass(frozen=True)
class TanhBox:
    """Pixels as ``low + (high - low) (tanh(z) + 1) / 2``: unbounded free numbers, images inside the box.

    The start is the exact inverse, so it reproduces images to rounding; values at an edge begin the share ``hair``
    inside of it, off by at most half of that share of the box, since the edge itself lies at infinity.

    Source: Carlini & Wagner 2017, section V-B.
    """

    low: float = 0.0
    high: float = 1.0
    hair: float = 1e-6

    def __post_init__(self) -> None:
        if not self.low < self.high or not 0 < self.hair < 1:
            raise StriateError(
                f"tanh box [{self.low:g}, {self.high:g}], {self.hair:g} inside", accepted="low < high, 0 < hair < 1"
            )

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"tanh box [{self.low:g}, {self.high:g}]"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """The inverse hyperbolic tangent of the images; nothing is random."""
        del ids, rng
        share = (images - self.low) * (2.0 / (self.high - self.low)) - 1.0
        return share.clamp(self.hair - 1.0, 1.0 - self.hair).atanh()

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images in the box."""
        del rows
        return (self.low + (self.high - self.low) * ((z.tanh() + 1.0) / 2.0)).clamp(self.low, self.high)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """The numbers themselves, for a box that holds this one; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words, self.low, self.high)
        return z
