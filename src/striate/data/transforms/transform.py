"""What a transform is: a frozen distribution over parameters, drawn for each image, applied to a batch at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.annotations import Annotations

from .marks import moved
from .motion import Motion

if TYPE_CHECKING:
    from striate.data.dataset import Sample

Parameters = Mapping[str, Tensor]  # by name; the first axis counts the images
Shape = tuple[int, int, int]  # channels, height, width
A = TypeVar("A", bound=Annotations)


class Transform:
    """Random changes of images (n, C, H, W) in [0, 1] into others of the same shape and range.

    `draw` gives the parameters of each image, which hang on (seed, its id, step) alone; `apply` makes the change and is
    a plain function of images and parameters, on any device, differentiable by the pixels where ``differentiable``
    says so. What moves pixels says how in `motions`, so that boxes, masks, regions and points go the same way.
    """

    differentiable: ClassVar[bool] = True

    @property
    def words(self) -> str:
        """What it does, with its numbers."""
        return type(self).__name__

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """The parameters, on the CPU, of the images with these ids (n,), for images of ``shape`` (C, H, W)."""
        del ids, rng, step, shape
        return {}

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images, changed as the parameters say."""
        for motion in self.motions(parameters, size_of(images)):
            images = motion.sample(images)
        return images

    def motions(self, parameters: Parameters, size: tuple[int, int]) -> tuple[Motion, ...]:
        """Where pixels go in images of this (H, W), one motion after the other; empty where they stay."""
        del parameters, size
        return ()

    def hidden(self, parameters: Parameters, size: tuple[int, int]) -> Tensor | None:
        """(n, H, W) bool: the pixels that something else was put in front of; None where nothing is."""
        del parameters, size
        return None

    def __call__(self, images: Tensor, ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
        """The changed images; equal ids, seed and step give equal changes, whatever the batch."""
        if len(ids) != len(images):
            raise StriateError(f"{len(ids)} ids for {len(images)} images", accepted="one id an image")
        if not len(images):
            return images
        return self.apply(images, self.draw(ids.cpu(), rng, step=step, shape=shape_of(images)))

    def moved(
        self, known: A, parameters: Parameters, size: tuple[int, int], *, row: int = 0, visible: float = 0.25
    ) -> A:
        """What is known of image ``row`` of the batch, moved as its pixels are.

        Boxes become the hull of what of them stays in the image; an object of which less than the share ``visible``
        stays is dropped. Pixels that come from outside are `VOID` in region maps and False in masks.
        """
        return moved(known, self.motions(parameters, size), size, row=row, visible=visible)

    def on(self, sample: Sample, rng: Rng, *, step: int = 0, visible: float = 0.25) -> Sample:
        """One sample, its image and all that is marked in it changed together."""
        images = sample.image[None]
        drawn = self.draw(torch.tensor([sample.id]), rng, step=step, shape=shape_of(images))
        marked = self.moved(sample, drawn, size_of(images), visible=visible)
        return replace(marked, image=self.apply(images, drawn)[0])


def size_of(images: Tensor) -> tuple[int, int]:
    """Height and width of a batch."""
    return int(images.shape[-2]), int(images.shape[-1])


def shape_of(images: Tensor) -> Shape:
    """Channels, height and width of a batch."""
    return int(images.shape[-3]), int(images.shape[-2]), int(images.shape[-1])


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Numbers (n, ...) on the images' device and in their precision, with axes added so that they multiply images."""
    placed = values.to(images.device, images.dtype)
    return placed.reshape(*placed.shape, *(1 for _ in range(images.dim() - placed.dim())))


def check_share(share: float) -> None:
    """Raises a `StriateError` where a share is not from 0 to 1."""
    if not 0.0 <= share <= 1.0:
        raise StriateError(f"share is {share}", accepted="a number from 0 to 1")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises a `StriateError` where a number lies outside of [low, high]."""
    if not low <= value <= high:
        raise StriateError(f"{name} is {value}", accepted=f"a number from {low:g} to {high:g}")
