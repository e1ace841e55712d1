"""Pictures for the tests of the checks: like photographs in that they have detail at every scale, and made by rule."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from striate.core.image import to_bytes
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits


def photographs(count: int, *, side: int = 96, seed: int = 0) -> Tensor:
    """(count, 3, side, side) in [0, 1]: noise whose power falls with the square of the frequency, in soft colours."""
    noise = Rng(seed, "photographs").normal(torch.arange(count), (3, side, side))
    frequency = torch.fft.fftfreq(side)
    falling = 1 / (frequency[:, None] ** 2 + frequency[None] ** 2 + side**-2).sqrt()
    fields = torch.fft.ifft2(torch.fft.fft2(noise) * falling).real
    fields = fields / fields.std((-2, -1), keepdim=True)
    mixed = fields[:, :1] + 0.3 * fields
    return (0.45 + 0.15 * mixed).clamp(0, 1)


def picture(image: Tensor) -> Image.Image:
    """The image for Pillow."""
    return Image.fromarray(to_bytes(image).permute(1, 2, 0).numpy())


def saved_anew(image: Image.Image, quality: int) -> Image.Image:
    """Through a JPEG and back."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def splits_of(train: Dataset, dev: Dataset | None = None, test: Dataset | None = None) -> Splits:
    """Three splits; empty ones where none are given."""
    from dataclasses import replace

    parts = [replace(each if each is not None else train.take([]), split=split)
             for split, each in (("train", train), ("dev", dev), ("test", test))]  # fmt: skip
    return Splits(parts[0], parts[1], parts[2], "made for a test")
