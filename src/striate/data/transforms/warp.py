"""Bent pictures: a change of perspective, and elastic distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.rng import Rng

from .focus import smoothing
from .motion import Fill, Motion, quadrangles, still
from .transform import Parameters, Shape, Transform, check_range

_PUBLISHED = 29  # pixels a side of the digits that Simard's numbers were chosen for


@dataclass(frozen=True)
class Perspective(Transform):
    """Seen from aside: each corner of the image moves inwards by its own draw.

    Attributes:
        most: Largest move of a corner as a share of half the width and of half the height, below 1.
        fill: What comes from outside.
    """

    most: float = 0.5
    fill: Fill = "black"

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 0.95)

    @property
    def words(self) -> str:
        """What it does."""
        return f"corners moved inwards by up to {self.most / 2:.0%} of each side"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``corners`` (n, 4, 2) in pixels: where the image's corners go, clockwise from the upper left."""
        inwards = rng.child("perspective").uniform(ids, (4, 2), step=step).double() * self.most / 2
        signs = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)
        return {"corners": (_SQUARE + signs * inwards) * torch.tensor([shape[2], shape[1]], dtype=torch.float64)}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Homographies."""
        corners = parameters["corners"].double().cpu()
        old = (_SQUARE * torch.tensor([size[1], size[0]], dtype=torch.float64)).expand_as(corners)
        return (Motion(quadrangles(old, corners), size, fill=self.fill),)


@dataclass(frozen=True)
class Elastic(Transform):
    """Displaced by a smooth random field, as a hand writes the same digit differently.

    Attributes:
        alpha: Factor of the smoothed field, on images with a shorter side of 29 pixels.
        sigma: Standard deviation in pixels of the Gaussian that smooths it, on such images.
        fill: What comes from outside.

    On larger images sigma grows with the shorter side and alpha with its square, so that the picture is bent alike.

    Source: Simard, Steinkraus & Platt 2003, section 2: displacements even in [-1, 1] at each pixel, smoothed with
    sigma 4, times alpha 34. At the edges the field is mirrored.
    """

    alpha: float = 34.0
    sigma: float = 4.0
    fill: Fill = "edge"

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, 0.0, math.inf)
        check_range("sigma", self.sigma, 0.5, math.inf)

    @property
    def words(self) -> str:
        """What it does."""
        return f"bent by a random field, alpha {self.alpha:g}, sigma {self.sigma:g} at {_PUBLISHED} px"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``field`` (n, 2, H, W): displacements in pixels, x and y."""
        _, height, width = shape
        scale = min(height, width) / _PUBLISHED
        raw = rng.child("elastic").uniform(ids, (2, height, width), step=step, low=-1.0, high=1.0)
        sigma = torch.full((len(ids),), self.sigma * scale)
        down, across = smoothing(sigma, height), smoothing(sigma, width)
        smooth = down[:, None] @ raw @ across[:, None].transpose(-1, -2)
        return {"field": self.alpha * scale**2 * smooth}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Displacement fields."""
        field = parameters["field"]
        return (Motion(still(len(field)), size, field=field, fill=self.fill),)


_SQUARE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)

SEEN_ASIDE = Perspective()
BENT = Elastic()
