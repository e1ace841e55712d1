"""Principal axes of rows of numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def principal(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates (N, r), axes (r, D) of length one and shares of the variance (r,), float64, r = min(N, D).

    Of each axis the entry of largest size is positive. Rows that do not differ have coordinates and shares of 0.

    Source: Pearson 1901, "On lines and planes of closest fit to systems of points in space".
    """
    wide = rows.detach().double()
    left, sizes, axes = torch.linalg.svd(wide - wide.mean(0), full_matrices=False)
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    shares = sizes.square() / sizes.square().sum().clamp(min=1e-300)
    return left * sizes * signs.T, axes * signs, shares
