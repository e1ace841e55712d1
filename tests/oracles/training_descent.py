"""Gradients of the surfaces by hand, and rules of descent in plain floats."""

from __future__ import annotations

import math


def rosenbrock(x: float, y: float) -> tuple[float, float]:
    """The gradient."""
    return -2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)


def beale(x: float, y: float) -> tuple[float, float]:
    """The gradient."""
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return (
        2 * a * (y - 1) + 2 * b * (y**2 - 1) + 2 * c * (y**3 - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y**2,
    )


def momentum_valley(start: tuple[float, float], rate: float, decay: float, steps: int) -> list[tuple[float, float]]:
    """Heavy ball on (x^2 + 25 y^2) / 2: v = b v + g, w = w - rate v."""
    (x, y), (p, q), path = start, (0.0, 0.0), [start]
    for _ in range(steps):
        p, q = decay * p + x, decay * q + 25 * y
        x, y = x - rate * p, y - rate * q
        path.append((x, y))
    return path


def adam_valley(start: tuple[float, float], rate: float, steps: int) -> list[tuple[float, float]]:
    """Adam with both corrections on the same."""
    place, first, second, path = list(start), [0.0, 0.0], [0.0, 0.0], [start]
    for t in range(1, steps + 1):
        for axis, curvature in enumerate((1.0, 25.0)):
            g = curvature * place[axis]
            first[axis] = 0.9 * first[axis] + 0.1 * g
            second[axis] = 0.999 * second[axis] + 0.001 * g * g
            place[axis] -= rate * first[axis] / (1 - 0.9**t) / (math.sqrt(second[axis] / (1 - 0.999**t)) + 1e-8)
        path.append((place[0], place[1]))
    return path
