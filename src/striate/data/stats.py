"""Statistics of training images, for normalisation."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError

from .dataset import Dataset

CHUNK = 256  # images read at a time


def channel_statistics(train: Dataset, *, any_split: bool = False) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of a training split, in [0, 1]; one pass, exact.

    Pixels lie on the 8-bit grid, so sums and sums of squares are whole numbers and nothing is rounded before the end.
    A channel that never varies gets a deviation of 1, so that dividing by it changes nothing.

    Args:
        train: The split; what a net is normalised with must come from training images alone.
        any_split: Take another split all the same.

    Raises:
        StriateError: The split is not ``train`` and ``any_split`` was not said, or it is empty.
    """
    check_training(train, any_split=any_split)
    total = torch.zeros(train.channels, dtype=torch.int64)
    squares = torch.zeros(train.channels, dtype=torch.int64)
    count = 0
    for start in range(0, len(train), CHUNK):
        pixels = train.readable(torch.arange(start, min(start + CHUNK, len(train))))[1].to(torch.int64)
        total += pixels.sum((0, 2, 3))
        squares += pixels.square().sum((0, 2, 3))
        count += pixels.numel() // train.channels
    mean = total.double() / count
    variance = (squares.double() / count - mean.square()).clamp_min(0.0)
    deviation = torch.where(variance > 0, variance.sqrt(), torch.full_like(variance, 255.0))
    return tuple((mean / 255).tolist()), tuple((deviation / 255).tolist())


def check_training(train: Dataset, *, any_split: bool = False) -> None:
    """Raises a `StriateError` where statistics are asked of another split than ``train``, or of no image."""
    if train.split != "train" and not any_split:
        raise StriateError(
            f"statistics of the {train.split} split of {train.name}",
            accepted="the train split: dev and test must not shape what they measure",
        )
    if not len(train):
        raise StriateError(f"{train.name} has no images in its {train.split} split", accepted="at least one")
