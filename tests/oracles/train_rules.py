"""Optimizers, schedules and losses written from their papers in float64, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence


def sgd(
    start: float,
    gradient: Sequence[float],
    rates: Sequence[float],
    *,
    momentum: float,
    nesterov: bool,
    decay: float,
) -> float:
    """Sutskever et al. 2013 with L2 in the gradient; velocity holds gradients, the rate multiplies it at the end."""
    weight, velocity = start, None
    for raw, rate in zip(gradient, rates, strict=True):
        g = raw + decay * weight
        velocity = g if velocity is None else momentum * velocity + g
        weight -= rate * (g + momentum * velocity if nesterov else velocity)
    return weight


def adamw(
    start: float,
    gradient: Sequence[float],
    rates: Sequence[float],
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
) -> float:
    """Loshchilov & Hutter 2019, algorithm 2; both moments corrected, the decay times the rate taken off the weight."""
    weight, m, v = start, 0.0, 0.0
    for t, (g, rate) in enumerate(zip(gradient, rates, strict=True), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        corrected = (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + epsilon)
        weight = weight - rate * decay * weight - rate * corrected
    return weight


def smoothed_cross_entropy(logits: Sequence[float], label: int, smoothing: float) -> float:
    """Minus the sum of q log p, with q = (1 - s) [k = label] + s / K."""
    count = len(logits)
    log_total = math.log(sum(math.exp(x) for x in logits))
    return -sum(
        ((1 - smoothing) * (k == label) + smoothing / count) * (logit - log_total) for k, logit in enumerate(logits)
    )
