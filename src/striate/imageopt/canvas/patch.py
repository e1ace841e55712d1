"""A patch that is pasted into images under an affine map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.transforms.motion import Motion
from striate.imageopt.region import Region

from .pixels import check_box


@dataclass(frozen=True)
class Placement:
    """Random sizes, angles and places of a patch; where it fits, it lies wholly in the image.

    Attributes:
        low: Smallest longer side of the patch, as a share of the image's shorter side, above 0.
        high: Largest.
        degrees: Largest angle either way.

    Source: Brown et al. 2017, section 2.
    """

    low: float = 0.3
    high: float = 0.5
    degrees: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high or not 0 <= self.degrees <= 180:
            raise StriateError(
                f"placement of {self.low:g} to {self.high:g}, up to {self.degrees:g} degrees",
                accepted="0 < low <= high and 0 to 180 degrees",
            )

    @property
    def words(self) -> str:
        """How patches are placed."""
        return f"{self.low:.0%} to {self.high:.0%} of the image, turned by up to {self.degrees:g} degrees"

    def draw(self, ids: Tensor, rng: Rng, *, patch: tuple[int, int], image: tuple[int, int], step: int = 0) -> Tensor:
        """Maps (n, 3, 3) float64 from points of an image (H, W) to points of a patch (h, w), as `Patch` takes them.

        What is drawn for an image hangs on (seed, its id, step) alone; coordinates are those of `Motion`.
        """
        one, two, across, down = rng.child("placement").uniform(ids.cpu(), (4,), step=step).to(torch.float64).unbind(1)
        size = (self.low + (self.high - self.low) * one) * min(image) / max(patch)
        angle = (2 * two - 1) * math.radians(self.degrees)
        cos, sin = angle.cos(), angle.sin()
        reach = (
            size * (patch[1] * cos.abs() + patch[0] * sin.abs()) / 2,
            size * (patch[1] * sin.abs() + patch[0] * cos.abs()) / 2,
        )
        centre = torch.stack(
            [
                torch.where(2 * half < side, half + share * (side - 2 * half), side / 2)
                for half, share, side in zip(reach, (across, down), (image[1], image[0]), strict=True)
            ],
            1,
        )
        turn = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1) / size[:, None, None]
        maps = torch.eye(3, dtype=torch.float64).repeat(len(ids), 1, 1)
        maps[:, :2, :2] = turn
        middle = torch.tensor([patch[1] / 2, patch[0] / 2], dtype=torch.float64)
        maps[:, :2, 2] = middle - (turn @ centre[:, :, None])[:, :, 0]
        return maps


@dataclass(frozen=True, eq=False)
class Patch:
    """The free numbers are the pixels of a patch; images show it where their map puts it, mixed in by a mask.

    The start is what each image shows there, so that its image is reproduced but for the blur of two bilinear
    resamplings; a shared patch starts as the mean over the images.

    Args:
        images: What it is pasted into, (N, C, H, W) in [0, 1].
        mask: Share (h, w) in [0, 1] of the patch at each of its pixels: its size and shape.
        placements: Maps (N, 3, 3) from points of the image to points of the patch, of `Placement.draw`; another step's
            draw is another canvas (``dataclasses.replace``).
        shared: Whether one patch (1, C, h, w) serves all images.

    Source: Brown et al. 2017, equation 1 and section 2.
    """

    images: Tensor
    mask: Tensor
    placements: Tensor
    shared: bool = False

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or not bool(((self.mask >= 0) & (self.mask <= 1)).all()):
            raise StriateError(f"mask of shape {tuple(self.mask.shape)}", accepted="(h, w) with values in [0, 1]")
        if self.placements.shape != (len(self.images), 3, 3):
            raise StriateError(
                f"placements of shape {tuple(self.placements.shape)} for {len(self.images)} images",
                accepted="(N, 3, 3), one an image",
            )

    @property
    def words(self) -> str:
        """What the free numbers are."""
        height, width = self.mask.shape
        return f"{'a shared patch' if self.shared else 'patches'} of {height} x {width}"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """What the images show under the patch; nothing is random."""
        del ids, rng
        height, width = self.mask.shape
        own = _sampled(images, torch.linalg.inv(self.placements), (height, width), "border")
        return own.mean(0, keepdim=True) if self.shared else own

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images with the patch in them; one row of ``z`` counts for all rows."""
        base, maps = self.images[rows], self.placements[rows.to(self.placements.device)]
        size = (base.shape[-2], base.shape[-1])
        shown = _sampled(z.expand(len(base), -1, -1, -1), maps, size, "border")
        share = _sampled(self.mask.to(z).expand(len(base), 1, -1, -1), maps, size, "zeros")
        return (base + share * (shown - base)).clamp(0.0, 1.0)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Patches with values in [0, 1], for a box that holds it; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return z.clamp(0.0, 1.0)


def _sampled(images: Tensor, maps: Tensor, size: tuple[int, int], padding: str) -> Tensor:
    """Images (n, C, h, w) seen at the points to which the maps (n, 3, 3) send the pixels of images of a size."""
    places = Motion(maps, size).sources(device=images.device, dtype=images.dtype)
    sides = places.new_tensor([images.shape[-1], images.shape[-2]])
    return F.grid_sample(images, places * (2.0 / sides) - 1.0, padding_mode=padding, align_corners=False)
