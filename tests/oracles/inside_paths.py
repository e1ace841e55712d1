"""Closed forms and slow float64 loops of path, sampling and masking attributions, written from the papers."""

from __future__ import annotations

import itertools

import numpy as np


def integrated_gradients_of_quadratic(image, baseline, matrix, vector):
    """Of f(x) = x A x / 2 + b x (A symmetric): the mean gradient on the path is that at its middle."""
    return (image - baseline) * (matrix @ ((image + baseline) / 2) + vector)


def integrated_gradients_of_product(image, baseline):
    """Of f(x, y, z) = x y z: the integral over t of the other two factors, a polynomial of degree 2."""
    result = np.zeros(3)
    for i in range(3):
        a, b = (j for j in range(3) if j != i)
        da, db = image[a] - baseline[a], image[b] - baseline[b]
        mean = baseline[a] * baseline[b] + (baseline[a] * db + baseline[b] * da) / 2 + da * db / 3
        result[i] = (image[i] - baseline[i]) * mean
    return result


def variance_of_quadratic_gradients(matrix, noise):
    """Of the gradient A (x + noise) + b, by pixel."""
    return noise**2 * (matrix**2).sum(1)


def mean_over_points(gradient, points, weights):
    """Weighted sum of gradients at points, one by one."""
    total = np.zeros_like(points[0])
    for point, weight in zip(points, weights, strict=True):
        total = total + weight * gradient(point)
    return total


def rise_of_linear(weights, cells, shown, enlarge, step):
    """Covariance of the score sum(w * mask) with the mask at each pixel, over the probability that a cell is shown.

    The mask is U_i G V_j' with independent cells G and shifts i, j below ``step``; given the shifts two pixels covary
    by p (1 - p) times the products of the weights of the cells that they share.
    """
    height, width = weights.shape
    result = np.zeros((height, width))
    for i, j in itertools.product(range(step), repeat=2):
        rows, columns = enlarge[i : i + height], enlarge[j : j + width]
        shared = np.einsum("hc,gc->hg", rows, rows), np.einsum("wd,vd->wv", columns, columns)
        result += shown * (1 - shown) * (shared[0] @ weights @ shared[1]) / step**2
    del cells
    return result / shown


def enlarge_loops(cells, step):
    """Weights of bilinear enlargement, one by one: centres of the cells lie at (k + 1/2) step, ends go on flat."""
    result = np.zeros((cells * step, cells))
    for place in range(cells * step):
        where = (place + 0.5) / step - 0.5
        low = int(np.floor(where))
        part = where - low
        for cell, share in ((low, 1 - part), (low + 1, part)):
            result[place, min(max(cell, 0), cells - 1)] += share
    return result


def smooth_max(values, temperature):
    """Sum of values weighed by the softmax of values over temperature."""
    weights = np.exp((values - values.max()) / temperature)
    return float((values * weights).sum() / weights.sum())
