"""Policies: for each image one or several operations of a published list, at published strengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .affine import slants, turns
from .focus import sharpened
from .levels import equalised, posterised, solarised, stretched
from .light import brightened, contrasted, saturated
from .motion import Motion, linear, middle, shifted, still
from .transform import Parameters, Shape, Transform, check_range, size_of

OPERATIONS = (
    "identity", "autocontrast", "equalise", "rotate", "solarise", "colour", "posterise", "contrast", "brightness",
    "sharpness", "shear_x", "shear_y", "translate_x", "translate_y",
)  # fmt: skip
_EITHER_WAY = frozenset(OPERATIONS) - {"identity", "autocontrast", "equalise", "solarise", "posterise"}
_MOVING = frozenset({"rotate", "shear_x", "shear_y", "translate_x", "translate_y"})
_NEVER = 256 / 255  # a threshold that no pixel reaches


@dataclass(frozen=True)
class Ranges:
    """What an operation does at full strength.

    Attributes:
        degrees: Of rotation.
        slope: Of a shear.
        moves: Of a translation: a share of the side where ``share``, else pixels.
        share: Whether ``moves`` is a share.
        amount: By which colour, contrast, brightness and sharpness change.
        bits: How many posterise takes away.
    """

    degrees: float
    slope: float
    moves: float
    share: bool
    amount: float
    bits: int


PUBLISHED = Ranges(30.0, 0.3, 150 / 331, True, 0.9, 4)
WIDE = Ranges(135.0, 0.99, 32.0, False, 0.99, 6)


@dataclass(frozen=True)
class RandAugment(Transform):
    """Several operations drawn evenly from a list of 14, all at one strength.

    Attributes:
        count: Operations an image.
        magnitude: Strength from 0 to 10, where 10 is the end of each operation's range.
        ranges: What the operations do at full strength.

    Source: Cubuk et al. 2020, section 3, N = 2 and M = 9 as for ResNet-50; ranges of Cubuk et al. 2019, table 6. Other
    than the released code we draw a sign for colour, contrast, brightness and sharpness too, so that strength 0 is no
    change; pixels are mixed bilinearly, black comes from outside. torchvision counts strength to 30: its 9 is our 3.
    """

    count: int = 2
    magnitude: float = 9.0
    ranges: Ranges = PUBLISHED
    differentiable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise StriateError(f"count is {self.count}", accepted="a whole number of at least 1")
        check_range("magnitude", self.magnitude, 0.0, 10.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.count} of {len(OPERATIONS)} operations at strength {self.magnitude:g} of 10"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``operation`` (n, count) int64 and ``amount`` (n, count), from -1 to 1 of the range."""
        del shape
        which = rng.child("rand_augment").integers(ids, (self.count,), high=len(OPERATIONS), step=step)
        signs = rng.child("rand_augment sign").signs(ids, (self.count,), step=step)
        return {"operation": which, "amount": _signed(which, torch.full(which.shape, self.magnitude / 10.0), signs)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images after their operations."""
        return operated(images, parameters, self.ranges)

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Those of the operations that move pixels."""
        return operation_motions(parameters, size, self.ranges)


@dataclass(frozen=True)
class TrivialAugment(Transform):
    """One operation drawn evenly from a list of 14, at a strength drawn evenly from 31 steps.

    Attributes:
        ranges: What the operations do at full strength.

    Source: Müller & Hutter 2021, algorithm 1 with the ranges of its wide space. Translations go up to 32 pixels
    whatever the size, as published: images of 32 pixels may be moved out of sight. Pixels are mixed bilinearly, black
    comes from outside.
    """

    ranges: Ranges = WIDE
    differentiable: ClassVar[bool] = False

    @property
    def words(self) -> str:
        """What it does."""
        return f"1 of {len(OPERATIONS)} operations at a random strength, rotation up to {self.ranges.degrees:g} degrees"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``operation`` (n, 1) int64 and ``amount`` (n, 1), from -1 to 1 of the range."""
        del shape
        which = rng.child("trivial_augment").integers(ids, (1,), high=len(OPERATIONS), step=step)
        steps = rng.child("trivial_augment strength").integers(ids, (1,), high=31, step=step)
        signs = rng.child("trivial_augment sign").signs(ids, (1,), step=step)
        return {"operation": which, "amount": _signed(which, steps / 30.0, signs)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images after their operation."""
        return operated(images, parameters, self.ranges)

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """That of the operation, where it moves pixels."""
        return operation_motions(parameters, size, self.ranges)


def operated(images: Tensor, parameters: Parameters, ranges: Ranges) -> Tensor:
    """The images after the operations of each, column by column; every operation once for all images that drew it."""
    motions = operation_motions(parameters, size_of(images), ranges)
    for column, motion in enumerate(motions):
        which, amount = parameters["operation"][:, column].cpu(), parameters["amount"][:, column].cpu()
        images = images.clone()
        moving = torch.isin(which, _numbers(_MOVING)).nonzero()[:, 0]
        if len(moving):
            images[moving] = Motion(motion.matrices[moving], motion.size).sample(images[moving])
        for number, name in enumerate(OPERATIONS):
            rows = (which == number).nonzero()[:, 0]
            if len(rows) and name not in _MOVING and name != "identity":
                images[rows] = _operation(name, images[rows], amount[rows], ranges)
    return images


def operation_motions(parameters: Parameters, size: tuple[int, int], ranges: Ranges) -> tuple[Motion, ...]:
    """One motion a column of operations; images whose operation moves nothing stay."""
    found = []
    for which, amount in zip(parameters["operation"].cpu().T, parameters["amount"].cpu().T, strict=True):
        matrices = still(len(which))
        for name in sorted(_MOVING):
            rows = (which == OPERATIONS.index(name)).nonzero()[:, 0]
            if len(rows):
                matrices[rows] = _matrices(name, amount[rows].double(), size, ranges)
        found.append(Motion(matrices, size))
    return tuple(found)


def _signed(which: Tensor, amount: Tensor, signs: Tensor) -> Tensor:
    return torch.where(torch.isin(which, _numbers(_EITHER_WAY)), amount * signs, amount)


def _numbers(names: frozenset[str]) -> Tensor:
    return torch.tensor([number for number, name in enumerate(OPERATIONS) if name in names])


def _operation(name: str, images: Tensor, amount: Tensor, ranges: Ranges) -> Tensor:
    if name == "autocontrast":
        return stretched(images)
    if name == "equalise":
        return equalised(images)
    if name == "solarise":
        return solarised(images, _NEVER * (1.0 - amount))
    if name == "posterise":
        return posterised(images, (8 - (ranges.bits * amount).round()).long())
    change = {"colour": saturated, "contrast": contrasted, "brightness": brightened, "sharpness": sharpened}[name]
    return change(images, amount * ranges.amount)


def _matrices(name: str, amount: Tensor, size: tuple[int, int], ranges: Ranges) -> Tensor:
    """Homographies; shears leave the upper left corner where it is, as Pillow's do in the published code."""
    if name == "rotate":
        return linear(turns(amount * ranges.degrees), middle(size))
    axis = 0 if name.endswith("_x") else 1
    if name.startswith("shear"):
        return linear(slants(amount * ranges.slope, axis), (0.0, 0.0))
    most = ranges.moves * (size[1 - axis] if ranges.share else 1.0)
    by = torch.zeros(len(amount), 2, dtype=torch.float64)
    by[:, axis] = -(amount * most).round()
    return shifted(by)


RAND_AUGMENT = RandAugment()
TRIVIAL_AUGMENT = TrivialAugment()
