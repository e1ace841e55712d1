"""Where the images of a data set lie: a tensor, files, or a rule that draws them. A store knows places, not rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from striate.core.errors import ImageError
from striate.core.image import Geometry, as_images, from_bytes, to_bytes, to_channels

from .annotations import NOTHING, Annotations


class Notes(Protocol):
    """What is known of the images of a store, by place; a tuple of `Annotations` will do."""

    def __getitem__(self, place: int, /) -> Annotations:
        """What is known of one image, in pixels as stored."""


@runtime_checkable
class Attributed(Protocol):
    """A store that knows the attributes of many images without all else that `Store.annotations` gives."""

    def attributes(self, places: Tensor) -> Sequence[Mapping[str, str | float]]:
        """Attributes of each of these images."""


class Store(Protocol):
    """Images by place."""

    @property
    def channels(self) -> int:
        """Channels as stored."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image, or None where they differ."""

    @property
    def grouped(self) -> bool:
        """Whether images may have groups: where not, nobody needs to ask each of them."""

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
    notes: Notes | None = None

    @classmethod
    def of(cls, images: Tensor, *, name: str, first: int = 0, notes: Notes | None = None) -> TensorStore:
        """From (N, C, H, W) uint8, or floats in [0, 1], which are rounded to 8 bits; names count from ``first``."""
        if images.dim() != 4 or images.shape[1] not in {1, 3}:
            raise ImageError(f"images of {name} have shape {tuple(images.shape)}", accepted="(N, 1 or 3, H, W)")
        pixels = images if images.dtype == torch.uint8 else to_bytes(as_images(images, layout="NCHW"))
        return cls(pixels.detach().cpu(), name, first, notes)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.pixels.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])

    @property
    def grouped(self) -> bool:
        """Whether images may have groups."""
        return self.notes is not None

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width, the same for all."""
        del place
        return self.size

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8."""
        return prepared(self.pixels[places], channels, geometry)

    def serves(self, channels: int, geometry: Geometry | None) -> bool:
        """Whether the images are wanted just as they are stored."""
        return channels == self.channels and (geometry is None or _still(geometry, *self.size))

    def name_of(self, place: int) -> str:
        """Name and number."""
        return f"{self.name} {self.first + place}"

    def annotations(self, place: int) -> Annotations:
        """What is known of it, if anything."""
        return NOTHING if self.notes is None else self.notes[place]

    def digest(self, places: Tensor) -> str:
        """A sha256 over the pixels."""
        whole = len(places) == len(self.pixels) and bool((places == torch.arange(len(places))).all())
        pixels = self.pixels if whole else self.pixels[places]
        return hashlib.sha256(pixels.contiguous().numpy().data).hexdigest()


def prepared(pixels: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
    """Bytes (n, C, H, W) with channels and geometry applied, rounded to bytes again where that changes anything."""
    height, width = pixels.shape[2:]
    if pixels.shape[1] == channels and (geometry is None or _still(geometry, height, width)):
        return pixels
    images = to_channels(from_bytes(pixels), channels)
    return to_bytes(images if geometry is None else geometry.apply(images))


def _still(geometry: Geometry, height: int, width: int) -> bool:
    return geometry.resized(height, width) == (height, width) == geometry.size
