"""Images of 8 bits: whatever is painted is brought to whole grey levels before the net sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import Canvas

GREY = 255
NEAR = 1e-3  # of a level: float32 holds k / 255 to 1e-5 of one


@dataclass(frozen=True, eq=False)
class Levels:
    """What another canvas paints, each value at the whole level of 255 that is nearest to it on the way to the image.

    Rounding towards the image leaves a region of the image's where it is. Where float32 makes a change of exactly the
    radius exceed it, the change is a level less. Gradients pass as if nothing were rounded.

    Args:
        canvas: What paints.
        images: (N, C, H, W) of 8 bits.
        within: Where the images stay.

    Source: Athalye et al. 2018, section 4.1 (the gradient of rounding taken for that of the identity).
    """

    canvas: Canvas
    images: Tensor
    within: Region

    def __post_init__(self) -> None:
        off = float((self.images * GREY - (self.images * GREY).round()).abs().max())
        if off > NEAR:
            raise StriateError(
                f"images that lie up to {off:.2g} of a grey level off the 256 there are", accepted="images of 8 bits"
            )

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"{self.canvas.words}, in 8 bits"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """What the canvas starts from."""
        return self.canvas.start(images, ids=ids, rng=rng)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images, in whole levels."""
        painted = self.canvas.paint(z, rows)
        return self._levelled(painted.detach(), rows) + (painted - painted.detach())  # that difference is exactly 0

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """What the canvas holds."""
        return self.canvas.hold(z, region, rows)

    def _levelled(self, painted: Tensor, rows: Tensor) -> Tensor:
        base = self.images[rows]
        change = (painted - base) * GREY
        steps = (change + NEAR * change.sign()).trunc()
        levels = (base * GREY).round()
        image = ((levels + steps) / GREY).clamp(0.0, 1.0)
        out = (~self.within.contains(image, rows)).nonzero().squeeze(1)
        if len(out) == 0:
            return image
        far = image[out] != self.within.project(image[out], rows[out])
        fewer = torch.where(far, steps[out] - steps[out].sign(), steps[out])
        return image.index_copy(0, out, ((levels[out] + fewer) / GREY).clamp(0.0, 1.0))
