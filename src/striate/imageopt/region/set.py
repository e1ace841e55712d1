"""What a region is to a search."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from striate.core.rng import Rng


class Region(Protocol):
    """A set of images for each row; ``rows`` says which rows ``x`` (n, C, H, W) holds."""

    @property
    def words(self) -> str:
        """What the set is, as one says it."""

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The nearest point of the set: argmin of ``||y - x||_2`` over y in it."""

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether each image is inside, without tolerance, shape (n,)."""

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The direction of steepest ascent in the norm of the set: argmax of ``<grad, d>`` over ``||d|| <= 1``."""

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """A random point of the set for each row, shaped like ``x``; row i depends on ``ids[i]`` alone."""
