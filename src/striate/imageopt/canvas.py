"""Canvases: how free numbers become an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from striate.core.rng import Rng

from .region import Region


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
