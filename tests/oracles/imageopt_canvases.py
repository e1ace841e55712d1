"""Slow canvases for one image at a time, by loops in float64 from their definitions; imports nothing of striate."""

from __future__ import annotations

import cmath
import math

import numpy as np


def spectrum_scale(height: int, width: int, power: float) -> np.ndarray:
    """1 / f^power over the whole (H, W) spectrum, at a mean square of 1/2."""
    out = np.zeros((height, width))
    for u in range(height):
        for v in range(width):
            down, across = min(u, height - u) / height, min(v, width - v) / width
            out[u, v] = max(math.hypot(down, across), 1 / max(height, width)) ** -power
    return out / math.sqrt(2 * (out**2).mean())


def image_of_spectrum(half: np.ndarray, width: int) -> np.ndarray:
    """The real image (H, W) of the left half (H, W // 2 + 1) of a spectrum: the sum of its waves, by definition.

    The right half mirrors the left; entries that are their own mirror image are real, so only that part counts.
    """
    height = half.shape[0]
    whole = np.zeros((height, width), dtype=complex)
    for u in range(height):
        for v in range(width):
            if v < half.shape[1]:
                whole[u, v] = half[u, v]
            else:
                whole[u, v] = half[-u % height, width - v].conjugate()
    for v in {0, width // 2} if width % 2 == 0 else {0}:
        # In these columns both an entry and its mirror image are given: a real image shows their Hermitian part.
        column = whole[:, v].copy()
        for u in range(height):
            whole[u, v] = (column[u] + column[-u % height].conjugate()) / 2
    image = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            total = 0j
            for u in range(height):
                for v in range(width):
                    total += whole[u, v] * cmath.exp(2j * math.pi * (u * row / height + v * column / width))
            assert abs(total.imag) < 1e-9
            image[row, column] = total.real / math.sqrt(height * width)
    return image


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value))."""
    return 1 / (1 + math.exp(-value))


def pasted(image: np.ndarray, patch: np.ndarray, mask: np.ndarray, to_patch: np.ndarray) -> np.ndarray:
    """A patch (C, h, w) in an image (C, H, W), both mixed bilinearly; the mask is 0 beyond the patch."""
    out = image.copy()
    height, width = mask.shape

    def mixed(plane: np.ndarray, x: float, y: float, *, edge: bool) -> float:
        x, y = x - 0.5, y - 0.5
        if edge:
            x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
        left, top = math.floor(x), math.floor(y)
        total = 0.0
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row, column = top + i, left + j
            if 0 <= row < height and 0 <= column < width:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
        return total

    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            x, y, _ = to_patch @ np.array([column + 0.5, row + 0.5, 1.0])
            share = mixed(mask, x, y, edge=False)
            for k in range(image.shape[0]):
                out[k, row, column] += share * (mixed(patch[k], x, y, edge=True) - out[k, row, column])
    return out


def pattern(weights: np.ndarray, shape: tuple[int, int, int], *, units: int, depth: int) -> np.ndarray:
    """What a pattern-producing network of these weights (P,) paints, (C, H, W)."""
    places = iter(weights.tolist())
    channels, height, width = shape
    shapes = [(units, 4)] + [(units, units + 1)] * (depth - 1) + [(channels, units + 1)]
    layers = [[[next(places) for _ in range(fan)] for _ in range(count)] for count, fan in shapes]
    functions = (math.sin, lambda a: math.exp(-(a**2)), math.tanh)
    image = np.zeros((channels, height, width))
    longer = max(height, width)
    for row in range(height):
        for column in range(width):
            x, y = (2 * column + 1 - width) / longer, (2 * row + 1 - height) / longer
            values = [x, y, math.hypot(x, y), 1.0]
            for layer in layers[:-1]:
                sums = [sum(w * v for w, v in zip(line, values, strict=True)) for line in layer]
                values = [functions[k % 3](a) for k, a in enumerate(sums)] + [1.0]
            for k, line in enumerate(layers[-1]):
                image[k, row, column] = sigmoid(sum(w * v for w, v in zip(line, values, strict=True)))
    return image
