"""One pass over the pixels of the data: every image is decoded once, for all checks that look at pixels."""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import ImageError
from striate.core.image import from_bytes, to_channels
from striate.core.progress import SILENT, Progress
from striate.data.dataset import BrokenFile, Dataset, Splits
from striate.data.properties import PROPERTIES, pixel_properties, stored_images

DARKEST, BRIGHTEST = 0.005, 0.995  # quantiles of the luma that stand for its ends: a few odd pixels do not count
COLOURS = 8  # side of the small colour planes
LARGE, SMALL = 64, 32  # sides of the small pictures, by whether the images are large enough to be cut
_CUT_FROM = 48  # pixels of the median short side from which cut-outs are looked for
_SIZES = 500  # images of a split whose size is asked


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass over a split leaves behind: about 5 KB an image at most.

    Attributes:
        data: The split, without the images that turned out to be unreadable.
        properties: Each of `PROPERTIES`, (N,) float64.
        dark: Luma below which half a percent of the pixels lie, (N,).
        bright: Luma above which half a percent of the pixels lie, (N,).
        spread: Largest deviation of a channel over the image, (N,).
        digests: Hashes of the decoded pixels with their size: equal for equal pixels.
        small: (N, side, side) uint8, the luma brought to one size whatever the aspect.
        colours: (N, 2, 8, 8) uint8, the two chroma planes (ITU-R BT.601) around 128, or None for grey data.
        broken: Files that could not be decoded, beside those that were left out before.
    """

    data: Dataset
    properties: dict[str, Tensor]
    dark: Tensor
    bright: Tensor
    spread: Tensor
    digests: tuple[bytes, ...]
    small: Tensor
    colours: Tensor | None
    broken: tuple[BrokenFile, ...]


def small_side(splits: Splits) -> int:
    """The side of the small pictures: `LARGE` where cut-outs are to be looked for, else `SMALL`."""
    shortest = []
    for part in splits:
        for place in part.places[:: 1 + len(part) // _SIZES].tolist():
            try:
                shortest.append(min(part.store.size_of(place)))
            except ImageError:  # the scan will meet it too, and list it
                continue
    return LARGE if shortest and statistics.median(shortest) >= _CUT_FROM else SMALL


def scan(data: Dataset, *, side: int, progress: Progress = SILENT, workers: int = 0) -> Scan:
    """Properties, hashes and small pictures of every image of a split, each image decoded once.

    Files that cannot be decoded, though their headers could be read, are left out and listed.
    """
    count = len(data)
    numbers = {name: torch.zeros(count, dtype=torch.float64) for name in (*PROPERTIES, "dark", "bright", "spread")}
    small = torch.zeros(count, side, side, dtype=torch.uint8)
    colours = torch.zeros(count, 2, COLOURS, COLOURS, dtype=torch.uint8) if data.store.channels == 3 else None
    digests: list[bytes] = []
    broken: list[BrokenFile] = []
    read: list[int] = []
    with progress.task(f"look at {data.split or data.name} images", count) as step:
        for rows, pixels in stored_images(data, workers=workers):
            step(len(rows))
            if isinstance(pixels, ImageError):
                name = data.name_of(int(rows[0]))
                broken.append(BrokenFile(name, pixels.given.rpartition(name)[2].strip() or pixels.given))
                continue
            read += rows.tolist()
            digests += [_digest(image) for image in pixels]
            images = from_bytes(pixels)
            for name, values in (pixel_properties(images) | _ends(images)).items():
                numbers[name][rows] = values
            small[rows] = _shrunk(to_channels(images, 1), side)[:, 0]
            if colours is not None:
                colours[rows] = _shrunk(_chroma(images), COLOURS)
    kept = torch.tensor(read, dtype=torch.int64)
    whole = len(kept) == count
    return Scan(
        data if whole else data.take(kept),
        {name: numbers[name][kept] for name in PROPERTIES},
        numbers["dark"][kept],
        numbers["bright"][kept],
        numbers["spread"][kept],
        tuple(digests),
        small if whole else small[kept],
        colours if whole or colours is None else colours[kept],
        tuple(broken),
    )


def _digest(image: Tensor) -> bytes:
    digest = hashlib.blake2b(repr(tuple(image.shape)).encode(), digest_size=16)
    digest.update(image.contiguous().numpy().data)
    return digest.digest()


def _ends(images: Tensor) -> dict[str, Tensor]:
    levels = (to_channels(images, 1).flatten(1) * 255.0).round().to(torch.int64)
    count, pixels = levels.shape
    offsets = 256 * torch.arange(count)[:, None]
    counts = torch.bincount((levels + offsets).reshape(-1), minlength=256 * count).view(count, 256)
    reached = counts.cumsum(1)
    return {
        "dark": (reached <= DARKEST * pixels).sum(1).to(torch.float64) / 255.0,
        "bright": (reached < BRIGHTEST * pixels).sum(1).to(torch.float64) / 255.0,
        "spread": images.flatten(2).std(2, correction=0).amax(1).to(torch.float64),
    }


def _shrunk(planes: Tensor, side: int) -> Tensor:
    done = F.interpolate(planes, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
    return (done * 255.0).round().clamp(0, 255).to(torch.uint8)


def _chroma(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([0.564 * (blue - luma), 0.713 * (red - luma)], dim=1) + 0.5
