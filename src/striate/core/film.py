"""Films from images."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from .errors import StriateError
from .image import to_bytes


def encode_gif(frames: Sequence[Tensor], *, rate: float = 12.0) -> bytes:
    """A GIF that runs for ever, of images (C, H, W) in [0, 1] of one size, ``rate`` a second (at most 50).

    Colours are reduced to 256 a frame. The last frame stands for a second.

    Raises:
        StriateError: No frames, frames of several sizes, a rate out of range.
    """
    from PIL import Image

    _check(frames, rate)
    pictures = []
    for frame in frames:
        array = np.ascontiguousarray(to_bytes(frame).permute(1, 2, 0).cpu().numpy())
        picture = Image.fromarray(array if array.shape[2] == 3 else array[..., 0])
        pictures.append(picture.quantize(256) if array.shape[2] == 3 else picture)
    each = max(20, round(100 / rate) * 10)  # GIF counts hundredths of a second
    times = [each] * (len(pictures) - 1) + [max(each, 1000)]
    stream = io.BytesIO()
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    return stream.getvalue()


def _check(frames: Sequence[Tensor], rate: float) -> None:
    if not frames:
        raise StriateError("a film of no frames", accepted="at least one")
    sizes = {tuple(frame.shape) for frame in frames}
    if len(sizes) > 1:
        raise StriateError(f"frames have the shapes {sorted(sizes)[:3]}", accepted="one shape")
    if not 0 < rate <= 50:
        raise StriateError(f"rate is {rate:g} frames a second", accepted="above 0, at most 50")
