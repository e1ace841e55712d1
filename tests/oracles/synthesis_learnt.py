"""Slow float64 loops from the papers on fast style and decoders; imports nothing of striate."""

from __future__ import annotations

import numpy as np


def perceptual_parts(
    painted: np.ndarray, content: tuple[np.ndarray, np.ndarray], styles: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """Content, style and roughness of one image (C, H, W), each as a share.

    ``content`` holds the codes of the painted image and of its picture, ``styles`` for each site the maps of the
    painted image and of the style picture. Johnson et al. 2016, section 3.2, with shares in place of weights.
    """
    own, wanted = (each.ravel() for each in content)
    shares = []
    for maps, style in styles:
        have, target = _gram(maps), _gram(style)
        above = below = 0.0
        for first in range(len(have)):
            for second in range(len(have)):
                above += (have[first, second] - target[first, second]) ** 2
                below += target[first, second] ** 2
        shares.append(above / below)
    channels, height, width = painted.shape
    rough = 0.0
    for channel in range(channels):
        for row in range(height):
            for column in range(width):
                here = painted[channel, row, column]
                if column + 1 < width:
                    rough += (painted[channel, row, column + 1] - here) ** 2
                if row + 1 < height:
                    rough += (painted[channel, row + 1, column] - here) ** 2
    return {
        "content": sum((a - b) ** 2 for a, b in zip(own, wanted, strict=True)) / sum(b**2 for b in wanted),
        "style": sum(shares) / len(shares),
        "roughness": rough / painted.size,
    }


def _gram(maps: np.ndarray) -> np.ndarray:
    channels, places = len(maps), maps[0].size
    flat = maps.reshape(channels, places)
    found = np.zeros((channels, channels))
    for first in range(channels):
        for second in range(channels):
            found[first, second] = sum(flat[first, place] * flat[second, place] for place in range(places)) / places
    return found


def reflected_normalised(image: np.ndarray, kernels: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """A convolution of an image (C, H, W) padded by reflection, then instance normalisation, (K, H, W).

    Ulyanov et al. 2016, equation 4: mean and variance over the places of one channel of one image.
    """
    pad = kernels.shape[-1] // 2
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    _, height, width = image.shape
    found = np.zeros((len(kernels), height, width))
    for number, kernel in enumerate(kernels):
        for row in range(height):
            for column in range(width):
                window = padded[:, row : row + kernels.shape[-1], column : column + kernels.shape[-1]]
                found[number, row, column] = (window * kernel).sum()
        mean, variance = found[number].mean(), found[number].var()
        found[number] = scale[number] * (found[number] - mean) / np.sqrt(variance + 1e-5) + shift[number]
    return found


def least_squares(codes: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The linear decoder that comes nearest to images (N, P) from codes (N, K): weights (P, K) and shift (P,)."""
    rows = np.concatenate([codes, np.ones((len(codes), 1))], 1)
    found = np.linalg.lstsq(rows, images, rcond=None)[0]
    return found[:-1].T, found[-1]
