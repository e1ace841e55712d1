"""Rules of training and descent in plain Python floats."""

from __future__ import annotations

import math


def statistics(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def normalised() -> list[float]:
    mean, variance = statistics([1, 2, 3, 4])
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in (1, 2, 3, 4)]


def gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def adaptive(rule: str) -> list[float]:
    """Two steps on (x^2 + 25 y^2)/2 from (10, 1), each axis by itself."""
    paths = []
    for start, curvature in ((10.0, 1.0), (1.0, 25.0)):
        w, s, m, v = start, 0.0, 0.0, 0.0
        path = []
        for t in (1, 2):
            g = curvature * w
            if rule == "AdaGrad":
                s += g * g
                w -= 0.1 * g / math.sqrt(s)
            elif rule == "RMSProp":
                s = 0.9 * s + 0.1 * g * g
                w -= 0.1 * g / math.sqrt(s)
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                w -= 0.1 * (m / (1 - 0.9**t)) / math.sqrt(v / (1 - 0.999**t))
            path.append(w)
        paths.append(path)
    (x1, x2), (y1, y2) = paths
    return [x1, y1, x2, y2]


def momentum(rate: float, fresh: float) -> list[float]:
    found = []
    for start, curvature in ((10.0, 1.0), (1.0, 25.0)):
        w, v = start, 0.0
        for _ in range(20):
            v = 0.9 * v + fresh * curvature * w
            w -= rate * v
        found.append(w)
    return found


def scaling_steps(c: int) -> int:
    """Both axes shrink by (c - 1)/(c + 1) a step, so the loss after k is (1 + c)/2 times that to the 2k."""
    ratio, k = (c - 1) / (c + 1), 0
    while (1 + c) / 2 * ratio ** (2 * k) >= 1e-6:
        k += 1
    return k


def weighted(values: list[float], beta: float) -> list[float]:
    """In closed form: the sum of (1 - beta) beta^(t - i) x_i."""
    return [sum((1 - beta) * beta ** (t - i) * values[i] for i in range(t + 1)) for t in range(len(values))]


def spread(scale: float, layers: int) -> list[float]:
    """Deviation of tanh layers in the wide limit, by the midpoint rule over the normal density."""
    q, found, h = 1.0, [], 0.002
    for _ in range(layers):
        s = math.sqrt(500 * scale**2 * q)
        grid = [-8 + (i + 0.5) * h for i in range(int(16 / h))]
        q = sum(math.exp(-z * z / 2) * math.tanh(s * z) ** 2 for z in grid) * h / math.sqrt(2 * math.pi)
        found.append(math.sqrt(q))
    return found


VALUES = [10.0, 12.0, 11.0, 13.0, 12.0]
EXPECTED: dict[str, dict[str, list[float]]] = {
    "bn-example": {"normalised": normalised(), "running variance": [5 / 3]},
    "activations": {
        "GELU by tanh": [gelu(x) for x in (-2, -1, -0.5, 0, 0.5, 1, 2)],
        "ELU at -2, -1, -.5": [math.exp(x) - 1 for x in (-2, -1, -0.5)],
    },
    "dropout-conspiracy": {
        "one conspiracy of 50": [math.prod([0.9] * 50)],
        "one of ten conspiracies of 5": [1 - math.prod([1 - 0.9**5] * 10)],
    },
    "optimiser-steps": {f"{rule}: steps 1, 2": adaptive(rule) for rule in ("AdaGrad", "RMSProp", "Adam")},
    "momentum-forms": {
        "after 20 steps with (1 - b), rate .7": momentum(0.7, 0.1),
        "after 20 steps without, rate .07": momentum(0.07, 1.0),
    },
    "feature-scaling": {
        "steps to a loss of 1e-6 for curvatures 1:1, 1:25, 1:100": [float(scaling_steps(c)) for c in (1, 25, 100)]
    },
    "ewa-window": {"b^(1/(1 - b))": [0.9**10, 0.98**50]},
    "ewa-bias": {
        "average": weighted(VALUES, 0.9),
        "corrected": [v / (1 - 0.9 ** (t + 1)) for t, v in enumerate(weighted(VALUES, 0.9))],
    },
    "lr-schedules": {
        "exponential, t = 10, 20": [0.1 / math.e, 0.1 / math.e**2],
        "1/t, t = 10, 20": [0.1 / 2, 0.1 / 3],
        "times .9, t = 20": [0.1 * math.prod([0.9] * 20)],
    },
    "init-small": {"deviation in the wide limit": spread(0.01, 6)},
    "init-xavier-tanh": {"deviation in the wide limit": spread(1 / math.sqrt(500), 10)},
    "small-sums": {"images of six data sets": [490356 + 55608 + 224840 + 19370 + 182637 + 20342]},
}
