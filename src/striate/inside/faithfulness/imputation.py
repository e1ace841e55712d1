"""Filling in missing pixels from those around them: noisy linear imputation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECT, DIAGONAL = 1 / 6, 1 / 12  # weights of the four and the four other neighbours
TOLERANCE = 1e-4  # of a pixel value, root mean square of what the equations miss
MOST = 400  # steps of conjugate gradients; a hole as large as the image takes about as many as its side


def impute(images: Tensor, missing: Tensor, *, tolerance: float = TOLERANCE) -> Tensor:
    """Images (n, C, H, W) in which each pixel that is ``missing``, (n, 1, H, W) bool, is the mean of its neighbours.

    Weights are 1/6 for the four nearest and 1/12 for the diagonal ones, out of their sum where the image ends; missing
    neighbours count with the values that they are given, so it is a linear system, sparse and symmetric. It is solved
    for all images at once by conjugate gradients, from a guess made of ever coarser means. An image of which nothing
    is known becomes grey.

    Source: Rong et al. 2022, section 4.2 and equation 4.
    """
    missing = missing | torch.zeros_like(images[:, :1], dtype=torch.bool)
    nothing = missing.flatten(1).all(1)[:, None, None, None]
    hole = missing.to(images.dtype)
    weights = _weights(images)
    degree = _around(torch.ones_like(images[:1, :1]), weights)
    known = images * (1 - hole)
    guess = _guess(known, 1 - hole)
    found = torch.where(missing, guess, images)
    rest = hole * (_around(found, weights) - degree * found)
    # Jacobi's preconditioner is the same nearly everywhere (the degree), so it is left out.
    way, size = rest.clone(), _square(rest)
    limit = (tolerance * degree.mean()).square() * hole.sum((1, 2, 3), keepdim=True).clamp(min=1)
    for _ in range(MOST):
        if bool((size <= limit).all()):
            break
        pushed = hole * (degree * way - _around(way, weights))
        length = size / (way * pushed).sum((2, 3), keepdim=True).clamp(min=1e-30)
        found = found + length * way
        rest = rest - length * pushed
        after = _square(rest)
        way = rest + after / size.clamp(min=1e-30) * way
        size = after
    return torch.where(nothing, torch.full_like(images, 0.5), found)


def _square(values: Tensor) -> Tensor:
    return values.square().sum((2, 3), keepdim=True)


def _weights(images: Tensor) -> Tensor:
    near, far = DIRECT, DIAGONAL
    kernel = images.new_tensor([[far, near, far], [near, 0.0, near], [far, near, far]])
    return kernel.expand(1, 1, 3, 3)


def _around(values: Tensor, weights: Tensor) -> Tensor:
    """The weighed sum of the neighbours of each pixel; beyond the image there are none."""
    count, channels = values.shape[:2]
    planes = values.reshape(count * channels, 1, *values.shape[2:])
    return F.conv2d(planes, weights, padding=1).view_as(values)


def _guess(known: Tensor, there: Tensor) -> Tensor:
    """Each pixel from the finest grid of means, side doubled from grid to grid, whose cell holds a known pixel."""
    height, width = known.shape[-2:]
    if min(height, width) < 2:
        return known.sum((2, 3), keepdim=True) / there.sum((2, 3), keepdim=True).clamp(min=1) + torch.zeros_like(known)
    share = F.avg_pool2d(there, 2, ceil_mode=True)
    mean = F.avg_pool2d(known * there, 2, ceil_mode=True) / share.clamp(min=1e-6)
    coarse = _guess(mean * (share > 0), (share > 0).to(known.dtype))
    filled = torch.where(share > 0, mean, coarse)
    wide = F.interpolate(filled, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(there > 0, known, wide)
