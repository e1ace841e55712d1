"""What a whole split's images can differ in: light, colour, detail, noise, traces of JPEG; one number an image each."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import ImageError
from striate.core.image import from_bytes, to_channels
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset
from striate.data.properties import PROPERTIES, pixel_properties, stored_images

TRAITS: dict[str, str] = {
    **{name: name for name in PROPERTIES},
    "warmth": "red minus blue",
    "green tint": "green minus the mean of red and blue",
    "black": "share of black pixels",
    "white": "share of white pixels",
    "noise": "noise",
    "fine detail": "detail of one pixel against that of two",
    "coarse detail": "detail of two pixels against that of four",
    "flat": "share of neighbouring pixels that are equal",
    "blocks": "steps at the edges of JPEG blocks",
    "levels": "share of the grey levels in use",
}
GRID = 8
_ENDS = (2.5 / 255, 252.5 / 255)  # darker is black, brighter is white
_BLOCK = 8
_FLOOR = 1e-4  # differences below a fortieth of a grey level, of images that hold next to nothing


def image_traits(data: Dataset, *, progress: Progress = SILENT, workers: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Each of `TRAITS`, (N,) float64, and a grid of luma means (N, 64), of the images as they are stored.

    Each image is read once, a few at a time; no geometry is applied, for resizing would hide what is looked for.

    Raises:
        ImageError: A file cannot be read; the message holds its name.
    """
    out = {name: torch.zeros(len(data), dtype=torch.float64) for name in TRAITS}
    grid = torch.zeros(len(data), GRID * GRID, dtype=torch.float64)
    with progress.task(f"compare {data.split} images", len(data)) as step:
        for rows, images in stored_images(data, workers=workers):
            if isinstance(images, ImageError):
                raise images
            pixels = from_bytes(images)
            for name, values in traits_of(pixels).items():
                out[name][rows] = values
            grid[rows] = F.adaptive_avg_pool2d(to_channels(pixels, 1), GRID).flatten(1).to(torch.float64)
            step(len(rows))
    return out, grid


def traits_of(images: Tensor) -> dict[str, Tensor]:
    """Each of `TRAITS` for a batch of images (n, C, H, W) in [0, 1]; each (n,) float64.

    ``noise`` is the deviation that `immerkaer` estimates, ``fine detail`` and ``coarse detail`` are logarithms of the
    ratio of neighbouring bands of a pyramid, ``blocks`` the logarithm of how much larger steps are at every eighth
    pixel than elsewhere; it is 0 for images below 16 pixels, which hold no two blocks.
    """
    luma = to_channels(images, 1)
    plane = luma[:, 0]
    bands = _bands(luma)
    return {
        **pixel_properties(images),
        **_tints(images),
        "black": (plane < _ENDS[0]).flatten(1).to(torch.float64).mean(1),
        "white": (plane > _ENDS[1]).flatten(1).to(torch.float64).mean(1),
        "noise": immerkaer(plane),
        "fine detail": bands[0] - bands[1],
        "coarse detail": bands[1] - bands[2],
        "flat": _flat(plane),
        "blocks": _blocks(plane),
        "levels": _levels(plane),
    }


def immerkaer(luma: Tensor) -> Tensor:
    """Deviation of the noise of (n, H, W), as it would be if it were normal; 0 below 3 pixels.

    Source: Immerkaer 1996, "Fast noise variance estimation", equation 2: what is left of the image after a mask that
    neither planes nor straight edges along the axes pass.
    """
    if min(luma.shape[1:]) < 3:
        return torch.zeros(len(luma), dtype=torch.float64)
    mask = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    left = F.conv2d(luma[:, None], mask[None, None]).abs()
    return math.sqrt(math.pi / 2) / 6 * left.flatten(1).to(torch.float64).mean(1)


def _tints(images: Tensor) -> dict[str, Tensor]:
    if images.shape[1] == 1:
        none = torch.zeros(len(images), dtype=torch.float64)
        return {"warmth": none, "green tint": none}
    red, green, blue = images.flatten(2).to(torch.float64).mean(2).unbind(1)
    return {"warmth": red - blue, "green tint": green - 0.5 * (red + blue)}


def _bands(luma: Tensor) -> list[Tensor]:
    """Logarithms of the deviation of three bands of a Laplacian pyramid that is not thinned out."""
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    out, image = [], luma
    for octave in range(3):
        reach = 2 << octave
        spread = torch.zeros(2 * reach + 1)
        spread[:: 1 << octave] = taps
        padded = F.pad(image, (reach,) * 4, mode="replicate")
        soft = F.conv2d(F.conv2d(padded, spread[None, None, None]), spread[None, None, :, None])
        band = (image - soft).flatten(1).to(torch.float64).square().mean(1).sqrt()
        out.append((band + _FLOOR).log())
        image = soft
    return out


def _flat(plane: Tensor) -> Tensor:
    across, down = plane.diff(dim=2) == 0, plane.diff(dim=1) == 0
    count = across[0].numel() + down[0].numel()
    return (across.flatten(1).sum(1) + down.flatten(1).sum(1)).to(torch.float64) / max(count, 1)


def _blocks(plane: Tensor) -> Tensor:
    out = torch.zeros(len(plane), dtype=torch.float64)
    for turned in (plane, plane.transpose(1, 2)):
        if turned.shape[2] < 2 * _BLOCK:
            continue
        steps = turned.diff(dim=2).abs().to(torch.float64).mean(1)
        edge = torch.arange(steps.shape[1]) % _BLOCK == _BLOCK - 1
        out = out + ((steps[:, edge].mean(1) + _FLOOR) / (steps[:, ~edge].mean(1) + _FLOOR)).log()
    return out / 2


def _levels(plane: Tensor) -> Tensor:
    level = (plane * 255).round().to(torch.int64).flatten(1)
    there = torch.zeros(len(plane), 256, dtype=torch.bool).scatter(1, level, True)
    return there.sum(1).to(torch.float64) / min(256, level.shape[1])
