"""A small convolutional classifier in slow float64 loops, and its Grad-CAM and occlusion maps from the papers."""

from __future__ import annotations

import math

import numpy as np


def convolve(image, weight, bias):
    """Correlation with stride 1 and zero padding that keeps the size, written as a sum."""
    channels, height, width = image.shape
    out, _, k, _ = weight.shape
    pad = k // 2
    result = np.zeros((out, height, width))
    for o in range(out):
        for y in range(height):
            for x in range(width):
                total = bias[o]
                for c in range(channels):
                    for i in range(k):
                        for j in range(k):
                            yy, xx = y + i - pad, x + j - pad
                            if 0 <= yy < height and 0 <= xx < width:
                                total += weight[o, c, i, j] * image[c, yy, xx]
                result[o, y, x] = total
    return result


def halve(maps):
    """Mean over 2 x 2 blocks."""
    channels, height, width = maps.shape
    return maps.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def layer(image, weights):
    """What Grad-CAM looks at: convolution, ReLU, mean over 2 x 2 blocks, tanh."""
    return np.tanh(halve(np.maximum(convolve(image, weights["conv"], weights["conv_bias"]), 0)))


def rest(maps, weights):
    """Scores from the layer: convolution, ReLU, linear."""
    after = np.maximum(convolve(maps, weights["next"], weights["next_bias"]), 0)
    return weights["linear"] @ after.reshape(-1) + weights["linear_bias"]


def scores(image, weights):
    """Scores of an image."""
    return rest(layer(image, weights), weights)


def grad_cam(image, weights, target, size, step=1e-6):
    """Equations 1 and 2 of Selvaraju et al. 2017; every derivative by a central difference."""
    maps = layer(image, weights)
    slopes = np.zeros_like(maps)
    for place in np.ndindex(maps.shape):
        up, down = maps.copy(), maps.copy()
        up[place] += step
        down[place] -= step
        slopes[place] = (rest(up, weights)[target] - rest(down, weights)[target]) / (2 * step)
    coarse = np.zeros(maps.shape[1:])
    for k in range(len(maps)):
        alpha = slopes[k].sum() / slopes[k].size
        coarse += alpha * maps[k]
    return enlarge(np.maximum(coarse, 0), size)


def enlarge(coarse, size):
    """Bilinear interpolation between pixel centres; beyond the outermost centres the edge goes on."""
    height, width = coarse.shape
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            v = min(max((y + 0.5) * height / size[0] - 0.5, 0), height - 1)
            u = min(max((x + 0.5) * width / size[1] - 0.5, 0), width - 1)
            top, left = math.floor(v), math.floor(u)
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            a, b = v - top, u - left
            result[y, x] = (1 - a) * ((1 - b) * coarse[top, left] + b * coarse[top, right]) + a * (
                (1 - b) * coarse[below, left] + b * coarse[below, right]
            )
    return result


def occlusion(image, score, patch, stride, colour):
    """For each pixel the mean over all patches that hold it of what covering the patch takes from ``score``."""
    _, height, width = image.shape
    clean = score(image)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for top in _starts(height, patch, stride):
        for left in _starts(width, patch, stride):
            covered = image.copy()
            for y in range(top, top + patch):
                for x in range(left, left + patch):
                    covered[:, y, x] = colour
            drop = clean - score(covered)
            for y in range(top, top + patch):
                for x in range(left, left + patch):
                    total[y, x] += drop
                    count[y, x] += 1
    return total / count


def probability(values, target):
    """Softmax of one class."""
    powers = [math.exp(value - max(values)) for value in values]
    return powers[target] / sum(powers)


def _starts(length, patch, stride):
    starts = []
    start = 0
    while start + patch < length:
        starts.append(start)
        start += stride
    return [*starts, length - patch]
