"""Intersections without a formula: alternating projections, with a stated residual."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of
from striate.core.rng import Rng

from .ball import Ball, BallInBox
from .direction import per_image
from .mask import Mask
from .set import Region

HALVINGS = 40  # of the way towards the inner images; float32 tells 24 apart


@dataclass(frozen=True, eq=False)
class Intersection:
    """The images that lie in several convex regions at once.

    Args:
        parts: At least two boxes, masks or balls of norm 1, 2 or infinity.
        inner: Images (N, C, H, W) in all of them, one a row; the nearer to the middle the better.
        rounds: Rounds of projections at most.
        tolerance: A round that moves an image by no more (L2) is its last; float32 images of 224 px tell 6e-5 apart.

    Raises:
        StriateError: A part is an L0 ball, which is not convex, or an inner image is outside of a part.
    """

    parts: tuple[Region, ...]
    inner: Tensor
    rounds: int = 200
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise StriateError(f"an intersection of {len(self.parts)}", accepted="at least two regions")
        every = torch.arange(len(self.inner), device=self.inner.device)
        for part in self.parts:
            if _counts(part):
                raise StriateError(f"an intersection with the {part.words}", accepted="convex regions: norm 1, 2, inf")
            outside = ~part.contains(self.inner, every)
            if bool(outside.any()):
                row = int(outside.nonzero()[0])
                raise StriateError(f"inner image {row} is outside of {part.words}", accepted="images in every part")

    @property
    def words(self) -> str:
        """What the set is."""
        return " and ".join(part.words for part in self.parts)

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The argmin of ``||y - x||_2`` over y in every part, up to the tolerance: Dykstra's alternating projections.

        They converge to the argmin from outside, so in the end an image that is not yet in every part is drawn towards
        its inner image until it is, without tolerance. `residual` tells how far that was.

        Source: Boyle & Dykstra 1986.
        """
        return self._drawn_in(self._alternated(x, rows), rows)

    def residual(self, x: Tensor, rows: Tensor) -> Tensor:
        """L2 distance (n,) between the projection of ``x`` and where the alternating projections ended.

        The true nearest point is no further than this and the tolerance's remainder from the projection.
        """
        ended = self._alternated(x, rows)
        return norm_of(self._drawn_in(ended, rows).to(torch.float64) - ended.to(torch.float64), 2.0)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether an image lies in every part, without tolerance."""
        return torch.stack([part.contains(x, rows) for part in self.parts]).all(0)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The direction of the first part's norm."""
        return self.parts[0].steepest(grad, rows)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """A random point of the first part, brought into the others."""
        return self.project(self.parts[0].sample(x, rows, ids=ids, rng=rng), rows)

    def _alternated(self, x: Tensor, rows: Tensor) -> Tensor:
        y = x.clone()
        corrections = [torch.zeros_like(x) for _ in self.parts]
        left = torch.arange(len(x), device=x.device)
        for _ in range(self.rounds):
            before = y[left]
            for part, correction in zip(self.parts, corrections, strict=True):
                wanted = y[left] + correction[left]
                y[left] = part.project(wanted, rows[left])
                correction[left] = wanted - y[left]
            left = left[norm_of(y[left] - before, 2.0) > self.tolerance]
            if len(left) == 0:
                break
        return y

    def _drawn_in(self, y: Tensor, rows: Tensor) -> Tensor:
        """The last point on the way from the inner image that is in every part, by halving."""
        inside = self.contains(y, rows)
        if bool(inside.all()):
            return y
        inner = self.inner[rows].to(y.dtype)
        result = torch.where(per_image(inside, y), y, inner)
        low, high = inside.to(y.dtype), torch.ones_like(inside, dtype=y.dtype)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            tried = inner + per_image(middle, y) * (y - inner)
            good = self.contains(tried, rows) & ~inside
            result = torch.where(per_image(good, y), tried, result)
            low, high = torch.where(good, middle, low), torch.where(good, high, middle)
        return result


def _counts(part: Region) -> bool:
    """Whether an L0 ball is in it."""
    if isinstance(part, Intersection):
        return any(_counts(inner) for inner in part.parts)
    whole = part.within if isinstance(part, Mask) else part
    ball = whole.ball if isinstance(whole, BallInBox) else whole
    return isinstance(ball, Ball) and ball.norm == 0
