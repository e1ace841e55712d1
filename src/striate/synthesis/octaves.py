"""Octaves of a picture: its sizes from small to large, and the way between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.data.transforms.motion import Motion

Size = tuple[int, int]  # height and width in pixels
SCALE = 1.4  # from one octave to the next (Mordvintsev et al. 2015, the notebook's octave_scale)


def octave_sizes(size: Size, octaves: int, *, scale: float = SCALE, least: int = 1) -> tuple[Size, ...]:
    """(H, W) of each octave, the smallest first, ``size`` last: each side divided by powers of ``scale``, rounded.

    There are fewer where a side would fall below ``least``; never fewer than one.

    Raises:
        StriateError: ``octaves`` is below 1, or ``scale`` not above 1.

    >>> octave_sizes((224, 336), 4)
    ((82, 122), (114, 171), (160, 240), (224, 336))
    >>> octave_sizes((28, 28), 4, least=16)
    ((20, 20), (28, 28))
    """
    if octaves < 1:
        raise StriateError(f"octaves is {octaves}", accepted="at least 1")
    if not scale > 1:
        raise StriateError(f"scale is {scale:g}", accepted="above 1")
    sizes = [(round(size[0] / scale**down), round(size[1] / scale**down)) for down in range(1, octaves)]
    return (*(each for each in reversed(sizes) if min(each) >= max(1, least)), size)


def resized(values: Tensor, size: Size) -> Tensor:
    """Maps (N, C, H, W) of any values at another size: averaged where they shrink, mixed of four neighbours else.

    At their own size they come back as they are.
    """
    if tuple(values.shape[-2:]) == size:
        return values
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=True)


def enlarged(images: Tensor, factor: float) -> Tensor:
    """Images (N, C, H, W) enlarged about their centre, what leaves the frame cut off.

    Raises:
        StriateError: ``factor`` is below 1.
    """
    if not factor >= 1:
        raise StriateError(f"factor is {factor:g}", accepted="at least 1")
    height, width = images.shape[-2:]
    share = 1 / factor
    matrix = torch.tensor(
        [[share, 0, width / 2 * (1 - share)], [0, share, height / 2 * (1 - share)], [0, 0, 1]], dtype=torch.float64
    )
    return Motion(matrix.expand(len(images), 3, 3), (height, width), fill="edge").sample(images)
