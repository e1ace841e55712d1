"""Blur: out of focus, through frosted glass, by a moving or nearing camera.

Source: Hendrycks & Dietterich 2019, released code, which calls OpenCV, scikit-image and ImageMagick.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.rng import Rng
from striate.data.transforms.focus import smoothing


def defocus_blur(images: Tensor, constants: tuple[float, float], ids: Tensor, rng: Rng) -> Tensor:
    """The images convolved with a disc of a radius in pixels whose edge is smoothed; mirrored at the edges."""
    del ids, rng
    kernel = disc(*constants).to(images)
    reach = kernel.shape[-1] // 2
    height, width = images.shape[-2:]
    padded = F.pad(images, (reach,) * 4, mode="reflect" if reach < min(height, width) else "replicate")
    each = padded.reshape(-1, 1, height + 2 * reach, width + 2 * reach)
    return F.conv2d(each, kernel[None, None]).view_as(images)


def disc(radius: float, alias: float) -> Tensor:
    """A disc (k, k) of sum 1, smoothed by a Gaussian of standard deviation ``alias`` over 3 x 3 or 5 x 5 pixels."""
    soft = 1 if radius <= 8 else 2
    reach = math.floor(radius) + soft
    along = torch.arange(-reach, reach + 1, dtype=torch.float64)
    hard = (along[:, None].square() + along.square() <= radius**2).to(torch.float64)
    weights = torch.exp(-torch.arange(-soft, soft + 1, dtype=torch.float64).square() / (2 * alias**2))
    smooth = (weights[:, None] * weights / weights.sum() ** 2)[None, None]
    found = F.conv2d((hard / hard.sum())[None, None], smooth, padding=soft)[0, 0]
    return found / found.sum()


def glass_blur(images: Tensor, constants: tuple[float, int, int], ids: Tensor, rng: Rng) -> Tensor:
    """Smoothed, then pixels swapped with random near ones, several times over, then smoothed again.

    The released code goes pixel by pixel from the last to the first; here pixels whose neighbourhoods do not meet are
    swapped at once. Its assignment of array views copies a pixel where a swap is meant; ours swaps.
    """
    sigma, reach, rounds = constants
    images = (smoothed(images, sigma) * 255).floor() / 255
    count, _, height, width = images.shape
    places = torch.arange(height * width, device=images.device).repeat(count, 1)
    for number in range(rounds):
        shifts = rng.integers(ids, (2, height, width), low=-reach, high=reach, step=number).to(images.device)
        for top in range(reach + 1, min(3 * reach + 1, height - reach + 1)):
            for left in range(reach + 1, min(3 * reach + 1, width - reach + 1)):
                rows = torch.arange(top, min(height - reach + 1, height), 2 * reach, device=images.device)
                columns = torch.arange(left, min(width - reach + 1, width), 2 * reach, device=images.device)
                y, x = (each.reshape(-1) for each in torch.meshgrid(rows, columns, indexing="ij"))
                here, there = y * width + x, (y + shifts[:, 0, y, x]) * width + x + shifts[:, 1, y, x]
                mine = places[:, here]
                places[:, here] = places.gather(1, there)
                places.scatter_(1, there, mine)
    moved = images.flatten(2).gather(2, places[:, None].expand(-1, images.shape[1], -1))
    return smoothed(moved.view_as(images), sigma)


def motion_blur(images: Tensor, constants: tuple[float, float], ids: Tensor, rng: Rng) -> Tensor:
    """Smeared along a line at an angle drawn from -45 to 45 degrees."""
    return smeared(images, *constants, rng.uniform(ids, low=-45.0, high=45.0))


def smeared(images: Tensor, radius: float, sigma: float, degrees: Tensor) -> Tensor:
    """Means of each pixel and those that follow on a line, weighted by half a Gaussian; edge pixels go on beyond.

    ``degrees`` (n,) say which way, clockwise from the right. Offsets are whole pixels.

    Source: ImageMagick 6, MotionBlurImage: ``2 radius + 1`` pixels, weights ``exp(-i^2 / (2 sigma^2))``.
    """
    height, width = images.shape[-2:]
    angle, total = torch.deg2rad(degrees.double()), torch.zeros_like(images)
    steps = torch.arange(2 * math.ceil(radius) + 1, dtype=torch.float64)
    weights = torch.exp(-steps.square() / (2 * sigma**2))
    weights = weights / weights.sum()
    across, down = (torch.ceil(steps * part[:, None] - 0.5).long() for part in (angle.cos(), angle.sin()))
    for k, weight in enumerate(weights.tolist()):
        y = (torch.arange(height) + down[:, k, None]).clamp(0, height - 1).to(images.device)
        x = (torch.arange(width) + across[:, k, None]).clamp(0, width - 1).to(images.device)
        rows = images.gather(2, y[:, None, :, None].expand(-1, images.shape[1], -1, width))
        total += weight * rows.gather(3, x[:, None, None, :].expand(-1, images.shape[1], height, -1))
    return total


def zoom_blur(images: Tensor, constants: tuple[float, float], ids: Tensor, rng: Rng) -> Tensor:
    """The mean of the image and of its enlargements about the middle, from 1 on in steps to below the last."""
    del ids, rng
    factors = np.arange(1, *constants)
    total = images.clone()
    for factor in factors:
        total += zoomed(images, float(factor))
    return total / (len(factors) + 1)


def zoomed(images: Tensor, factor: float) -> Tensor:
    """The middle of the images, enlarged to their size by linear interpolation."""
    height, width = images.shape[-2:]
    y, x = (
        ((torch.arange(side, dtype=torch.float64) + 0.5) * 2 / side - 1).to(images) / factor for side in (height, width)
    )
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], 2)
    return F.grid_sample(images, grid.expand(len(images), -1, -1, -1), padding_mode="border", align_corners=False)


def smoothed(images: Tensor, sigma: float) -> Tensor:
    """Smoothed by a Gaussian along both axes, mirrored at the edges."""
    spread = torch.tensor([sigma])
    down, across = (smoothing(spread, side).to(images) for side in images.shape[-2:])
    return down @ images @ across.transpose(-1, -2)
