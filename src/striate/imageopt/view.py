"""Views: random differentiable transforms under which an objective is to stay high.

They are the transforms that augment training images, drawn by the id of an image and the count of its evaluations;
gradients go through them to the pixels. `Jitter` is the one that only an optimiser of images needs.

>>> view = Chain((Jitter(4), Scale(0.9, 1.1, fill="edge"), Rotation(5.0, fill="edge")))
>>> view.words
'jitter by up to 4 px, scaled by 0.9 to 1.1, turned by up to 5 degrees'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.transforms.affine import Rotation, Scale, Shear, Translation
from striate.data.transforms.chain import Chain
from striate.data.transforms.focus import Blur, MotionBlur, Noise
from striate.data.transforms.light import Brightness, ColourCast, Contrast, Hue, Saturation
from striate.data.transforms.motion import Motion, shifted
from striate.data.transforms.transform import Parameters, Shape, Transform, size_of
from striate.data.transforms.warp import Elastic, Perspective
from striate.data.transforms.window import ResizedCrop

__all__ = [
    "Blur", "Brightness", "Chain", "ColourCast", "Contrast", "Elastic", "Hue", "Jitter", "MotionBlur", "Noise",
    "Perspective", "ResizedCrop", "Rotation", "Saturation", "Scale", "Shear", "Translation", "View",
    "print_and_photograph",
]  # fmt: skip


class View(Protocol):
    """What a `Transform` is to an optimiser; what it draws for an image depends on (seed, image id, step) alone."""

    @property
    def words(self) -> str:
        """What it does."""

    def __call__(self, images: Tensor, ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
        """The transformed images, of the same shape; ``ids`` (n,) are those of the images given."""


@dataclass(frozen=True)
class Jitter(Transform):
    """Shift by up to so many pixels along each axis; what enters at an edge mirrors what is there.

    Source: Mordvintsev et al. 2015 ("jitter"), who wrap around instead.
    """

    pixels: int = 2

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise StriateError(f"pixels is {self.pixels}", accepted="at least 0")

    @property
    def words(self) -> str:
        """What it does."""
        return f"jitter by up to {self.pixels} px"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``corner`` (n, 2) int64: where in the padded image the window begins, from the top and from the left."""
        del shape
        return {"corner": rng.child("jitter").integers(ids.cpu(), (2,), high=2 * self.pixels + 1, step=step)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Each image at its own shift."""
        if self.pixels == 0:
            return images
        height, width = size_of(images)
        if self.pixels >= min(height, width):
            raise StriateError(f"jitter of {self.pixels} px on {height} x {width} images", accepted="less than a side")
        padded = F.pad(images, (self.pixels,) * 4, mode="reflect")
        corners = parameters["corner"].tolist()
        windows = [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(padded, corners, strict=True)
        ]
        return torch.stack(windows)

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Shifts by whole pixels."""
        moves = parameters["corner"].flip(1).cpu() - self.pixels
        return (Motion(shifted(moves), size, fill="reflect"),)


def print_and_photograph(
    *,
    aside: float = 0.2,
    turn: float = 22.5,
    scale: tuple[float, float] = (0.9, 1.4),
    light: float = 0.3,
    contrast: float = 0.3,
    cast: float = 0.3,
    blur: float = 1.0,
    noise: float = 0.1,
) -> Chain:
    """The view of an image that was printed and photographed: from aside, turned, nearer or farther, in other light.

    One resampling for all that moves pixels; what comes from outside repeats the edge. Values stay in [0, 1].

    Args:
        aside: Largest move of a corner inwards, as a share of half of each side.
        turn: Largest turn, degrees.
        scale: Smallest and largest enlargement.
        light: Largest relative change of the brightness.
        contrast: Largest relative change of the contrast: faded ink, haze.
        cast: Largest relative change of each channel by itself: ink, paper and lamp.
        blur: Largest standard deviation in pixels of the Gaussian of a camera out of focus.
        noise: Largest standard deviation of the sensor's noise.

    Source: Athalye, Engstrom, Ilyas & Kwok 2018, the tables of transformations in their supplement: scale and turn of
    the 2D case; channels (.7 to 1.3) and noise (to .1) of the printed 3D case, where brightness goes from half to
    double, which cuts most values, so that ours goes less far. Perspective, contrast and blur: Kurakin, Goodfellow &
    Bengio 2017, section 3, who photograph prints from aside by hand and measure the last two; these ranges are ours.
    """
    return Chain(
        (
            Perspective(aside, fill="edge"),
            Rotation(turn, fill="edge"),
            Scale(*scale, fill="edge"),
            Contrast(contrast),
            Brightness(light),
            ColourCast(cast),
            Blur(blur),
            Noise(noise),
        )
    )
