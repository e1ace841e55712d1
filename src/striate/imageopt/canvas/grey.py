"""Grey images of several equal channels, whatever canvas paints the one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from striate.core.image import to_channels
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import Canvas, check_box


@dataclass(frozen=True)
class Grey:
    """The images of a canvas of one channel, shown in all channels.

    The start is the luminance of the images.

    Args:
        canvas: Of one channel.
        channels: To show it in, 1 or 3.
    """

    canvas: Canvas
    channels: int = 3

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"grey, {self.canvas.words}"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """That of the canvas, for the luminance of the images."""
        return self.canvas.start(to_channels(images, 1), ids=ids, rng=rng)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images."""
        return to_channels(self.canvas.paint(z, rows), self.channels)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """As the canvas holds them, for a box that holds [0, 1]; other regions cannot be projected onto."""
        check_box(region, self.words)
        return self.canvas.hold(z, region, rows)
