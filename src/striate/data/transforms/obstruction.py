"""Something in front: cutout and random erasing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .transform import Parameters, Shape, Transform, check_range, check_share, size_of

_TRIES = 16  # rectangles drawn for one that fits


@dataclass(frozen=True)
class Cutout(Transform):
    """A square of one grey laid over each image, its middle anywhere, so that part of it may lie outside.

    Attributes:
        side: Side of the square as a share of the shorter side: 1/2 is what the paper takes for CIFAR-10.
        value: Grey of the square.

    Source: DeVries & Taylor 2017, section 3. They lay on zeros after normalisation, which is the mean colour; pixels
    are not normalised here, and mid grey stands for it.
    """

    side: float = 0.5
    value: float = 0.5

    def __post_init__(self) -> None:
        check_range("side", self.side, 0.0, 2.0)
        check_range("value", self.value, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"a grey square of {self.side:.0%} of the shorter side laid over"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``boxes`` (n, 4) int64: left, top, right, bottom in pixels, cut at the edges."""
        _, height, width = shape
        side = round(self.side * min(height, width))
        at = rng.child("cutout").uniform(ids, (2,), step=step)
        middle = (at * torch.tensor([width, height])).floor().long()
        corner = middle - side // 2
        limits = torch.tensor([width, height])
        low, high = (torch.minimum(each.clamp(min=0), limits) for each in (corner, corner + side))
        return {"boxes": torch.cat([low, high], 1)}

    def hidden(self, parameters: Parameters, size: tuple[int, int]) -> Tensor:
        """The squares."""
        return rectangles(parameters["boxes"], size)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images behind their squares."""
        covered = self.hidden(parameters, size_of(images)).to(images.device)[:, None]
        return torch.where(covered, self.value, images)


@dataclass(frozen=True)
class RandomErasing(Transform):
    """A rectangle of random values laid over a share of the images, wholly inside.

    Attributes:
        share: Probability that an image gets one.
        area: Smallest and largest share of the image's area.
        aspect: Smallest height over width; the largest is one over it.

    Source: Zhong et al. 2020, algorithm 1: share .5, area from .02 to .4, aspect drawn evenly from .3 to 3.33, each
    value evenly from black to white. Of 16 rectangles the first that fits is taken, where the paper draws on for ever.
    """

    share: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: float = 0.3

    def __post_init__(self) -> None:
        check_share(self.share)
        check_range("aspect", self.aspect, 0.01, 1.0)
        if not 0.0 <= self.area[0] <= self.area[1] <= 1.0:
            raise StriateError(f"area is {self.area}", accepted="two shares, the smaller one first")

    @property
    def words(self) -> str:
        """What it does."""
        return (
            f"{self.area[0]:.0%} to {self.area[1]:.0%} of the area replaced by noise in {self.share:.0%} of the images"
        )

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``boxes`` (n, 4) int64, empty where nothing is laid over, and ``values`` (n, k): as many as it takes."""
        channels, height, width = shape
        draws = rng.child("erasing").uniform(ids, (_TRIES, 4), step=step).double()
        area = (self.area[0] + (self.area[1] - self.area[0]) * draws[..., 0]) * height * width
        aspect = self.aspect + (1.0 / self.aspect - self.aspect) * draws[..., 1]
        sides = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], -1).round()
        limits = torch.tensor([width, height], dtype=torch.float64)
        fits = (sides < limits).all(-1)
        chosen = (rng.child("erasing share").uniform(ids, step=step) < self.share) & fits.any(1)
        every, first = torch.arange(len(ids)), fits.to(torch.int8).argmax(1)
        side, at = sides[every, first], draws[every, first, 2:]
        corner = (at * (limits - side + 1.0)).floor()
        boxes = torch.where(chosen[:, None], torch.cat([corner, corner + side], 1), torch.zeros(1, 4)).long()
        # the first values of an image are the same however many are drawn, so the batch does not matter
        most = channels * int(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).max())
        values = torch.zeros(len(ids), most)
        values[chosen] = rng.child("erasing values").uniform(ids[chosen], (most,), step=step)
        return {"boxes": boxes, "values": values}

    def hidden(self, parameters: Parameters, size: tuple[int, int]) -> Tensor:
        """The rectangles."""
        return rectangles(parameters["boxes"], size)

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images behind their rectangles."""
        done = images.clone()
        for row, (left, top, right, bottom) in enumerate(parameters["boxes"].tolist()):
            shape = (images.shape[1], bottom - top, right - left)
            values = parameters["values"][row, : math.prod(shape)]
            done[row, :, top:bottom, left:right] = values.view(shape).to(images)
        return done


def rectangles(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, H, W) bool: the pixels of boxes (n, 4) of whole pixels."""
    x, y = torch.arange(size[1], device=boxes.device), torch.arange(size[0], device=boxes.device)
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    across, down = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return down[:, :, None] & across[:, None, :]


COVERED = Cutout()
ERASED = RandomErasing()
