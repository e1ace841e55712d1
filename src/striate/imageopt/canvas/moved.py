"""Images that are shifted and turned: three free numbers an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.transforms.affine import turns
from striate.data.transforms.motion import Motion, linear, middle, shifted
from striate.imageopt.region import Region

from .pixels import check_box


@dataclass(frozen=True, eq=False)
class Moved:
    """The free numbers (N, 3) in [-1, 1] say how far each image is shifted to the right, shifted down and turned.

    They are shares of the limits. An image is turned about its middle, counter-clockwise as seen, and then shifted;
    each pixel is mixed from the four nearest ones, and what comes from outside is black. At 0 it is the image, exactly.

    Args:
        images: What is moved, (N, C, H, W) in [0, 1].
        degrees: Largest angle either way.
        share: Largest shift either way, across as a share of the width and down of the height.

    Raises:
        StriateError: ``degrees`` is not in [0, 180], or ``share`` not in [0, 1].

    Source: Engstrom et al. 2019, section 3.
    """

    images: Tensor
    degrees: float = 30.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180 or not 0 <= self.share <= 1:
            raise StriateError(
                f"moves of up to {self.degrees:g} degrees and {self.share:g} of a side",
                accepted="0 to 180 degrees, 0 to 1 of a side",
            )

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"turns of up to {self.degrees:g} degrees and shifts of up to {self.share:.3g} of a side"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """No move, whatever the images are; nothing is random."""
        del ids, rng
        return images.new_zeros(len(images), 3)

    def moves(self, z: Tensor) -> Tensor:
        """What free numbers (n, 3) mean: pixels to the right, pixels down, degrees, (n, 3)."""
        height, width = self.images.shape[-2:]
        return z * z.new_tensor([self.share * width, self.share * height, self.degrees])

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images moved."""
        base = self.images[rows]
        size = (base.shape[-2], base.shape[-1])
        moves = self.moves(z.double().cpu())
        maps = linear(turns(moves[:, 2]), middle(size)) @ shifted(-moves[:, :2])
        moved = Motion(maps, size).sample(base)
        still = (z == 0).all(1)[:, None, None, None]
        if not moved.requires_grad:
            return torch.where(still, base, moved)
        # resampling with no move errs by rounding: the values are the image's, the gradient is that of the resampling
        return torch.where(still, base, moved.detach()) + (moved - moved.detach())

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Free numbers in [-1, 1], for a box that holds [0, 1]; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return z.clamp(-1.0, 1.0)
