"""Class activation maps in slow float64 loops, from the papers, for the network of `inside_convolution`."""

from __future__ import annotations

import math

import numpy as np

from oracles.inside_convolution import enlarge, layer, rest, scores


def slopes(maps, weights, target, step=1e-6):
    """Derivative of the target's score by each value of the layer, by central differences."""
    found = np.zeros_like(maps)
    for place in np.ndindex(maps.shape):
        up, down = maps.copy(), maps.copy()
        up[place] += step
        down[place] -= step
        found[place] = (rest(up, weights)[target] - rest(down, weights)[target]) / (2 * step)
    return found


def hires_cam(image, weights, target, size):
    """Draelos & Carin 2020, section 3.2."""
    maps = layer(image, weights)
    return enlarge(sum(a * g for a, g in zip(maps, slopes(maps, weights, target), strict=True)), size)


def layer_cam(image, weights, target, size):
    """Jiang et al. 2021, equations 5 to 7."""
    maps = layer(image, weights)
    total = sum(np.maximum(g, 0) * a for a, g in zip(maps, slopes(maps, weights, target), strict=True))
    return enlarge(np.maximum(total, 0), size)


def ablation_cam(image, weights, target, size):
    """Desai & Ramaswamy 2020, equations 4 and 5, before the division by the score."""
    maps = layer(image, weights)
    total = np.zeros(maps.shape[1:])
    for k in range(len(maps)):
        without = maps.copy()
        without[k] = 0
        total += (rest(maps, weights)[target] - rest(without, weights)[target]) * maps[k]
    return enlarge(np.maximum(total, 0), size)


def score_cam(image, weights, target, size, hidden):
    """Wang et al. 2020, algorithm 1; ``hidden`` is the pixel value of what a mask hides."""
    maps = layer(image, weights)
    powers = []
    for channel in maps:
        scaled = (channel - channel.min()) / (channel.max() - channel.min())
        mask = enlarge(scaled, size)
        powers.append(math.exp(scores(mask * image + (1 - mask) * hidden, weights)[target]))
    total = sum(power / sum(powers) * channel for power, channel in zip(powers, maps, strict=True))
    return enlarge(np.maximum(total, 0), size)


def plus_plus(maps, score, step=0.01):
    """Chattopadhay et al. 2018, equations 5 and 10 with every derivative of Y = exp(score) by differences of Y itself.

    Divided by Y, which is a factor of all weights.
    """
    value = math.exp(score(maps))

    def at(place, far):
        moved = maps.copy()
        moved[place] += far * step
        return math.exp(score(moved))

    total = np.zeros(maps.shape[1:])
    for k in range(len(maps)):
        weight = 0.0
        for i, j in np.ndindex(maps.shape[1:]):
            y = {far: at((k, i, j), far) for far in range(-3, 4)}
            first = (y[-2] - 8 * y[-1] + 8 * y[1] - y[2]) / (12 * step)
            second = (-y[-2] + 16 * y[-1] - 30 * y[0] + 16 * y[1] - y[2]) / (12 * step**2)
            third = (y[-3] - 8 * y[-2] + 13 * y[-1] - 13 * y[1] + 8 * y[2] - y[3]) / (8 * step**3)
            alpha = second / (2 * second + maps[k].sum() * third)
            weight += alpha * max(first, 0.0)
        total += weight * maps[k]
    return np.maximum(total, 0) / value
