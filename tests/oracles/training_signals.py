"""Activations and gradients of a chain of linear layers with ReLU between, in float64 by the chain rule."""

from __future__ import annotations

import numpy as np


def chain(
    weights: list[np.ndarray], rows: np.ndarray, labels: np.ndarray
) -> tuple[float, list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Mean cross-entropy, responses of the layers, their gradients, the weights' gradients."""
    inputs, responses, hidden = [], [], rows.astype(np.float64)
    for place, weight in enumerate(weights):
        inputs.append(hidden)
        responses.append(hidden @ weight.astype(np.float64).T)
        hidden = np.maximum(responses[-1], 0) if place < len(weights) - 1 else responses[-1]
    shifted = hidden - hidden.max(1, keepdims=True)
    shares = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    picked = np.arange(len(labels)), labels
    loss = -np.log(shares[picked]).mean()
    grad = shares.copy()
    grad[picked] -= 1
    grad /= len(labels)
    gradients, slopes = [], []
    for place in reversed(range(len(weights))):
        gradients.insert(0, grad)
        slopes.insert(0, grad.T @ inputs[place])
        if place:
            grad = (grad @ weights[place].astype(np.float64)) * (responses[place - 1] > 0)
    return float(loss), responses, gradients, slopes
