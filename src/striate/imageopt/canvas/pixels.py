"""What a canvas is, and the plain one: pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Box, Region


class Canvas(Protocol):
    """A differentiable map from free numbers ``z`` to images; ``rows`` says which rows ``z`` (n, ...) holds."""

    @property
    def words(self) -> str:
        """What the free numbers are."""

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Free numbers (N, ...) whose images are the given ones, or as near as the canvas gets."""

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images (n, C, H, W) of these free numbers."""

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Free numbers whose images lie in the region, nearest to the given ones.

        Raises:
            StriateError: The canvas cannot be projected onto such a region.
        """


@dataclass(frozen=True)
class Pixels:
    """The free numbers are the pixels."""

    words: str = "pixels"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:  # noqa: ARG002
        """The images themselves."""
        return images.clone()

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The numbers themselves."""
        return z

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """The projection of the region."""
        return region.project(z, rows)


def check_box(region: Region, words: str, low: float = 0.0, high: float = 1.0) -> None:
    """For canvases whose images cannot leave [low, high]: raises where the region is not a box that holds it."""
    if not isinstance(region, Box) or region.low > low or region.high < high:
        raise StriateError(
            f"the canvas ({words}) cannot be projected onto {region.words}",
            accepted=f"a box that holds [{low:g}, {high:g}], which it never leaves",
            hint="the canvas Pixels for other regions, or a penalty such as squared_distance in the objective",
        )
