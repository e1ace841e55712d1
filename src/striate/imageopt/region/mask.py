"""Regions in which only some of the values may change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .ball import Ball, BallInBox
from .box import UNIT, Box


@dataclass(frozen=True, eq=False)
class Mask:
    """The images of a box or ball that equal the centre outside of a mask; the projection is exact.

    Args:
        centre: Images (N, C, H, W), one a row.
        free: Where an image may change: bool (N, C, H, W), or with sizes of 1 that stand for all, such as
            (N, 1, H, W) or (1, 1, H, W).
        within: The box, or a ball about the same centre, alone or in a box; other sets take an `Intersection`.

    Raises:
        StriateError: The mask is not bool or does not fit the images, or the ball has another centre.
    """

    centre: Tensor
    free: Tensor
    within: Box | Ball | BallInBox = UNIT

    def __post_init__(self) -> None:
        sizes = zip(self.free.shape, self.centre.shape, strict=False)
        fits = self.free.ndim == self.centre.ndim and all(mine in {1, theirs} for mine, theirs in sizes)
        if self.free.dtype != torch.bool or not fits:
            raise StriateError(
                f"mask is {self.free.dtype} {tuple(self.free.shape)} for images {tuple(self.centre.shape)}",
                accepted="bool, of the images' shape or with sizes of 1",
            )
        ball = self.within.ball if isinstance(self.within, BallInBox) else self.within
        if isinstance(ball, Ball) and not torch.equal(ball.centre, self.centre):
            raise StriateError(
                "the mask's images are not the ball's centre", accepted="one centre", hint="use an Intersection"
            )
        if isinstance(ball, Box):
            BallInBox(Ball(self.centre, 0.0), ball)  # tells a centre that is outside of the box

    @property
    def words(self) -> str:
        """What the set is."""
        share = float(self.free.expand_as(self.centre).double().mean())
        return f"{self.within.words}, only {100 * share:.3g} % of the values free"

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The argmin of ``||y - x||_2`` over y in ``within`` with y = centre outside of the mask.

        The values outside are set to the centre, then ``within`` projects. That is exact, for a value without a
        difference uses up nothing of a ball and stays.
        """
        return self.within.project(self._masked(x, rows), rows)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether an image is in ``within`` and every value outside of the mask is exactly the centre's."""
        same = ((x == self.centre[rows]) | self._free(rows)).flatten(1).all(1)
        return same & self.within.contains(x, rows)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The argmax of ``<grad, d>`` over ``||d|| <= 1`` in the norm of ``within``, d = 0 outside of the mask."""
        return self.within.steepest(torch.where(self._free(rows), grad, 0.0), rows)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """A random point of ``within``, its values outside of the mask set to the centre."""
        return self._masked(self.within.sample(x, rows, ids=ids, rng=rng), rows)

    def _free(self, rows: Tensor) -> Tensor:
        return self.free if len(self.free) == 1 else self.free[rows]

    def _masked(self, x: Tensor, rows: Tensor) -> Tensor:
        return torch.where(self._free(rows), x, self.centre[rows])
