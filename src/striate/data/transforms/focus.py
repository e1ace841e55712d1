"""Focus and grain: Gaussian blur, motion blur, sharpness, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.rng import Rng

from .transform import Parameters, Shape, Transform, check_range, per_image

_SAMPLES = 8  # points a pixel along the path of a motion blur
_SMALLEST = 1e-3  # a Gaussian this narrow is a single pixel


@dataclass(frozen=True)
class Noise(Transform):
    """Gaussian noise added to every value, then cut to [0, 1].

    Attributes:
        most: Largest standard deviation; each image draws its own, evenly from 0.
    """

    most: float = 0.1

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"Gaussian noise of up to {self.most:g} added"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``noise`` (n, C, H, W)."""
        spread = rng.child("noise spread").uniform(ids, step=step) * self.most
        return {"noise": spread.view(-1, 1, 1, 1) * rng.child("noise").normal(ids, shape, step=step)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images with noise."""
        return (images + parameters["noise"].to(images)).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Blur(Transform):
    """Out of focus: a Gaussian of standard deviation drawn evenly up to ``most`` pixels, mirrored at the edges."""

    most: float = 2.0

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, math.inf)

    @property
    def words(self) -> str:
        """What it does."""
        return f"blurred by a Gaussian of up to {self.most:g} px"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``sigma`` (n,) in pixels."""
        del shape
        return {"sigma": rng.child("blur").uniform(ids, step=step) * self.most}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, smoothed along both axes."""
        down, across = (smoothing(parameters["sigma"], side).to(images)[:, None] for side in images.shape[-2:])
        return (down @ images @ across.transpose(-1, -2)).clamp(0.0, 1.0)


@dataclass(frozen=True)
class MotionBlur(Transform):
    """As if the camera had moved on a straight line while the shutter was open.

    Attributes:
        most: Longest way, as a share of the shorter side; drawn evenly, as is the direction.
    """

    most: float = 0.15

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"blurred along a line of up to {self.most:.0%} of the shorter side"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``kernel`` (n, k, k), each of sum 1."""
        draws = rng.child("motion_blur").uniform(ids, (2,), step=step).double()
        most = self.most * min(shape[1:])
        return {"kernel": streaks(draws[:, 0] * most, draws[:, 1] * math.pi, math.ceil(most / 2) + 1)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, each with its own streak; edge pixels go on beyond the edge."""
        kernel = parameters["kernel"].to(images)
        count, channels, height, width = images.shape
        reach = kernel.shape[-1] // 2
        padded = F.pad(images, (reach,) * 4, mode="replicate").reshape(1, count * channels, *_grown(images, reach))
        each = kernel.repeat_interleave(channels, 0)[:, None]
        return F.conv2d(padded, each, groups=count * channels).view(count, channels, height, width).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Sharpness(Transform):
    """Mixed with, or driven away from, a smoothed copy: -1 is the copy, 0 the image, 1 twice as sharp.

    Attributes:
        most: Largest amount either way, at most 1.

    Source: Pillow's ``ImageEnhance.Sharpness``, whose smoothing weighs the middle of 3 x 3 pixels by 5/13.
    """

    most: float = 0.9

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"sharpness changed by up to {self.most:.0%}"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``by`` (n,)."""
        del shape
        return {"by": rng.child("sharpness").uniform(ids, step=step, low=-1.0, high=1.0) * self.most}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, sharper or softer."""
        return sharpened(images, parameters["by"])


def smoothing(sigma: Tensor, side: int) -> Tensor:
    """Matrices (n, side, side) that smooth a row of pixels by Gaussians (n,), mirrored at both ends; rows of sum 1."""
    # the row goes on as its mirror image, and as that one's: weights come again after twice the side
    offsets = torch.arange(2 * side, dtype=torch.float64) + 2 * side * torch.arange(-2, 3, dtype=torch.float64)[:, None]
    spread = sigma.double().cpu().clamp_min(_SMALLEST)[:, None, None]
    weights = torch.exp(-0.5 * (offsets / spread) ** 2).sum(1)
    weights = (weights / weights.sum(1, keepdim=True)).float()
    places = torch.arange(side)
    straight, mirrored = (places[:, None] - places) % (2 * side), places[:, None] + places + 1
    return weights[:, straight] + weights[:, mirrored % (2 * side)]


def streaks(length: Tensor, angle: Tensor, reach: int) -> Tensor:
    """Kernels (n, k, k) of straight lines through the middle, k = 2 reach + 1, each of sum 1."""
    side = 2 * reach + 1
    along = torch.linspace(-0.5, 0.5, _SAMPLES * side, dtype=torch.float64)
    x = reach + length[:, None] * torch.cos(angle)[:, None] * along
    y = reach - length[:, None] * torch.sin(angle)[:, None] * along
    places = torch.arange(side, dtype=torch.float64)
    across = (1.0 - (x[..., None] - places).abs()).clamp_min(0.0)
    down = (1.0 - (y[..., None] - places).abs()).clamp_min(0.0)
    return (torch.einsum("nsi,nsj->nij", down, across) / len(along)).float()


def sharpened(images: Tensor, by: Tensor) -> Tensor:
    """The images plus ``by`` (n,) times what a smoothing of 3 x 3 pixels takes away; pixels at the edge stay."""
    if min(images.shape[-2:]) < 3:
        return images
    kernel = images.new_tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13.0
    channels = images.shape[1]
    inner = F.conv2d(images, kernel.expand(channels, 1, 3, 3), groups=channels)
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = inner
    return (images + per_image(by, images) * (images - smooth)).clamp(0.0, 1.0)


def _grown(images: Tensor, reach: int) -> tuple[int, int]:
    return images.shape[-2] + 2 * reach, images.shape[-1] + 2 * reach


NOISY = Noise()
BLURRED = Blur()
STREAKED = MotionBlur()
SHARPENED = Sharpness()
