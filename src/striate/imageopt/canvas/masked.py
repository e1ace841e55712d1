"""Images seen through a smooth mask: where it is 1 the image stays, where it is 0 something else stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import check_box

FINER = 2  # places at which the smooth maximum is taken, along each side of a cell; bilinear in between


@dataclass(frozen=True)
class Spread:
    """How the cells of a coarse mask become a smooth one: each spreads as a round hill, of which the highest counts.

    The mask at a place is the smooth maximum over cells of the cell's number times a hill around the cell's middle,
    ``exp(-2 max(0, d / width - 1/2)^2)`` at a distance of d pixels. The smooth maximum of numbers is their mean, each
    weighed by ``exp(number / temperature)``.

    Args:
        size: Height and width of the mask in pixels.
        cell: Side of a cell in pixels.
        width: Scale of a hill in pixels.
        temperature: Of the smooth maximum.

    Source: Fong, Patrick & Vedaldi 2019, section 3.2; profile and temperature are those of their library TorchRay.
    There the maximum is taken at every pixel, here at four places a cell, and bilinearly in between.
    """

    size: tuple[int, int]
    cell: int
    width: float
    temperature: float = 0.05

    def __post_init__(self) -> None:
        if not (1 <= self.cell <= min(self.size) and self.width > 0 and self.temperature > 0):
            raise StriateError(
                f"cells of {self.cell} pixels, hills of {self.width:g}, temperature {self.temperature:g}",
                accepted=f"cells of 1 to {min(self.size)} pixels, the others above 0",
            )

    @property
    def cells(self) -> tuple[int, int]:
        """How many cells, down and across."""
        return math.ceil(self.size[0] / self.cell), math.ceil(self.size[1] / self.cell)

    def coarse(self, free: Tensor) -> Tensor:
        """The mask (n, h, w) of numbers (n, *cells) at a few places a cell."""
        finer = min(FINER, self.cell)
        reach = 1 + math.ceil(self.width / self.cell)
        rows, columns = self.cells
        near = F.unfold(free[:, None], 2 * reach + 1, padding=reach)
        hills = self._hills(finer, reach).to(free)
        lifted = hills[None, :, :, None] * near[:, None]  # (n, places a cell, neighbours, cells)
        top = (lifted * (lifted / self.temperature).softmax(2)).sum(2)
        return F.pixel_shuffle(top.view(-1, finer * finer, rows, columns), finer)[:, 0]

    def __call__(self, free: Tensor) -> Tensor:
        """The mask (n, H, W) in pixels."""
        large = [count * self.cell for count in self.cells]
        mask = F.interpolate(self.coarse(free)[:, None], size=large, mode="bilinear", align_corners=False)[:, 0]
        return mask[:, : self.size[0], : self.size[1]]

    def _hills(self, finer: int, reach: int) -> Tensor:
        """Heights (places a cell, neighbours) of the hills of a cell's neighbours, at the places in the cell."""
        inside = (torch.arange(finer) + 0.5) / finer - 0.5
        away = inside[:, None] - torch.arange(-reach, reach + 1)
        squares = away.square()
        distances = (squares[:, None, :, None] + squares[None, :, None, :]).sqrt().flatten(2).flatten(0, 1)
        return torch.exp(-2 * (distances * self.cell / self.width - 0.5).clamp_min(0).square())


@dataclass(frozen=True, eq=False)
class Masked:
    """The free numbers (N, cells down, cells across) in [0, 1] are a coarse mask.

    Args:
        images: What is shown where the mask is 1, (N, C, H, W).
        others: What is shown where it is 0, (N, C, H, W).
        spread: How the coarse mask becomes a smooth one.
        first: The mask to start from, in cells; by default 1 everywhere, which shows the images.

    Source: Fong, Patrick & Vedaldi 2019, section 3.
    """

    images: Tensor
    others: Tensor
    spread: Spread
    first: Tensor | None = None

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return "a mask of {} x {} cells".format(*self.spread.cells)

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """The first mask, or everything shown; nothing is random."""
        del ids, rng
        if self.first is not None:
            return self.first.clone()
        return images.new_ones(len(images), *self.spread.cells)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images through the mask."""
        return torch.lerp(self.others[rows], self.images[rows], self.spread(z)[:, None])

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Numbers in [0, 1], for a box that holds it; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return z.clamp(0.0, 1.0)
