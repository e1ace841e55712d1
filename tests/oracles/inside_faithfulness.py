"""Measures of faithfulness in slow float64 loops written from the papers, for nets given as functions of one image."""

from __future__ import annotations

import itertools

import numpy as np


def deletion_curve(score, image, order, steps, other):
    """The score after each of ``steps`` equal parts of the pixels in ``order`` has been put from ``other``."""
    _, height, width = image.shape
    now, curve, done = image.copy(), [score(image)], 0
    for step in range(1, steps + 1):
        upto = round(height * width * step / steps)
        for pixel in order[done:upto]:
            y, x = divmod(int(pixel), width)
            now[:, y, x] = other[:, y, x]
        done = upto
        curve.append(score(now))
    return curve


def trapezoid(curve, at):
    return sum(
        (b - a) * (p + q) / 2 for (a, b), (p, q) in zip(itertools.pairwise(at), itertools.pairwise(curve), strict=True)
    )


def aopc(score, image, heat, *, patch, steps, noise):
    """Samek et al. 2017, equation 12 for one image: mean of f(x0) - f(xk), k from 0 to the number of steps."""
    _, height, width = image.shape
    places = [(y, x) for y in range(0, height, patch) for x in range(0, width, patch)]
    places.sort(key=lambda at: -heat[at[0] : at[0] + patch, at[1] : at[1] + patch].sum())
    now, falls = image.copy(), [0.0]
    for y, x in places[:steps]:
        now[:, y : y + patch, x : x + patch] = noise[:, y : y + patch, x : x + patch]
        falls.append(score(image) - score(now))
    return sum(falls) / len(falls)


def imputed(image, missing):
    """Rong et al. 2022, equation 4, as one dense linear system a channel."""
    channels, height, width = image.shape
    place = {(int(y), int(x)): k for k, (y, x) in enumerate(np.argwhere(missing))}
    result = image.copy()
    for c in range(channels):
        matrix, right = np.zeros((len(place), len(place))), np.zeros(len(place))
        for (y, x), k in place.items():
            for dy, dx in itertools.product((-1, 0, 1), repeat=2):
                yy, xx = y + dy, x + dx
                if (dy, dx) == (0, 0) or not (0 <= yy < height and 0 <= xx < width):
                    continue
                weight = 1 / 6 if dy == 0 or dx == 0 else 1 / 12
                matrix[k, k] += weight
                if (yy, xx) in place:
                    matrix[k, place[yy, xx]] -= weight
                else:
                    right[k] += weight * image[c, yy, xx]
        for (y, x), value in zip(place, np.linalg.solve(matrix, right), strict=True):
            result[c, y, x] = value
    return result


def best_overlap(heat, mask):
    """The best intersection over union of ``heat >= t`` with the mask, over all thresholds t."""
    return max((mask & (heat >= level)).sum() / (mask | (heat >= level)).sum() for level in np.unique(heat))


def spearman(first, second):
    """Pearson's correlation of mean ranks, each rank counted."""

    def mean_ranks(values):
        return np.array([(values < each).sum() + ((values == each).sum() + 1) / 2 for each in values])

    return np.corrcoef(mean_ranks(first.ravel()), mean_ranks(second.ravel()))[0, 1]
