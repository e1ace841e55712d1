"""Levels of grey: fewer bits, inverted highlights, levelled and stretched histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.rng import Rng

from .transform import Parameters, Shape, Transform, check_range, check_share, per_image

_NEVER = 256 / 255  # a threshold that no pixel reaches
_ROUNDING = 1e-3  # of a grey level: what float32 may be off on the 8-bit grid


@dataclass(frozen=True)
class Posterise(Transform):
    """Fewer bits a channel: between ``least`` and ``most`` of them are kept, 8 leave the image as it is.

    Source: Pillow's ``ImageOps.posterize``, which clears the lower bits.
    """

    least: int = 3
    most: int = 7
    differentiable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= 8:
            raise StriateError(f"least and most are {self.least} and {self.most}", accepted="bits from 1 to 8")

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.least} to {self.most} bits a channel kept"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``bits`` (n,) int64."""
        del shape
        return {"bits": rng.child("posterise").integers(ids, low=self.least, high=self.most + 1, step=step)}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images in fewer colours."""
        return posterised(images, parameters["bits"])


@dataclass(frozen=True)
class Solarise(Transform):
    """Values from a threshold on inverted; the threshold is drawn evenly from ``1 - most`` to just above white.

    Source: Pillow's ``ImageOps.solarize``.
    """

    most: float = 0.6

    def __post_init__(self) -> None:
        check_range("most", self.most, 0.0, 1.0)

    @property
    def words(self) -> str:
        """What it does."""
        return f"values above a threshold of at least {1 - self.most:.0%} inverted"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``threshold`` (n,)."""
        del shape
        return {"threshold": _NEVER - rng.child("solarise").uniform(ids, step=step) * self.most * _NEVER}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, bright parts inverted."""
        return solarised(images, parameters["threshold"])


@dataclass(frozen=True)
class Equalise(Transform):
    """Every level of each channel about equally frequent, in a share of the images; they are rounded to 8 bits.

    Source: Pillow's ``ImageOps.equalize``.
    """

    share: float = 1.0
    differentiable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def words(self) -> str:
        """What it does."""
        return f"histogram levelled in {self.share:.0%} of the images"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``chosen`` (n,) bool."""
        del shape
        return {"chosen": rng.child("equalise").uniform(ids, step=step) < self.share}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, some of them with level histograms."""
        chosen = parameters["chosen"].to(images.device)[:, None, None, None]
        return torch.where(chosen, equalised(images), images)


@dataclass(frozen=True)
class Autocontrast(Transform):
    """Each channel stretched so that its darkest value is 0 and its brightest 1, in a share of the images.

    Source: Pillow's ``ImageOps.autocontrast``, which rounds down to whole grey levels, as this does not.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def words(self) -> str:
        """What it does."""
        return f"channels stretched to the full range in {self.share:.0%} of the images"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``chosen`` (n,) bool."""
        del shape
        return {"chosen": rng.child("autocontrast").uniform(ids, step=step) < self.share}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, some of them stretched."""
        chosen = parameters["chosen"].to(images.device)[:, None, None, None]
        return torch.where(chosen, stretched(images), images)


def posterised(images: Tensor, bits: Tensor) -> Tensor:
    """The upper ``bits`` (n,) of 8 kept; 8 or more leave an image as it is."""
    kept = bits.to(images.device)[:, None, None, None]
    step = 2.0 ** (8 - kept).to(images.dtype)
    coarse = torch.floor((images * 255.0 + _ROUNDING) / step) * step / 255.0
    return torch.where(kept >= 8, images, coarse)


def solarised(images: Tensor, threshold: Tensor) -> Tensor:
    """Values of at least ``threshold`` (n,) inverted."""
    return torch.where(images >= per_image(threshold, images), 1.0 - images, images)


def equalised(images: Tensor) -> Tensor:
    """Each channel through the running sum of its histogram of 256 levels; one of a single level stays."""
    count, channels, height, width = images.shape
    values = to_bytes(images).long().view(count * channels, -1)
    histogram = values.new_zeros(count * channels, 256).scatter_add_(1, values, torch.ones_like(values))
    # Pillow leaves the pixels of the brightest level out of what it divides by
    last = histogram.gather(1, values.amax(1, keepdim=True))
    step = (height * width - last) // 255
    below = histogram.cumsum(1) - histogram
    table = torch.where(step > 0, (below + step // 2) // step.clamp(min=1), torch.arange(256, device=images.device))
    done = table.clamp(0, 255).gather(1, values).view_as(images)
    return from_bytes(done).to(images.dtype)


def stretched(images: Tensor) -> Tensor:
    """Each channel brought to the range from 0 to 1; one of a single value stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    wide = high > low
    return torch.where(wide, (images - low) / torch.where(wide, high - low, 1.0), images).clamp(0.0, 1.0)


POSTERISED = Posterise()
SOLARISED = Solarise()
EQUALISED = Equalise()
STRETCHED = Autocontrast()
