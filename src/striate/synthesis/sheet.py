"""Many images on one sheet."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.image import enlarge, from_bytes

LEAST = 64  # smaller images are enlarged by a whole factor


def contact_sheet(images: Tensor, *, across: int | None = None, gap: int = 2, least: int = LEAST) -> Tensor:
    """Images (N, C, H, W), floats in [0, 1] or bytes, in rows on white, (C, H', W').

    Args:
        images: At least one.
        across: Images a row; by default about as many as rows.
        gap: Pixels between them.
        least: Smaller sides are enlarged to at least this by a whole factor.
    """
    shown = enlarge(from_bytes(images) if images.dtype == torch.uint8 else images.detach().float(), least).cpu()
    count, channels, height, width = shown.shape
    columns = across or max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    sheet = torch.ones(channels, rows * (height + gap) - gap, columns * (width + gap) - gap)
    for k, image in enumerate(shown):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    return sheet
