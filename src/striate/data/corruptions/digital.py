"""Digital damage: contrast, elastic pulls, pixels, JPEG. Source: Hendrycks & Dietterich 2019, released code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.image import through_jpeg
from striate.core.rng import Rng
from striate.data.transforms.focus import smoothing


def contrast(images: Tensor, share: float, ids: Tensor, rng: Rng) -> Tensor:
    """A share of each value's distance to the mean of its channel."""
    del ids, rng
    means = images.mean((2, 3), keepdim=True)
    return (images - means) * share + means


def elastic_transform(images: Tensor, constants: tuple[float, float, float], ids: Tensor, rng: Rng) -> Tensor:
    """An affine map that moves three points by up to ``pull`` pixels, then a smooth random field of displacements.

    The field is even noise in [-1, 1], smoothed with ``sigma``, times ``alpha``, in pixels; mirrored at the edges.
    """
    alpha, sigma, pull = constants
    height, width = images.shape[-2:]
    images = _sampled(images, _affine(ids, (height, width), pull, rng), centres=True)
    raw = rng.child("field").uniform(ids, (2, height, width), low=-1.0, high=1.0)
    spread = torch.tensor([sigma])
    field = alpha * (smoothing(spread, height) @ raw @ smoothing(spread, width).transpose(-1, -2))
    return _sampled(images, _pixels(height, width) + field.permute(0, 2, 3, 1), centres=False)


def _affine(ids: Tensor, size: tuple[int, int], pull: float, rng: Rng) -> Tensor:
    """Where in the image (x, y) each pixel (n, H, W, 2) of the result comes from."""
    middle = torch.tensor([size[1] // 2, size[0] // 2], dtype=torch.float64)
    reach = min(size) // 3
    corners = middle + reach * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    moved = corners + rng.child("pull").uniform(ids, (3, 2), low=-pull, high=pull).double()
    ones = torch.ones(len(ids), 3, 1, dtype=torch.float64)
    backward: Tensor = torch.linalg.solve(torch.cat([moved, ones], 2), corners.expand(len(ids), -1, -1))
    pixels = _pixels(*size).double()
    places = torch.cat([pixels, torch.ones(*size, 1, dtype=torch.float64)], 2) @ backward[:, None]
    return places.to(torch.float32)


def _pixels(height: int, width: int) -> Tensor:
    """The coordinates (x, y) of every pixel, (H, W, 2)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y], 2).float()


def _sampled(images: Tensor, places: Tensor, *, centres: bool) -> Tensor:
    """The images at places (n, H, W, 2) in pixels, mirrored about the centres of edge pixels, or about the edges."""
    sides = torch.tensor([images.shape[-1], images.shape[-2]], dtype=torch.float32)
    grid = places * 2 / (sides - 1) - 1 if centres else (places + 0.5) * 2 / sides - 1
    return F.grid_sample(images, grid.to(images), padding_mode="reflection", align_corners=centres)


def pixelate(images: Tensor, share: float, ids: Tensor, rng: Rng) -> Tensor:
    """Made smaller by means over boxes, then as large as it was, each pixel a box."""
    del ids, rng
    down, across = (_boxes(side, max(1, int(side * share))).to(images) for side in images.shape[-2:])
    few = down @ images @ across.T
    back = [
        _boxes(int(small), int(side)).to(images) for small, side in zip(few.shape[-2:], images.shape[-2:], strict=True)
    ]
    return back[0] @ few @ back[1].T


def _boxes(given: int, wanted: int) -> Tensor:
    """A matrix (wanted, given) that brings a row of pixels to another size: means of those whose centres a box holds.

    Source: Pillow's box filter: support half a pixel of the coarser grid, ``-1/2 < x <= 1/2``.
    """
    scale = given / wanted
    reach = max(scale, 1.0) / 2
    centres = (torch.arange(wanted, dtype=torch.float64) + 0.5) * scale
    away = torch.arange(given, dtype=torch.float64) + 0.5 - centres[:, None]
    weights = ((away > -reach - 1e-9) & (away <= reach + 1e-9)).to(torch.float64)
    weights = torch.where(away <= -reach + 1e-9, 0.0, weights)
    return weights / weights.sum(1, keepdim=True)


def jpeg_compression(images: Tensor, quality: int, ids: Tensor, rng: Rng) -> Tensor:
    """As JPEG files of a quality give them back."""
    del ids, rng
    return through_jpeg(images, quality)
