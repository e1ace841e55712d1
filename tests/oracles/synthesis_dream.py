"""DeepDream in slow float64, written from the notebook of Mordvintsev et al. 2015; imports nothing of ours."""

from __future__ import annotations

import numpy as np


def weights(given: int, wanted: int) -> np.ndarray:
    """(wanted, given) of a triangle filter between pixel centres, as wide as a new pixel where there are fewer."""
    ratio = given / wanted
    reach = max(ratio, 1.0)
    table = np.zeros((wanted, given))
    for new in range(wanted):
        centre = (new + 0.5) * ratio
        for old in range(given):
            table[new, old] = max(0.0, 1.0 - abs(old + 0.5 - centre) / reach)
        table[new] /= table[new].sum()
    return table


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Channels (C, H, W) at another size, axis by axis."""
    down, across = weights(picture.shape[1], size[0]), weights(picture.shape[2], size[1])
    return np.stack([down @ channel @ across.T for channel in picture])


def answer(picture: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """A layer without bias: kernels (K, C, h, w) slid over a picture, nothing around it."""
    count, _, high, wide = kernels.shape
    rows, columns = picture.shape[1] - high + 1, picture.shape[2] - wide + 1
    out = np.zeros((count, rows, columns))
    for k in range(count):
        for y in range(rows):
            for x in range(columns):
                out[k, y, x] = (kernels[k] * picture[:, y : y + high, x : x + wide]).sum()
    return out


def energy_gradient(picture: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Of half the sum of squares of what the layer says: ``dst.diff[:] = dst.data``."""
    high, wide = kernels.shape[2:]
    said, grad = answer(picture, kernels), np.zeros_like(picture)
    for k in range(len(kernels)):
        for y in range(said.shape[1]):
            for x in range(said.shape[2]):
                grad[:, y : y + high, x : x + wide] += said[k, y, x] * kernels[k]
    return grad


def dream(
    picture: np.ndarray, kernels: np.ndarray, sizes: list[tuple[int, int]], *, steps: int, rate: float
) -> np.ndarray:
    """``deepdream`` without its shifts, for values from 0 to 1."""
    detail = np.zeros((picture.shape[0], *sizes[0]))
    for size in sizes:
        base = resized(picture, size)
        image = np.clip(base + resized(detail, size), 0, 1)
        for _ in range(steps):
            grad = energy_gradient(image, kernels)
            image = np.clip(image + rate / np.abs(grad).mean() * grad, 0, 1)
        detail = image - base
    return image


def guided(said: np.ndarray, guide: np.ndarray) -> tuple[float, np.ndarray]:
    """``objective_guide``: the score and its gradient by what a layer says (C, H, W), for what it says of the guide."""
    score, grad = 0.0, np.zeros_like(said)
    for y in range(said.shape[1]):
        for x in range(said.shape[2]):
            best, vector = -np.inf, None
            for v in range(guide.shape[1]):
                for u in range(guide.shape[2]):
                    product = float((said[:, y, x] * guide[:, v, u]).sum())
                    if product > best:
                        best, vector = product, guide[:, v, u]
            score += best
            grad[:, y, x] = vector
    return score, grad
