"""Pixel flipping over regions: how far the target's logit falls while the strongest regions become noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net

from .erasing import Score, replaced_scores
from .scores import Scores, check_maps, ranks

REGIONS = 25  # so many along the short side, as 9 pixels of 227 in the paper


def pixel_flipping(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    steps: int = 32,
    patch: int | None = None,
    score: Score = "logit",
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Mean fall of the target's score over the first ``steps`` regions and none (AOPC); higher is better.

    Regions are squares of a grid, by the sum of the map in them, the highest first; one after the other becomes uniform
    noise, the same for all maps of an image. ``steps`` forward passes a map, and one an image.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W).
        steps: How many regions are flipped; all of them where there are fewer.
        patch: Side of a region in pixels; a 25th of the short side when None. The last ones may be cut off.
        score: What falls.
        seed: Of the noise and of the order of equal regions.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, no step, or a patch that does not fit.

    Source: Samek et al. 2017, section III-B, equations 10 to 12 (most relevant first; 9 x 9 pixels, 100 steps). They
    average over several draws of the noise; here there is one an image. Pixel by pixel: Bach et al. 2015.
    """
    height, width = images.shape[-2:]
    patch = max(1, round(min(height, width) / REGIONS)) if patch is None else patch
    if steps < 1 or not 1 <= patch <= min(height, width):
        raise StriateError(f"steps is {steps}, patch is {patch}", accepted="at least 1; a patch within the image")
    rows, columns = -(-height // patch), -(-width // patch)
    region = _regions(height, width, patch)
    maps = check_maps(maps, images).double()
    padded = F.pad(maps, (0, columns * patch - width, 0, rows * patch - height))
    heat = padded.view(*maps.shape[:-2], rows, patch, columns, patch).sum((-3, -1))
    place = ranks(heat, images[..., :rows, :columns], seed=seed)  # of regions
    steps = min(steps, rows * columns)
    found = replaced_scores(
        net,
        images,
        targets,
        ranks=place[..., region],
        counts=range(steps + 1),
        other=_noise(images, seed),
        score=score,
        memory=memory,
        progress=progress,
        label="pixel flipping",
    )
    return Scores((found[..., :1] - found).mean(-1), higher=True)


def _regions(height: int, width: int, patch: int) -> Tensor:
    """The number of the region that each pixel lies in, (H * W,)."""
    columns = -(-width // patch)
    return ((torch.arange(height) // patch)[:, None] * columns + torch.arange(width) // patch).flatten()


def _noise(images: Tensor, seed: int) -> Tensor:
    noise = Rng(seed, "faithfulness/flipping").uniform(image_ids(images), images.shape[1:])
    return noise.to(images)
