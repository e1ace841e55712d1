"""Balls about images, alone and within a box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of
from striate.core.rng import Rng

from .box import UNIT, Box
from .direction import per_image, ranks, sparse_direction, steepest_direction
from .nearest import chosen_l0, step_l1, step_l2

# How much of a radius is given up so that no rounding can exceed it: neither that of a difference taken in the
# images' own precision nor that of the order in which 150,528 squares are added.
SHRINK: dict[torch.dtype, float] = {torch.float32: 2.0**-22, torch.float64: 2.0**-36}
BALLS = (0.0, 1.0, 2.0, math.inf)


@dataclass(frozen=True, eq=False)
class Ball:
    """All images whose difference from the centre has a norm of at most the radius.

    Args:
        centre: Images (N, C, H, W), one a row.
        radius: In pixel units; one number, or a tensor (N,) with one a row. In L0 how many pixels may differ, in
            however many of their channels.
        norm: 0, 1, 2 or infinity.
        share: Share of the values that a step along `steepest` moves in L1; 0 is the largest alone.
        values: Whether L0 counts values, each channel of a pixel by itself, instead of pixels.
    """

    centre: Tensor
    radius: float | Tensor
    norm: float = math.inf
    share: float = 0.0
    values: bool = False

    def __post_init__(self) -> None:
        if self.norm not in BALLS:
            raise StriateError(f"norm of the ball is {self.norm:g}", accepted="0, 1, 2, inf")
        if not bool((self.radii >= 0).all()) or not bool(self.radii.isfinite().all()):
            raise StriateError(f"radius is {float(self.radii.min()):g}", accepted="a finite number of at least 0")
        if not 0 <= self.share <= 1:
            raise StriateError(f"share is {self.share:g}", accepted="0 to 1")
        if self.values and self.norm != 0:
            raise StriateError(f"values are counted in an L{self.norm:g} ball", accepted="norm 0, which counts")

    @cached_property
    def radii(self) -> Tensor:
        """The radius of each row, (N,) float64."""
        return torch.as_tensor(self.radius, dtype=torch.float64, device=self.centre.device).expand(len(self.centre))

    @property
    def words(self) -> str:
        """What the set is."""
        low, high = float(self.radii.min()), float(self.radii.max())
        shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        unit = "" if self.norm != 0 else " values" if self.values else " pixels"
        return f"L{self.norm:g} ball of radius {shown}{unit}"

    def __and__(self, box: Box) -> BallInBox:
        return BallInBox(self, box)

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The argmin of ``||y - x||_2`` over ``||y - centre|| <= radius``.

        Differences are clamped (Linf), scaled (L2), lowered by one amount but not below 0 (L1; Duchi et al. 2008), or
        kept where they are largest (L0).
        """
        return self._alone.project(x, rows)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether the float64 norm of the difference is at most the radius."""
        return self.length(x.to(torch.float64) - self.centre[rows].to(torch.float64)) <= self.radii[rows]

    def length(self, difference: Tensor) -> Tensor:
        """The norm of differences (n, C, H, W) as this ball measures it, (n,) float64."""
        return (difference != 0).flatten(1).sum(1).double() if self.values else norm_of(difference, self.norm)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The argmax of ``<grad, d>`` over ``||d|| <= 1`` in the ball's norm.

        The sign of the gradient (Linf), the gradient over its length (L2), the sign of its largest value (L1; with a
        share, of that share of the values, at an L1 length of 1: `sparse_direction`). In L0, where directions have no
        length, the argmax over directions in as many pixels as the radius whose values lie in [-1, 1]: the signs at
        the pixels where the gradient's sum of absolute values is largest.
        """
        if self.norm == 1 and self.share > 0:
            return sparse_direction(grad, self.share)
        if self.norm == 0:
            channels = self._channels(grad)
            gain = grad.abs().reshape(len(grad), channels, -1).sum(1)
            chosen = (ranks(gain) < self.radii[rows].floor()[:, None])[:, None].expand(-1, channels, -1)
            return grad.sign() * chosen.reshape(grad.shape)
        return steepest_direction(grad, self.norm)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Uniform in the ball; in L0 as many random pixels as the radius, each changed by uniform numbers in [-1, 1).

        L2: a Gaussian direction at a length of ``radius * u ** (1 / dimension)``; L1: exponential lengths over their
        sum and one more (Barthe et al. 2005, "A probabilistic approach to the geometry of the l_p^n-ball").
        """
        shape, mine = x.shape[1:], ids[rows]
        if self.norm == 0:
            return self.project(self.centre[rows] + self._sparse_offset(x, rows, ids=mine, rng=rng), rows)
        radius = per_image(self.radii[rows], x).to(x.dtype)
        if math.isinf(self.norm):
            offset = rng.uniform(mine, shape, low=-1.0, high=1.0).to(x)
        elif self.norm == 1:
            signs = rng.child("signs").signs(mine, shape).to(x)
            lengths = -torch.log1p(-rng.uniform(mine, shape)).to(x)
            beyond = -torch.log1p(-rng.child("length").uniform(mine)).to(x)
            offset = signs * lengths / per_image(lengths.flatten(1).sum(1) + beyond, x).clamp(min=1e-30)
        else:
            direction = steepest_direction(rng.normal(mine, shape).to(x), 2.0)
            length = rng.child("length").uniform(mine).to(x) ** (1 / math.prod(shape))
            offset = direction * per_image(length, x)
        return self.project(self.centre[rows] + radius * offset, rows)

    def _sparse_offset(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        channels = self._channels(x)
        places = rng.child("places").uniform(ids, (x[0].numel() // channels,)).to(x.device)
        chosen = (ranks(places) < self.radii[rows].floor()[:, None])[:, None].expand(-1, channels, -1)
        return rng.uniform(ids, x.shape[1:], low=-1.0, high=1.0).to(x) * chosen.reshape(x.shape)

    def _channels(self, x: Tensor) -> int:
        """How many values count as one in L0."""
        return 1 if self.values else x.shape[1]

    @cached_property
    def _alone(self) -> BallInBox:
        return BallInBox(self, Box(-math.inf, math.inf))


@dataclass(frozen=True, eq=False)
class BallInBox:
    """The images of a ball that also lie in a box which holds its centres; the projection is exact."""

    ball: Ball
    box: Box = UNIT

    def __post_init__(self) -> None:
        every = torch.arange(len(self.ball.centre), device=self.ball.centre.device)
        outside = ~self.box.contains(self.ball.centre, every)
        if bool(outside.any()):
            row = int(outside.nonzero()[0])
            raise StriateError(
                f"image {row} has values from {float(self.ball.centre[row].min()):g} "
                f"to {float(self.ball.centre[row].max()):g}, outside of {self.box.words}",
                accepted=f"images with values in {self.box.words}",
                hint="give pixels; normalisation belongs into the Net",
            )

    @property
    def words(self) -> str:
        """What the set is."""
        return f"{self.ball.words} within {self.box.words}"

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The argmin of ``||y - x||_2`` over ``||y - centre|| <= radius`` and low <= y <= high.

        Values clamped to both (Linf), or the ball's multiplier by one-dimensional search and the box by clamping (L2,
        L1), or the pixels chosen that gain most within the box (L0).
        """
        if math.isinf(self.ball.norm):
            low, high = self._limits
            return torch.clamp(x, low[rows], high[rows])
        if self.ball.norm == 0:
            return self._project_l0(x, rows)
        return self._project_smooth(x, rows)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether an image lies in both."""
        return self.ball.contains(x, rows) & self.box.contains(x, rows)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:
        """The direction of the ball's norm; the box does not count."""
        return self.ball.steepest(grad, rows)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """A random point of the ball, brought into the box."""
        return self.project(self.ball.sample(x, rows, ids=ids, rng=rng), rows)

    @cached_property
    def _limits(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest value of each pixel: the intersection of a cube with a box is a box."""
        centre, radius = self.ball.centre, per_image(self.ball.radii, self.ball.centre)

        def edge(sign: float) -> Tensor:
            wanted = centre.to(torch.float64) + sign * radius
            limit = wanted.clamp(self.box.low, self.box.high).to(centre.dtype)
            while True:
                exact = (limit.to(torch.float64) - centre.to(torch.float64)).abs() > radius
                over = exact | ((limit - centre).abs().to(torch.float64) > radius)
                if not bool(over.any()):
                    return limit
                # By the coarser spacing of the two: near zero that of the limit is too fine to change the difference.
                step = torch.maximum(_spacing(limit), _spacing(radius.to(centre.dtype)))
                limit = torch.where(over, limit - sign * step, limit)

        return edge(-1.0), edge(1.0)

    def _project_smooth(self, x: Tensor, rows: Tensor) -> Tensor:
        """L2 and L1: how far each value goes from the centre, then rounded towards it."""
        centre = self.ball.centre[rows].to(torch.float64).flatten(1)
        offset, size, room = self._offset(x, centre)
        radius = self.ball.radii[rows] * (1 - SHRINK[x.dtype])
        step = (step_l2 if self.ball.norm == 2 else step_l1)(size, room, radius)
        exact = centre + torch.copysign(step, offset)
        near = exact.to(x.dtype)
        further = (near.to(torch.float64) - centre).abs() > step
        near = torch.where(further, torch.nextafter(near, centre.to(x.dtype)), near)
        return near.view_as(x)

    def _project_l0(self, x: Tensor, rows: Tensor) -> Tensor:
        centre = self.ball.centre[rows]
        _, size, room = self._offset(x, centre.to(torch.float64).flatten(1))
        channels = 1 if self.ball.values else x.shape[1]
        chosen = chosen_l0(size, room, self.ball.radii[rows].floor(), channels)
        return torch.where(chosen.view_as(x), x.clamp(self.box.low, self.box.high), centre)

    def _offset(self, x: Tensor, centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Differences from the centre, their sizes, and how far the box lets each go that way, (n, D) float64."""
        offset = x.to(torch.float64).flatten(1) - centre
        return offset, offset.abs(), torch.where(offset > 0, self.box.high - centre, centre - self.box.low)


def _spacing(values: Tensor) -> Tensor:
    size = values.abs()
    return torch.nextafter(size, torch.full_like(size, math.inf)) - size
