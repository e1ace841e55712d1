"""Slow float64 loops for classifiers of codes, soft targets and weighted tasks."""

from __future__ import annotations

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    """Row by row."""
    out = np.empty_like(scores)
    for i, row in enumerate(scores):
        powers = np.exp(row - row.max())
        out[i] = powers / powers.sum()
    return out


def softmax_gradient(
    codes: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of mean cross-entropy + l/2 |W|^2 in centred codes of mean length 1, at the weights of plain codes."""
    mean = codes.mean(0)
    scale = np.mean([np.sqrt(((row - mean) ** 2).sum()) for row in codes])
    x, own = (codes - mean) / scale, weight * scale
    chances = softmax(codes @ weight.T + bias)
    by_weight, by_bias = penalty * own, np.zeros(len(bias))
    for row, label, chance in zip(x, labels, chances, strict=True):
        error = chance - np.eye(len(bias))[label]
        by_weight = by_weight + np.outer(error, row) / len(x)
        by_bias = by_bias + error / len(x)
    return by_weight, by_bias


def ridge_left_out(codes: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> np.ndarray:
    """Ridge regression with a free offset, fitted anew without each image; the penalty of all images."""
    centred = codes - codes.mean(0)
    level = penalty * np.trace(centred @ centred.T) / len(codes)
    right = []
    for out in range(len(codes)):
        keep = np.arange(len(codes)) != out
        x, y = codes[keep], np.eye(classes)[labels[keep]]
        ones = np.hstack([x, np.ones((len(x), 1))])
        system = ones.T @ ones + level * np.diag([1.0] * x.shape[1] + [0.0])
        solution = np.linalg.solve(system, ones.T @ y)
        right.append((np.append(codes[out], 1.0) @ solution).argmax() == labels[out])
    return np.array(right)
