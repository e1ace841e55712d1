"""The 15 common corruptions of images, each at 5 strengths: noise, blur, weather, digital damage.

Source: Hendrycks & Dietterich 2019, section 3 and their released code, whose constants these are: those of ImageNet-C
for images of more than 64 pixels, those of CIFAR-10-C for smaller ones, taken as they are whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.registry import Entry, Registry
from striate.core.rng import Rng

Family = Literal["noise", "blur", "weather", "digital"]
Damage = Callable[[Tensor, Any, Tensor, Rng], Tensor]  # images, constants, ids, randomness to images
SEVERITIES = (1, 2, 3, 4, 5)
SMALL = 64  # pixels of the shorter side up to which the constants of small images count
_HERE = "striate.data.corruptions"
_CITES = ("hendrycks2019benchmarking",)


@dataclass(frozen=True)
class Corruption(Entry):
    """One kind of damage.

    Attributes:
        family: Of which kind it is.
        photographs: Constants of the five strengths for images of more than 64 pixels, from ImageNet-C.
        small: The same for smaller ones, from CIFAR-10-C.
    """

    family: Family = "noise"
    photographs: tuple[Any, ...] = ()
    small: tuple[Any, ...] = ()


CORRUPTIONS: Registry[Damage] = Registry(
    "corruption",
    {
        "gaussian_noise": Corruption(
            f"{_HERE}.noise:gaussian_noise", "Gaussian noise: little light", _CITES, family="noise",
            photographs=(0.08, 0.12, 0.18, 0.26, 0.38), small=(0.04, 0.06, 0.08, 0.09, 0.10),
        ),
        "shot_noise": Corruption(
            f"{_HERE}.noise:shot_noise", "Poisson noise: light comes in quanta", _CITES, family="noise",
            photographs=(60, 25, 12, 5, 3), small=(500, 250, 100, 75, 50),
        ),
        "impulse_noise": Corruption(
            f"{_HERE}.noise:impulse_noise", "values lost to 0 or 1", _CITES, family="noise",
            photographs=(0.03, 0.06, 0.09, 0.17, 0.27), small=(0.01, 0.02, 0.03, 0.05, 0.07),
        ),
        "defocus_blur": Corruption(
            f"{_HERE}.blur:defocus_blur", "out of focus: smeared over a disc", _CITES, family="blur",
            photographs=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
            small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ),
        "glass_blur": Corruption(
            f"{_HERE}.blur:glass_blur", "frosted glass: pixels change places", _CITES, family="blur",
            photographs=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
            small=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ),
        "motion_blur": Corruption(
            f"{_HERE}.blur:motion_blur", "the camera moves", _CITES, family="blur",
            photographs=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
            small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ),
        "zoom_blur": Corruption(
            f"{_HERE}.blur:zoom_blur", "the camera comes nearer", _CITES, family="blur",
            photographs=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
            small=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ),
        "snow": Corruption(
            f"{_HERE}.weather:snow", "falling snow", _CITES, family="weather",
            photographs=(
                (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
                (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
            ),
            small=(
                (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
                (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
            ),
        ),
        "frost": Corruption(
            f"{_HERE}.weather:frost", "frost on the pane, drawn here", _CITES, family="weather",
            photographs=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
            small=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ),
        "fog": Corruption(
            f"{_HERE}.weather:fog", "fog as a plasma fractal", _CITES, family="weather",
            photographs=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
            small=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ),
        "brightness": Corruption(
            f"{_HERE}.weather:brightness", "daylight: more value in HSV", _CITES, family="weather",
            photographs=(0.1, 0.2, 0.3, 0.4, 0.5), small=(0.05, 0.1, 0.15, 0.2, 0.3),
        ),
        "contrast": Corruption(
            f"{_HERE}.digital:contrast", "nearer to the mean of each channel", _CITES, family="digital",
            photographs=(0.4, 0.3, 0.2, 0.1, 0.05), small=(0.75, 0.5, 0.4, 0.3, 0.15),
        ),
        "elastic_transform": Corruption(
            f"{_HERE}.digital:elastic_transform", "pulled and bent in small parts", _CITES, family="digital",
            photographs=tuple(
                tuple(244 * share for share in shares)  # as in the released code, though its images have 224 pixels
                for shares in (
                    (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02),
                )
            ),
            small=tuple(
                tuple(32 * share for share in shares)
                for shares in (
                    (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03),
                )
            ),
        ),
        "pixelate": Corruption(
            f"{_HERE}.digital:pixelate", "enlarged from fewer pixels", _CITES, family="digital",
            photographs=(0.6, 0.5, 0.4, 0.3, 0.25), small=(0.95, 0.9, 0.85, 0.75, 0.65),
        ),
        "jpeg_compression": Corruption(
            f"{_HERE}.digital:jpeg_compression", "JPEG files of low quality", _CITES, family="digital",
            photographs=(25, 18, 15, 10, 7), small=(80, 65, 58, 50, 40),
        ),
    },
    hint="striate attack --method corruptions",
)  # fmt: skip


def corruption(name: str) -> Corruption:
    """What is known of a corruption; an unknown name raises `UnknownNameError` with the nearest known ones."""
    entry = CORRUPTIONS[name]
    assert isinstance(entry, Corruption)
    return entry


def constants_of(size: tuple[int, int]) -> str:
    """Whose constants count for images of this size: ``"ImageNet-C"`` or ``"CIFAR-10-C"``."""
    return "ImageNet-C" if min(size) > SMALL else "CIFAR-10-C"


def corrupted(images: Tensor, name: str, severity: int, *, ids: Tensor, seed: int = 0) -> Tensor:
    """Images (N, C, H, W) in [0, 1] with one kind of damage, on the 8-bit grid; C is 1 or 3.

    What is drawn for an image hangs on (seed, its id, name, severity) alone. The paper saves its images as JPEG files
    of quality 85 after the damage (ImageNet-C); here they are rounded only.

    Raises:
        StriateError: There is no such severity, or the images have other channels.
    """
    entry = corruption(name)
    if severity not in SEVERITIES:
        raise StriateError(f"severity is {severity}", accepted="1 to 5")
    if images.ndim != 4 or images.shape[1] not in {1, 3}:
        raise StriateError(f"images of shape {tuple(images.shape)}", accepted="(N, 1 or 3, H, W)")
    if len(images) == 0:
        return images
    small = constants_of((images.shape[-2], images.shape[-1])) == "CIFAR-10-C"
    constants = (entry.small if small else entry.photographs)[severity - 1]
    rng = Rng(seed, f"corruption/{name}/{severity}")
    damaged = CORRUPTIONS.load(name)(images, constants, ids.cpu(), rng)
    return from_bytes(to_bytes(damaged.clamp(0, 1))).to(images)
