"""Where the images of a data set lie: a tensor, files, or a rule that draws them. A store knows places, not rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import ImageError
from striate.core.image import Geometry, as_images, from_bytes, to_bytes, to_channels


@dataclass(frozen=True)
class Annotations:
    """What is known of one image beside its label; boxes and masks in pixels as stored. See `Sample`."""

    boxes: Tensor | None = None
    masks: Tensor | None = None
    attributes: Mapping[str, str | float] = field(default_factory=lambda: MappingProxyType({}))
    caption: str = ""
    group: str = ""

    def moved(self, geometry: Geometry, size: tuple[int, int]) -> Annotations:
        """The same, where the geometry puts the pixels of an image of this (H, W)."""
        height, width = geometry.resized(*size)
        top, left = round((height - geometry.size[0]) / 2), round((width - geometry.size[1]) / 2)
        boxes, masks = self.boxes, self.masks
        if boxes is not None:
            across, down = width / size[1], height / size[0]
            boxes = boxes * torch.tensor([across, down, across, down]) - torch.tensor([left, top, left, top])
            limits = torch.tensor([geometry.size[1], geometry.size[0]] * 2, dtype=boxes.dtype)
            boxes = torch.minimum(boxes.clamp(min=0), limits)
        if masks is not None:
            nearest = Geometry(geometry.size, geometry.resize, geometry.crop, "nearest")
            masks = nearest.apply(masks.to(torch.float32)) > 0.5
        return Annotations(boxes, masks, self.attributes, self.caption, self.group)


class Store(Protocol):
    """Images by place."""

    @property
    def channels(self) -> int:
        """Channels as stored."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image, or None where they differ."""

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width of one image."""

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8."""

    def name_of(self, place: int) -> str:
        """What the image is called."""

    def annotations(self, place: int) -> Annotations:
        """What is known of it."""

    def digest(self, places: Tensor) -> str:
        """A hash over these images, or over what they follow from."""


@dataclass(frozen=True, eq=False)
class TensorStore:
    """Images in memory: (N, C, H, W) uint8."""

    pixels: Tensor
    name: str
    first: int = 0

    @classmethod
    def of(cls, images: Tensor, *, name: str, first: int = 0) -> TensorStore:
        """From (N, C, H, W) uint8, or floats in [0, 1], which are rounded to 8 bits; names count from ``first``."""
        if images.dim() != 4 or images.shape[1] not in {1, 3}:
            raise ImageError(f"images of {name} have shape {tuple(images.shape)}", accepted="(N, 1 or 3, H, W)")
        pixels = images if images.dtype == torch.uint8 else to_bytes(as_images(images, layout="NCHW"))
        return cls(pixels.detach().cpu(), name, first)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.pixels.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width, the same for all."""
        del place
        return self.size

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8."""
        return prepared(self.pixels[places], channels, geometry)

    def name_of(self, place: int) -> str:
        """Name and number."""
        return f"{self.name} {self.first + place}"

    def annotations(self, place: int) -> Annotations:
        """Nothing more is known."""
        del place
        return Annotations()

    def digest(self, places: Tensor) -> str:
        """A sha256 over the pixels."""
        whole = len(places) == len(self.pixels) and bool((places == torch.arange(len(places))).all())
        pixels = self.pixels if whole else self.pixels[places]
        return hashlib.sha256(pixels.contiguous().numpy().data).hexdigest()


def prepared(pixels: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
    """Bytes (n, C, H, W) with channels and geometry applied, rounded to bytes again where that changes anything."""
    height, width = pixels.shape[2:]
    still = geometry is None or geometry.resized(height, width) == (height, width) == geometry.size
    if pixels.shape[1] == channels and still:
        return pixels
    images = to_channels(from_bytes(pixels), channels)
    return to_bytes(images if geometry is None else geometry.apply(images))
