"""Optimizers, schedules and losses written from their papers in float64, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


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


Vector = list[float]


def rule_steps(  # noqa: PLR0912
    rule: str, start: Vector, gradient: Callable[[Vector], Vector], rates: Sequence[float], **numbers: float
) -> list[Vector]:
    """Weights after each step of a rule, every weight by itself, as the papers write it; moments begin at 0."""
    w, path = list(start), []
    first, second = [0.0] * len(w), [0.0] * len(w)
    b1, b2, eps = numbers.get("b1", 0.9), numbers.get("b2", 0.999), numbers.get("eps", 1e-8)
    plain, decoupled = numbers.get("plain", 0.0), numbers.get("decoupled", 0.0)
    for t, rate in enumerate(rates, start=1):
        gradients = [g + plain * x for g, x in zip(gradient(w), w, strict=True)]
        w = [x - rate * decoupled * x for x in w] if decoupled else w
        for i, g in enumerate(gradients):
            if rule == "sgd":
                step = rate * g
            elif rule == "sum":
                first[i] = b1 * first[i] + g
                step = rate * first[i]
            elif rule == "sum ahead":
                first[i] = b1 * first[i] + g
                step = rate * (g + b1 * first[i])
            elif rule == "mean":
                first[i] = b1 * first[i] + (1 - b1) * g
                step = rate * first[i]
            elif rule == "inside":
                first[i] = b1 * first[i] + rate * g
                step = first[i]
            elif rule == "inside ahead":
                first[i] = b1 * first[i] + rate * g
                step = rate * g + b1 * first[i]
            elif rule == "adagrad":
                second[i] += g * g
                step = rate * g / (math.sqrt(second[i]) + eps)
            elif rule == "adadelta":
                second[i] = b1 * second[i] + (1 - b1) * g * g
                wanted = math.sqrt(first[i] + eps) / math.sqrt(second[i] + eps) * g
                first[i] = b1 * first[i] + (1 - b1) * wanted * wanted
                step = rate * wanted
            elif rule == "rmsprop":
                second[i] = b2 * second[i] + (1 - b2) * g * g
                step = rate * g / (math.sqrt(second[i]) + eps)
            elif rule == "adam":
                first[i] = b1 * first[i] + (1 - b1) * g
                second[i] = b2 * second[i] + (1 - b2) * g * g
                step = rate * (first[i] / (1 - b1**t)) / (math.sqrt(second[i] / (1 - b2**t)) + eps)
            elif rule == "lion":
                c = b1 * first[i] + (1 - b1) * g
                first[i] = b2 * first[i] + (1 - b2) * g
                step = rate * ((c > 0) - (c < 0))
            else:
                raise ValueError(rule)
            w[i] -= step
        path.append(list(w))
    return path


Matrix = list[list[float]]


def times(a: Matrix, b: Matrix) -> Matrix:
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def quintic(matrix: Matrix, iterations: int) -> Matrix:
    """Jordan et al. 2024: X = G / |G|, then X = a X + b (X X') X + c (X X')^2 X, on the wide form."""
    tall = len(matrix) > len(matrix[0])
    x = [list(row) for row in (zip(*matrix, strict=True) if tall else matrix)]
    size = math.sqrt(sum(value * value for row in x for value in row))
    x = [[value / size for value in row] for row in x]
    for _ in range(iterations):
        once = times(times(x, [list(row) for row in zip(*x, strict=True)]), x)
        twice = times(times(x, [list(row) for row in zip(*x, strict=True)]), once)
        x = [
            [3.4445 * p - 4.7750 * q + 2.0315 * r for p, q, r in zip(*rows, strict=True)]
            for rows in zip(x, once, twice, strict=True)
        ]
    return [list(row) for row in zip(*x, strict=True)] if tall else x


def bfgs(start: Vector, gradient: Callable[[Vector], Vector], *, steps: int, rate: float, history: int) -> list[Vector]:
    """Limited BFGS by its dense matrix, built anew each step from the last ``history`` pairs (Liu & Nocedal 1989, 2.1).

    H0 is (s'y / y'y) I of the latest pair. The first step is min(1, 1 / |g|_1) times the rate along -g.
    """
    w, path, pairs = list(start), [], []
    g, n = gradient(start), len(start)
    for _ in range(steps):
        if pairs:
            s, y = pairs[-1]
            scale = dot(s, y) / dot(y, y)
            h = [[scale * (i == j) for j in range(n)] for i in range(n)]
            for s, y in pairs[-history:]:
                rho = 1 / dot(y, s)
                v = [[(i == j) - rho * y[i] * s[j] for j in range(n)] for i in range(n)]
                h = times(times([list(row) for row in zip(*v, strict=True)], h), v)
                h = [[h[i][j] + rho * s[i] * s[j] for j in range(n)] for i in range(n)]
            direction, length = [-dot(row, g) for row in h], rate
        else:
            direction, length = [-x for x in g], min(1.0, 1.0 / sum(abs(x) for x in g)) * rate
        after = [x + length * d for x, d in zip(w, direction, strict=True)]
        fresh = gradient(after)
        pairs.append(([a - b for a, b in zip(after, w, strict=True)], [a - b for a, b in zip(fresh, g, strict=True)]))
        w, g = after, fresh
        path.append(list(w))
    return path


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def loss_of(name: str, logits: Sequence[float], label: int, **numbers: float) -> float:
    """One image's loss, term by term."""
    wrong = [k for k in range(len(logits)) if k != label]
    if name in ("hinge", "squared_hinge"):
        gaps = [max(0.0, numbers.get("margin", 1.0) + logits[k] - logits[label]) for k in wrong]
        return sum(gap if name == "hinge" else gap**2 for gap in gaps)
    if name == "squared_error":
        return sum((x - (k == label)) ** 2 for k, x in enumerate(logits))
    p = math.exp(logits[label]) / sum(math.exp(x) for x in logits)
    if name == "focal":
        return -numbers.get("alpha", 1.0) * (1 - p) ** numbers.get("gamma", 2.0) * math.log(p)
    return -math.log(p)
