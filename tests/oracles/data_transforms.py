"""Transforms by slow loops in float64, from the papers: elastic distortion, mixing, cutting, colour axes, hue."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]


def bilinear(image: Array, x: float, y: float) -> float:
    """The value of a plane at a point, mixed from the four nearest pixel centres, black outside."""
    height, width = image.shape
    left, top = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
    across, down = x - 0.5 - left, y - 0.5 - top
    total = 0.0
    for row, by_row in ((top, 1 - down), (top + 1, down)):
        for column, by_column in ((left, 1 - across), (left + 1, across)):
            if 0 <= row < height and 0 <= column < width:
                total += by_row * by_column * image[row, column]
    return total


def warped(image: Array, matrix: Array) -> Array:
    """A plane whose pixel centres show the points that a homography takes them to."""
    height, width = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            x, y, w = matrix @ np.array([column + 0.5, row + 0.5, 1.0])
            out[row, column] = bilinear(image, x / w, y / w)
    return out


def elastic(image: Array, noise: Array, alpha: float, sigma: float) -> Array:
    """Simard et al. 2003, section 2: smoothed noise (2, H, W) times alpha displaces each pixel, x first."""
    smooth = [alpha * ndimage.gaussian_filter(plane, sigma, mode="reflect", truncate=6.0) for plane in noise]
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float64)
    places = np.stack([rows + smooth[1], columns + smooth[0]])
    return np.asarray(ndimage.map_coordinates(image, places, order=1, mode="nearest"), dtype=np.float64)


def hue_turned(pixel: Sequence[float], turns: float) -> tuple[float, float, float]:
    """One colour turned on the wheel of HSV, by Python's own conversion."""
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb((hue + turns) % 1.0, saturation, value)


def colour_axes(pixels: Array) -> tuple[Array, Array]:
    """Variances and axes of colours (n, 3), the largest first, by the singular values of the centred matrix."""
    centred = pixels - pixels.mean(0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    return singular**2 / len(pixels), axes


def hull(polygon: Sequence[tuple[float, float]], width: float, height: float) -> tuple[float, float, float, float]:
    """The box around what of a convex polygon lies in an image (Sutherland & Hodgman 1974)."""
    corners = list(polygon)
    for axis, limit, sign in ((0, 0.0, 1.0), (0, width, -1.0), (1, 0.0, 1.0), (1, height, -1.0)):
        kept: list[tuple[float, float]] = []
        for start, end in pairwise([*corners, corners[0]] if corners else []):
            one, two = sign * (start[axis] - limit), sign * (end[axis] - limit)
            if one >= 0:
                kept.append(start)
            if (one >= 0) != (two >= 0):
                share = one / (one - two)
                kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
        corners = kept
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (min(xs), min(ys), max(xs), max(ys)) if corners else (0.0, 0.0, 0.0, 0.0)
