"""Frames read from films."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .errors import ImageError, StriateError


@dataclass(frozen=True, eq=False)
class Footage:
    """The frames of a film, uint8 (T, 3, H, W), and how many there are a second."""

    frames: Tensor
    rate: float


def read_film(path: str | Path, *, limit: int | None = None) -> Footage:
    """The frames of a film file, or the first ``limit``, as its own rotation flag leaves them (it is not applied).

    Read by PyAV, which the extra ``video`` brings.

    Raises:
        StriateError: PyAV is not installed, or the file holds no film that it can read.
    """
    try:
        import av
    except ImportError as error:
        raise StriateError(
            f"{Path(path).name} without the package av",
            accepted="av installed, or a folder of frames",
            hint='pip install "striate[video]"',
        ) from error
    if not Path(path).is_file():
        raise ImageError(f"{path} does not exist", accepted="the path of a film, or a folder of frames")
    frames: list[Tensor] = []
    try:
        with av.open(str(path)) as container:
            film = container.streams.video[0]
            rate = float(film.average_rate or 25)
            for frame in container.decode(film):
                frames.append(torch.from_numpy(np.array(frame.to_ndarray(format="rgb24"))).permute(2, 0, 1))
                if limit is not None and len(frames) >= limit:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise ImageError(f"{Path(path).name} cannot be read as a film ({error})", accepted="a video file") from error
    if not frames:
        raise ImageError(f"{Path(path).name} has no frames", accepted="a film of at least one frame")
    return Footage(torch.stack(frames), rate)
