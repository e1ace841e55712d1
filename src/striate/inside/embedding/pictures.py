"""Thumbnails of images, and a plane drawn with the images themselves."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from striate.core.image import encode_webp, enlarge
from striate.data.dataset import Dataset

THUMB = 112  # pixels: larger images are shrunk to this short side, smaller ones enlarged by a whole factor
LEAST = 64
TILE = 32  # pixels of an image in the plane
WIDE, TALL = 1280, 960  # pixels of the plane
_CHUNK = 32  # images that are held at a time


def thumbnail(image: Tensor) -> bytes:
    """A WebP thumbnail of an image (C, H, W)."""
    side = min(image.shape[-2:])
    if side > 1.5 * THUMB:
        height, width = (round(each * THUMB / side) for each in image.shape[-2:])
        image = _resized(image, height, width)
    return encode_webp(enlarge(image, LEAST))


def thumbnails(data: Dataset, rows: Iterable[int]) -> dict[str, bytes]:
    """Thumbnails of rows of a split, by `key_of`."""
    wanted = sorted(set(rows))
    return {
        key_of(row): thumbnail(image)
        for start in range(0, len(wanted), _CHUNK)
        for row, image in zip(wanted[start : start + _CHUNK], data.images(wanted[start : start + _CHUNK]), strict=True)
    }


def key_of(row: int) -> str:
    """Album key of a row's thumbnail."""
    return f"image-{row}.webp"


def free_places(places: Tensor) -> tuple[list[int], Tensor]:
    """Which of the places (N, 2) can show an image of `TILE` pixels without hiding an earlier one, and their corners.

    Corners (N, 2) int64 are left and top in a plane of `WIDE` by `TALL` pixels; y points upwards in ``places``.
    """
    low, high = places.amin(0), places.amax(0)
    share = (places - low) / torch.where(high > low, high - low, 1.0)
    room = torch.tensor([WIDE - TILE, TALL - TILE], dtype=torch.float64)
    corners = (torch.stack([share[:, 0], 1 - share[:, 1]], 1) * room).round().long()
    kept: list[int] = []
    for number, corner in enumerate(corners):
        if not kept or int((corners[kept] - corner).abs().amax(1).min()) >= TILE:
            kept.append(number)
    return kept, corners


def draw_plane(data: Dataset, rows: Tensor, places: Tensor) -> tuple[bytes, int]:
    """The plane with the images at their places, as WebP on white, and how many are shown."""
    kept, corners = free_places(places)
    sheet = torch.ones(3, TALL, WIDE)
    for start in range(0, len(kept), _CHUNK):
        part = kept[start : start + _CHUNK]
        for number, image in zip(part, data.images(rows[part]), strict=True):
            left, top = corners[number].tolist()
            sheet[:, top : top + TILE, left : left + TILE] = _resized(image, TILE, TILE).expand(3, -1, -1)
    return encode_webp(sheet, quality=80), len(kept)


def _resized(image: Tensor, height: int, width: int) -> Tensor:
    antialias = min(image.shape[-2:]) > min(height, width)
    return torch.nn.functional.interpolate(
        image[None], (height, width), mode="bilinear", antialias=antialias, align_corners=False
    )[0].clamp(0, 1)
