"""Windows and mirrors: crops of the image's own size, resized crops, flips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .motion import Fill, Motion, shifted, still
from .transform import Parameters, Shape, Transform, check_share, size_of

_PADDING: dict[Fill, str] = {"black": "constant", "edge": "replicate", "reflect": "reflect"}
_LARGE = 1 << 15  # values of an image from which on copies cost more than calls
_TRIES = 10  # windows drawn for one that fits, as Szegedy's code draws them


@dataclass(frozen=True)
class RandomFlip(Transform):
    """Left and right swapped, in a share of the images; or top and bottom.

    Attributes:
        share: Probability in [0, 1] that an image is mirrored.
        vertical: Swap top and bottom instead.
    """

    share: float = 0.5
    vertical: bool = False

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def words(self) -> str:
        """What it does."""
        return f"{'top and bottom' if self.vertical else 'left and right'} swapped in {self.share:.0%} of the images"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``swapped`` (n,) bool."""
        del shape
        return {"swapped": rng.child("flip").uniform(ids, step=step) < self.share}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, some of them mirrored; no pixel is mixed."""
        axis, rows = 1 if self.vertical else 2, parameters["swapped"].nonzero()[:, 0].to(images.device)
        if not len(rows):
            return images
        if images[0].numel() < _LARGE:
            mirrored = images.clone()
            mirrored[rows] = images[rows].flip(axis + 1)
            return mirrored
        chosen = set(rows.tolist())
        return torch.stack([image.flip(axis) if row in chosen else image for row, image in enumerate(images)])

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Mirrors, for some."""
        axis = 1 if self.vertical else 0
        matrices = still(len(parameters["swapped"]))
        swapped = parameters["swapped"].cpu()
        matrices[swapped, axis, axis] = -1.0
        matrices[swapped, axis, 2] = float(size[1 - axis])
        return (Motion(matrices, size),)


@dataclass(frozen=True)
class RandomCrop(Transform):
    """A window of the image's own size, cut at a random place after padding every side.

    Attributes:
        padding: Pixels added at each side.
        fill: What they hold: ``"black"``, the nearest ``"edge"`` pixel, or the picture mirrored (``"reflect"``).
    """

    padding: int = 4
    fill: Fill = "reflect"

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise StriateError(f"padding is {self.padding}", accepted="a whole number of at least 0")
        if self.fill not in {"black", "edge", "reflect"}:
            raise StriateError(f"fill is {self.fill!r}", accepted="black, edge, reflect")

    @property
    def words(self) -> str:
        """What it does."""
        return f"moved by up to {self.padding} whole pixels, {self.fill} beyond the edge"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``moves`` (n, 2) int64: how far down and right the window lies."""
        del shape
        span = {"low": -self.padding, "high": self.padding + 1}
        return {"moves": rng.child("crop").integers(ids, (2,), **span, step=step)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, each moved by its own number of whole pixels, at most ``padding`` a side."""
        height, width = size_of(images)
        if self.fill == "reflect" and self.padding >= min(height, width):
            raise StriateError(
                f"padding {self.padding} by reflection of {width}x{height} pixels", accepted="less than a side"
            )
        return slid(images, parameters["moves"], self.fill)

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Shifts by whole pixels."""
        return (Motion(shifted(parameters["moves"].flip(1).cpu()), size, fill=self.fill),)


@dataclass(frozen=True)
class ResizedCrop(Transform):
    """A window of random area and aspect somewhere in the image, enlarged to the image's size.

    Attributes:
        area: Smallest and largest share of the image's area.
        aspect: Smallest and largest width over height of the window, as a share of the image's own.

    Source: Szegedy et al. 2015, section 6: area from 8 % to 100 %, aspect from 3/4 to 4/3. The aspect is drawn evenly
    in its logarithm; of ten windows the first that fits is taken, else the whole image, as in the released code.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if not 0.0 < self.area[0] <= self.area[1] <= 1.0:
            raise StriateError(f"area is {self.area}", accepted="two shares above 0 up to 1, the smaller one first")
        if not 0.0 < self.aspect[0] <= self.aspect[1]:
            raise StriateError(f"aspect is {self.aspect}", accepted="two numbers above 0, the smaller one first")

    @property
    def words(self) -> str:
        """What it does."""
        return f"a window of {self.area[0]:.0%} to {self.area[1]:.0%} of the area, enlarged"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``sides`` and ``corner`` (n, 2) as shares of width and height, x first."""
        del shape
        draws = rng.child("resized_crop").uniform(ids, (_TRIES, 2), step=step).double()
        area = self.area[0] + (self.area[1] - self.area[0]) * draws[..., 0]
        low, high = (math.log(each) for each in self.aspect)
        aspect = torch.exp(low + (high - low) * draws[..., 1])
        sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], -1)
        fits = (sides <= 1.0).all(-1)
        first = fits.to(torch.int8).argmax(1)
        taken = sides[torch.arange(len(ids)), first]
        taken = torch.where(fits.any(1)[:, None], taken, torch.ones_like(taken))
        corner = rng.child("resized_crop corner").uniform(ids, (2,), step=step).double() * (1.0 - taken)
        return {"sides": taken, "corner": corner}

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """The window stretched over the image; at its edges pixels are not mixed with black."""
        limits = torch.tensor([size[1], size[0]], dtype=torch.float64)
        matrices = still(len(parameters["sides"]))
        matrices[:, 0, 0], matrices[:, 1, 1] = parameters["sides"].double().cpu().unbind(1)
        matrices[:, :2, 2] = parameters["corner"].double().cpu() * limits
        return (Motion(matrices, size, fill="edge"),)


def slid(images: Tensor, moves: Tensor, fill: Fill) -> Tensor:
    """Windows (n, C, H, W) that lie ``moves`` (n, 2) whole pixels further down and right; no pixel is mixed.

    Raises:
        StriateError: A reflection is asked for that reaches beyond the other edge.
    """
    height, width = size_of(images)
    reach = int(moves.abs().max()) if len(moves) else 0
    if reach == 0:
        return images
    if fill == "reflect" and reach >= min(height, width):
        raise StriateError(f"a move of {reach} pixels by reflection of {width}x{height}", accepted="less than a side")
    padded = F.pad(images, (reach,) * 4, mode=_PADDING[fill])
    windows = [
        image[:, reach + down : reach + down + height, reach + right : reach + right + width]
        for image, (down, right) in zip(padded, moves.tolist(), strict=True)
    ]
    return torch.stack(windows)


MIRRORED = RandomFlip()
UPSIDE_DOWN = RandomFlip(vertical=True)
CROPPED = RandomCrop()
RESIZED = ResizedCrop()
