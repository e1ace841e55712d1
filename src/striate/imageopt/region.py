"""Regions: sets of images that a search stays in. Each states the argmin that its projection solves.

What a projection returns is inside the region as the images are stored: in float32 (or float64), after the last
operation, in float64 arithmetic, without tolerance. Every library that projects in float32 alone exceeds its radius
by up to 3e-8 on most images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of
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


@dataclass(frozen=True)
class Box:
    """All images whose values lie in [low, high]; its norm is that of the largest value."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise StriateError(f"box is [{self.low}, {self.high}]", accepted="low below high")

    @property
    def words(self) -> str:
        """What the set is."""
        return f"[{self.low:g}, {self.high:g}]"

    def project(self, x: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The argmin of ``||y - x||_2`` over low <= y <= high: each value clamped."""
        return x.clamp(self.low, self.high)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """Whether every value is in [low, high]."""
        return ((x >= self.low) & (x <= self.high)).flatten(1).all(1)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The sign of the gradient."""
        return steepest_direction(grad, math.inf)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Uniform in the box."""
        return rng.uniform(ids[rows], x.shape[1:], low=self.low, high=self.high).to(x)


@dataclass(frozen=True, eq=False)
class Ball:
    """All images whose difference from the centre has an L2 or Linf norm of at most the radius.

    Args:
        centre: Images (N, C, H, W), one a row.
        radius: In pixel units; one number, or a tensor (N,) with one a row.
        norm: 2 or infinity.
    """

    centre: Tensor
    radius: float | Tensor
    norm: float = math.inf

    def __post_init__(self) -> None:
        if self.norm not in SHRINK:
            accepted = "2, inf"
            raise StriateError(f"norm of the ball is {self.norm:g}", accepted=accepted)
        if not bool((self.radii >= 0).all()) or not bool(self.radii.isfinite().all()):
            raise StriateError(f"radius is {float(self.radii.min()):g}", accepted="a finite number of at least 0")

    @cached_property
    def radii(self) -> Tensor:
        """The radius of each row, (N,) float64."""
        return torch.as_tensor(self.radius, dtype=torch.float64, device=self.centre.device).expand(len(self.centre))

    @property
    def words(self) -> str:
        """What the set is."""
        low, high = float(self.radii.min()), float(self.radii.max())
        shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        return f"L{self.norm:g} ball of radius {shown}"

    def __and__(self, box: Box) -> BallInBox:
        return BallInBox(self, box)

    def project(self, x: Tensor, rows: Tensor) -> Tensor:
        """The argmin of ``||y - x||_2`` over ``||y - centre|| <= radius``: differences clamped or scaled."""
        return self._alone.project(x, rows)

    def contains(self, x: Tensor, rows: Tensor) -> Tensor:
        """Whether the float64 norm of the difference is at most the radius."""
        difference = x.to(torch.float64) - self.centre[rows].to(torch.float64)
        return norm_of(difference, self.norm) <= self.radii[rows]

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The sign of the gradient (Linf), or the gradient over its length (L2)."""
        return steepest_direction(grad, self.norm)

    def sample(self, x: Tensor, rows: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Uniform in the ball (L2: a Gaussian direction at a length of ``radius * u ** (1 / dimension)``)."""
        shape, mine = x.shape[1:], ids[rows]
        radius = _per_image(self.radii[rows], x).to(x.dtype)
        if math.isinf(self.norm):
            offset = rng.uniform(mine, shape, low=-1.0, high=1.0).to(x)
        else:
            direction = steepest_direction(rng.normal(mine, shape).to(x), 2.0)
            length = rng.child("length").uniform(mine).to(x) ** (1 / math.prod(shape))
            offset = direction * _per_image(length, x)
        return self.project(self.centre[rows] + radius * offset, rows)

    @cached_property
    def _alone(self) -> BallInBox:
        return BallInBox(self, Box(-math.inf, math.inf))


@dataclass(frozen=True, eq=False)
class BallInBox:
    """The images of a ball that also lie in a box which holds its centres; the projection is exact."""

    ball: Ball
    box: Box = Box()

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
        """The argmin of ``||y - x||_2`` over ``||y - centre|| <= radius`` and low <= y <= high."""
        if math.isinf(self.ball.norm):
            low, high = self._limits
            return torch.clamp(x, low[rows], high[rows])
        return self._project_l2(x, rows)

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
        centre, radius = self.ball.centre, _per_image(self.ball.radii, self.ball.centre)

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

    def _project_l2(self, x: Tensor, rows: Tensor) -> Tensor:
        """The multiplier of the ball by one-dimensional search, the box by clamping.

        The minimiser is ``clamp(centre + s * (x - centre))`` with the largest s in [0, 1] that the radius allows
        (s = 1 / (1 + multiplier), from the stationarity of the Lagrangian).
        """
        centre = self.ball.centre[rows].to(torch.float64).flatten(1)
        offset = x.to(torch.float64).flatten(1) - centre
        room = torch.where(offset > 0, self.box.high - centre, centre - self.box.low)
        size = offset.abs()
        s = _largest_scale(size, room, self.ball.radii[rows] * (1 - SHRINK[2.0][x.dtype]))
        step = torch.minimum(s[:, None] * size, room)
        exact = centre + torch.copysign(step, offset)
        near = exact.to(x.dtype)
        further = (near.to(torch.float64) - centre).abs() > step
        near = torch.where(further, torch.nextafter(near, centre.to(x.dtype)), near)
        return near.view_as(x)


# How much of an L2 radius is given up so that no rounding can exceed it: neither that of a difference taken in the
# images' own precision nor that of the order in which 150,528 squares are added.
SHRINK: dict[float, dict[torch.dtype, float]] = {
    2.0: {torch.float32: 2.0**-22, torch.float64: 2.0**-36},
    math.inf: {},
}


def steepest_direction(grad: Tensor, norm: float) -> Tensor:
    """The argmax of ``<grad, d>`` over ``||d|| <= 1``, image by image; 0 where the gradient is 0.

    Source: Boyd & Vandenberghe 2004, section 9.4.1.
    """
    if math.isinf(norm):
        return grad.sign()
    if norm == 2:
        largest = _per_image(grad.flatten(1).abs().amax(1), grad)  # keeps squares of tiny gradients from vanishing
        scaled = grad / torch.where(largest > 0, largest, 1.0)
        length = _per_image(scaled.flatten(1).square().sum(1).sqrt(), grad)
        return scaled / torch.where(length > 0, length, 1.0)
    if norm == 1:
        flat = grad.flatten(1)
        at = flat.abs().argmax(1, keepdim=True)
        return torch.zeros_like(flat).scatter(1, at, flat.gather(1, at).sign()).view_as(grad)
    raise StriateError(f"norm is {norm:g}", accepted="1, 2, inf")


def _largest_scale(size: Tensor, room: Tensor, radius: Tensor) -> Tensor:
    """The largest s in [0, 1] with ``||min(s * size, room)||_2 <= radius``, for each row of (n, D); exact.

    Each round takes the coordinates that have met their room as fixed and solves for the rest in closed form. That s
    is never too large, never falls, and settles once no further coordinate is met, after at most D rounds.
    """
    length = size.square().sum(1).sqrt()
    s = (radius / torch.where(length > 0, length, 1.0)).clamp(max=1.0)
    s = torch.where(length > 0, s, 1.0)
    while True:
        met = s[:, None] * size >= room
        fixed = torch.where(met, room, 0.0).square().sum(1)
        free = torch.where(met, 0.0, size).square().sum(1)
        left = (radius.square() - fixed).clamp(min=0.0)
        raised = torch.where(free > 0, (left / torch.where(free > 0, free, 1.0)).sqrt(), 1.0).clamp(max=1.0)
        if not bool((raised > s * (1 + 2.0**-50)).any()):
            return s
        s = torch.maximum(s, raised)


def _spacing(values: Tensor) -> Tensor:
    size = values.abs()
    return torch.nextafter(size, torch.full_like(size, math.inf)) - size


def _per_image(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))
