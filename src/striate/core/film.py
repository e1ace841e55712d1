"""Films from images: MP4 where PyAV is installed, GIF everywhere."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .errors import StriateError
from .image import to_bytes

QUALITY = 20  # constant rate factor of H.264: 0 is lossless, 51 the worst, 18 to 23 hard to tell from the frames
_HOLD = 1.0  # seconds that the last frame of a GIF stands


def encode_film(frames: Sequence[Tensor], *, rate: float = 12.0) -> tuple[str, bytes]:
    """The ending and the bytes of a film of images (C, H, W): ``"mp4"`` where PyAV is installed, else ``"gif"``.

    Raises:
        StriateError: No frames, frames of several sizes, a rate out of range.
    """
    if importlib.util.find_spec("av") is None:
        return "gif", encode_gif(frames, rate=rate)
    return "mp4", encode_mp4(frames, rate=rate)


def encode_mp4(frames: Sequence[Tensor], *, rate: float = 12.0) -> bytes:
    """An MP4 (H.264, 4:2:0) of images (C, H, W) in [0, 1], or bytes, of one size, ``rate`` a second (at most 50).

    H.264 wants even sides: an odd one loses its last row or column, a side of one pixel is refused. Films loop only
    where the player does.

    Raises:
        StriateError: PyAV is not installed; no frames, frames of several sizes, a rate out of range.
    """
    check_frames(frames, rate)
    height, width = (side - side % 2 for side in frames[0].shape[-2:])
    if min(height, width) == 0:
        raise StriateError(
            f"an MP4 of frames of shape {tuple(frames[0].shape)}", accepted="sides of at least 2 pixels", hint="a GIF"
        )
    try:
        import av
    except ImportError as error:
        raise StriateError(
            "an MP4 without the package av",
            accepted="av installed, or a GIF",
            hint='pip install "striate[video]", or encode_gif',
        ) from error
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        film = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
        film.width, film.height, film.pix_fmt = width, height, "yuv420p"
        film.options = {"crf": str(QUALITY)}
        for array in _arrays(frames):
            picture = array[:height, :width]
            if picture.ndim == 2:
                picture = np.repeat(picture[..., None], 3, axis=2)
            container.mux(film.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(film.encode())
    return stream.getvalue()


def encode_gif(frames: Sequence[Tensor], *, rate: float = 12.0) -> bytes:
    """A GIF that runs for ever, of images (C, H, W) in [0, 1], or bytes, of one size, ``rate`` a second (at most 50).

    Colours are reduced to 256 a frame. The last frame stands for a second.

    Raises:
        StriateError: No frames, frames of several sizes, a rate out of range.
    """
    from PIL import Image

    check_frames(frames, rate)
    pictures = []
    for array in _arrays(frames):
        picture = Image.fromarray(array)
        pictures.append(picture.quantize(256) if array.ndim == 3 else picture)
    each = max(20, round(100 / rate) * 10)  # GIF counts hundredths of a second
    times = [each] * (len(pictures) - 1) + [max(each, round(1000 * _HOLD))]
    stream = io.BytesIO()
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    return stream.getvalue()


def check_frames(frames: Sequence[Tensor], rate: float) -> None:
    """Whether a film can be made of these.

    Raises:
        StriateError: No frames, frames of several sizes, a rate out of range.
    """
    if not frames:
        raise StriateError("a film of no frames", accepted="at least one")
    sizes = {tuple(frame.shape) for frame in frames}
    if len(sizes) > 1:
        raise StriateError(f"frames have the shapes {sorted(sizes)[:3]}", accepted="one shape")
    shape = next(iter(sizes))
    if len(shape) != 3 or shape[0] not in {1, 3} or min(shape) == 0:
        raise StriateError(f"frames of shape {shape}", accepted="(C, H, W) with 1 or 3 channels")
    if not 0 < rate <= 50:
        raise StriateError(f"rate is {rate:g} frames a second", accepted="above 0, at most 50")


def _arrays(frames: Sequence[Tensor]) -> Iterator[npt.NDArray[np.uint8]]:
    """Each frame as bytes (H, W, 3), or (H, W) of one channel."""
    for frame in frames:
        pixels = frame if frame.dtype == torch.uint8 else to_bytes(frame)
        array = np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
        yield array if array.shape[2] == 3 else array[..., 0]
