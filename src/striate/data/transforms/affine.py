"""Affine maps: rotation, scale, stretch, translation, shear, all about the middle of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .motion import Fill, Motion, linear, middle, shifted
from .transform import Parameters, Shape, Transform, check_range
from .window import slid


@dataclass(frozen=True)
class Rotation(Transform):
    """Turned about the middle by an angle drawn evenly up to ``degrees`` either way."""

    degrees: float = 30.0
    fill: Fill = "black"

    def __post_init__(self) -> None:
        check_range("degrees", self.degrees, 0.0, 180.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"turned by up to {self.degrees:g} degrees"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``angle`` (n,) in degrees, counter-clockwise as seen."""
        del shape
        return {"angle": rng.child("rotation").uniform(ids, step=step, low=-1.0, high=1.0) * self.degrees}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Rotations."""
        return (Motion(linear(turns(parameters["angle"]), middle(size)), size, fill=self.fill),)


@dataclass(frozen=True)
class Scale(Transform):
    """Enlarged or shrunk about the middle.

    Attributes:
        low: Smallest factor, above 0; the factor is drawn evenly in its logarithm.
        high: Largest factor.
        aspect: Width over height changes by a factor of up to this or one over this, the area stays: 1 or more.
        fill: What comes from outside when shrinking.
    """

    low: float = 0.7
    high: float = 1.4
    aspect: float = 1.0
    fill: Fill = "black"

    def __post_init__(self) -> None:
        if not 0.0 < self.low <= self.high:
            raise StriateError(f"low and high are {self.low} and {self.high}", accepted="0 < low <= high")
        if self.aspect < 1.0:
            raise StriateError(f"aspect is {self.aspect}", accepted="a number of at least 1")

    @property
    def words(self) -> str:
        """What it does."""
        parts = [f"scaled by {self.low:.3g} to {self.high:.3g}"] if (self.low, self.high) != (1.0, 1.0) else []
        parts += [f"stretched by up to {self.aspect:.3g}"] if self.aspect > 1.0 else []
        return ", ".join(parts) or "left as it is"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``factors`` (n, 2): across and down."""
        del shape
        draws = rng.child("scale").uniform(ids, (2,), step=step).double()
        factor = math.log(self.low) + (math.log(self.high) - math.log(self.low)) * draws[:, 0]
        aspect = math.log(self.aspect) * (2.0 * draws[:, 1] - 1.0) / 2.0
        return {"factors": torch.exp(torch.stack([factor + aspect, factor - aspect], 1))}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Scalings."""
        parts = torch.diag_embed(1.0 / parameters["factors"].double().cpu())
        return (Motion(linear(parts, middle(size)), size, fill=self.fill),)


@dataclass(frozen=True)
class Translation(Transform):
    """Moved by whole pixels, up to a share of each side; no pixel is mixed.

    Attributes:
        most: Largest move as a share of width and height.
        fill: What comes from outside.
    """

    most: float = 0.2
    fill: Fill = "black"

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"moved by up to {self.most:.0%} of each side"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``pixels`` (n, 2): to the right and down, whole numbers."""
        moves = rng.child("translation").uniform(ids, (2,), step=step, low=-1.0, high=1.0)
        return {"pixels": (moves * self.most * torch.tensor([shape[2], shape[1]])).round()}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, moved."""
        return slid(images, -parameters["pixels"].flip(1).long(), self.fill)

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Shifts."""
        return (Motion(shifted(-parameters["pixels"].cpu()), size, fill=self.fill),)


@dataclass(frozen=True)
class Shear(Transform):
    """Slanted: each row moves along by a slope times its distance from the middle, then each column.

    Attributes:
        most: Largest slope along each axis.
        fill: What comes from outside.
    """

    most: float = 0.3
    fill: Fill = "black"

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 0.95)

    @property
    def words(self) -> str:
        """What it does."""
        return f"slanted by slopes of up to {self.most:g}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``slopes`` (n, 2): of rows, of columns."""
        del shape
        return {"slopes": rng.child("shear").uniform(ids, (2,), step=step, low=-1.0, high=1.0) * self.most}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Shears."""
        slopes = parameters["slopes"]
        rows, columns = slants(slopes[:, 0], 0), slants(slopes[:, 1], 1)
        return (Motion(linear(rows @ columns, middle(size)), size, fill=self.fill),)


def turns(degrees: Tensor) -> Tensor:
    """Linear maps (n, 2, 2) from the turned image back: counter-clockwise as seen, with y downwards."""
    angle = torch.deg2rad(degrees.double().cpu())
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)


def slants(slopes: Tensor, axis: int) -> Tensor:
    """Linear maps (n, 2, 2) from the slanted image back, with ``slopes`` along an axis: 0 moves rows, 1 columns."""
    out = torch.eye(2, dtype=torch.float64).repeat(len(slopes), 1, 1)
    out[:, axis, 1 - axis] = slopes.double().cpu()
    return out


TURNED = Rotation()
SCALED = Scale()
STRETCHED = Scale(1.0, 1.0, aspect=1.8)
SHIFTED = Translation()
SLANTED = Shear()
