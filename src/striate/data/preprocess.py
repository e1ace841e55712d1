"""Preprocessing by choice: what a net takes from its pixels first, measured on training images alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from striate.core.errors import StriateError

from .dataset import Dataset
from .stats import CHUNK, channel_statistics, check_training

Preprocess = Literal["mean_std", "channel_mean", "mean_image", "min_max"]
CHOICES: tuple[Preprocess, ...] = get_args(Preprocess)


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from pixels in [0, 1], and what they are divided by then.

    Attributes:
        kind: How it was measured.
        mean: One number a channel, or an image (C, H, W).
        std: One number a channel.
    """

    kind: Preprocess
    mean: tuple[float, ...] | Tensor
    std: tuple[float, ...]

    def apply(self, images: Tensor) -> Tensor:
        """Images (n, C, H, W) as the net's first layer sees them; the net does this itself."""
        mean, std = (torch.as_tensor(each, dtype=images.dtype) for each in (self.mean, self.std))
        mean = mean if mean.dim() == 3 else mean.view(-1, 1, 1)
        return (images - mean.to(images.device)) / std.view(-1, 1, 1).to(images.device)


def measure_normalisation(train: Dataset, kind: Preprocess = "mean_std") -> Normalisation:
    """The normalisation of a training split; one pass in bounded memory, exact (whole numbers until the end).

    ``mean_std``: each channel less its mean, over its standard deviation (He et al. 2016 and most since).
    ``channel_mean``: each channel less its mean (Simonyan & Zisserman 2015). ``mean_image``: each pixel less its mean
    over the images, which ties a net to their size (Krizhevsky et al. 2012). ``min_max``: each channel brought from its
    least and greatest value to 0 and 1; a channel of one value is left at 0.

    Raises:
        StriateError: The split is not ``train``, or is empty; or its images differ in size and an image is asked for.

    >>> data = Dataset.of(torch.tensor([[[[0, 255]]], [[[51, 255]]]], dtype=torch.uint8), [0, 1], split="train")
    >>> measure_normalisation(data, "min_max").mean
    (0.0,)
    """
    if kind not in CHOICES:
        raise StriateError(f"preprocess is {kind!r}", accepted=", ".join(CHOICES))
    check_training(train)
    ones = (1.0,) * train.channels
    if kind == "mean_image":
        return Normalisation(kind, _mean_image(train), ones)
    if kind == "min_max":
        return _range(train)
    mean, std = channel_statistics(train)
    return Normalisation(kind, mean, std if kind == "mean_std" else ones)


def _mean_image(train: Dataset) -> Tensor:
    if train.size is None:
        raise StriateError(
            f"the images of {train.name} differ in size", accepted="images of one size for a mean image", hint="--size"
        )
    total = torch.zeros(train.channels, *train.size, dtype=torch.int64)
    for start in range(0, len(train), CHUNK):
        total += train.read(torch.arange(start, min(start + CHUNK, len(train)))).sum(0, dtype=torch.int64)
    return (total.double() / len(train) / 255.0).to(torch.float32)


def _range(train: Dataset) -> Normalisation:
    low = torch.full((train.channels,), 255, dtype=torch.uint8)
    high = torch.zeros(train.channels, dtype=torch.uint8)
    for start in range(0, len(train), CHUNK):
        flat = train.read(torch.arange(start, min(start + CHUNK, len(train)))).transpose(0, 1).flatten(1)
        low, high = torch.minimum(low, flat.amin(1)), torch.maximum(high, flat.amax(1))
    wide = (high.double() - low.double()) / 255.0
    wide = torch.where(wide > 0, wide, torch.ones_like(wide))
    return Normalisation("min_max", tuple((low.double() / 255.0).tolist()), tuple(wide.tolist()))
