"""Attention and what is read from it, in slow float64 loops, from the papers."""

from __future__ import annotations

import math

import numpy as np


def probabilities(query, key, scale, mask=None):
    """Equation 1 of Vaswani et al. 2017 for one head: rows of softmax(scale * query key^T + mask)."""
    found = np.zeros((len(query), len(key)))
    for i, one in enumerate(query):
        logits = [scale * sum(a * b for a, b in zip(one, other, strict=True)) for other in key]
        if mask is not None:
            logits = [value + mask[i][j] for j, value in enumerate(logits)]
        powers = [math.exp(value - max(logits)) for value in logits]
        found[i] = [power / sum(powers) for power in powers]
    return found


def product(left, right):
    """Matrix product as a sum."""
    result = np.zeros((left.shape[0], right.shape[1]))
    for i in range(left.shape[0]):
        for j in range(right.shape[1]):
            for k in range(left.shape[1]):
                result[i, j] += left[i, k] * right[k, j]
    return result


def rollout(layers):
    """Abnar & Zuidema 2020, equation 1: ``layers`` are (heads, T, T)."""
    count = layers[0].shape[-1]
    shares = np.eye(count)
    for heads in layers:
        raw = sum(heads) / len(heads)
        raw = 0.5 * raw + 0.5 * np.eye(count)
        raw = raw / raw.sum(axis=1, keepdims=True)
        shares = product(raw, shares)
    return shares


def relevance(layers, slopes):
    """Chefer, Gur & Wolf 2021, equations 5 and 6, for self-attention."""
    count = layers[0].shape[-1]
    found = np.eye(count)
    for heads, gradients in zip(layers, slopes, strict=True):
        mean = np.zeros((count, count))
        for one, gradient in zip(heads, gradients, strict=True):
            mean += np.maximum(one * gradient, 0) / len(heads)
        found = found + product(mean, found)
    return found


def transformer(tokens, weights, changed=None):
    """A pre-norm block without norms or MLP per entry of ``weights``, then logits from token 0; with its attention.

    ``changed`` maps (layer, head, row, column) to what is added to that probability.
    """
    layers = []
    for number, layer in enumerate(weights["blocks"]):
        heads, size = layer["heads"], tokens.shape[1] // layer["heads"]
        query, key, value = (
            tokens @ part.T + bias
            for part, bias in zip(np.split(layer["in"], 3), np.split(layer["bias"], 3), strict=True)
        )
        outputs, attention = [], []
        for head in range(heads):
            cut = slice(head * size, (head + 1) * size)
            shares = probabilities(query[:, cut], key[:, cut], 1 / math.sqrt(size))
            for (place, which, row, column), amount in (changed or {}).items():
                if (place, which) == (number, head):
                    shares[row, column] += amount
            attention.append(shares)
            outputs.append(product(shares, value[:, cut]))
        tokens = tokens + np.concatenate(outputs, 1) @ layer["out"].T + layer["out_bias"]
        layers.append(np.stack(attention))
    return weights["head"] @ tokens[0] + weights["head_bias"], layers


def attention_slopes(tokens, weights, target, step=1e-5):
    """Derivatives of a logit by every attention probability, by central differences."""
    _, layers = transformer(tokens, weights)
    slopes = []
    for number, heads in enumerate(layers):
        found = np.zeros_like(heads)
        for place in np.ndindex(heads.shape):
            up, down = (transformer(tokens, weights, {(number, *place): far})[0][target] for far in (step, -step))
            found[place] = (up - down) / (2 * step)
        slopes.append(found)
    return layers, slopes


def mean_distance(attention, rows, columns, pixels):
    """Mean distance in pixels from a patch to where it looks, one head: (patches, patches) probabilities."""
    total = 0.0
    for i in range(rows * columns):
        weight = far = 0.0
        for j in range(rows * columns):
            y, x = divmod(i, columns)
            v, u = divmod(j, columns)
            weight += attention[i, j]
            far += attention[i, j] * math.hypot((y - v) * pixels[0], (x - u) * pixels[1])
        total += far / weight
    return total / (rows * columns)
