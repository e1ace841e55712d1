"""Scores, losses, gradients by hand: fractions and the math module, nothing else."""

from __future__ import annotations

import math
from fractions import Fraction as Q


def linear() -> list[float]:
    x = [57, 77, 200, 128]
    W = [["0.7", "-0.3", "0"], ["-0.3", "0.5", "0.25"], ["2.5", "3.1", "0.4"], ["1", "-3", "0.1"]]
    b = ["1.7", "-2", "3"]
    return [float(sum(x[i] * Q(W[i][j]) for i in range(4)) + Q(b[j])) for j in range(3)]


SCORES = [["3.2", "-5", "10"], ["0.1", "14", "5"], ["0.3", "8", "14"]]


def hinge(scores: list[str], label: int, margin: int = 1, scale: str = "1") -> float:
    s = [Q(each) * Q(scale) for each in scores]
    return float(sum(max(Q(0), s[j] - s[label] + margin) for j in range(len(s)) if j != label))


def cross_entropy(scores: list[str], label: int) -> float:
    powers = [math.exp(float(each)) for each in scores]
    return -math.log(powers[label] / sum(powers))


def neuron() -> tuple[float, list[float], list[float]]:
    w0, w1, w2, x0, x1 = 2.0, -3.0, -3.0, -1.0, -2.0
    s = 1 / (1 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
    d = s * (1 - s)
    return s, [d * x0, d * x1, d], [d * w0, d * w1]


def long_function(x: float) -> float:
    first = (1 + 2 * x**2) * (x**3 - x) ** 2 / (math.sqrt(x + 5 * x**2) * (4 * x) ** 1.5)
    return first + math.sqrt(1 + 2 * x) / (x + math.sqrt(1 + x**2))


def slope(x: float, h: float = 1e-5) -> float:
    return (long_function(x + h) - long_function(x - h)) / (2 * h)


S, DW, DX = neuron()
SIGMOID_HALF = 1 / (1 + math.exp(-0.5))
EXPECTED: dict[str, dict[str, list[float]]] = {
    "linear-scores": {"scores xW + b": linear(), "with the bias trick": linear()},
    "hinge-example": {
        "loss of each image": [hinge(row, i) for i, row in enumerate(SCORES)],
        "mean loss": [sum(hinge(row, i) for i, row in enumerate(SCORES)) / 3],
    },
    "hinge-initial": {"loss with 10 equal scores": [hinge(["0"] * 10, 0)], "with margin 2, 10 equal scores": [18.0]},
    "hinge-scaling": {"losses of images 2, 3 for a = .1": [hinge(SCORES[i], i, scale="0.1") for i in (1, 2)]},
    "l2-example": {
        "W1 x and W2 x": [float(Q("0.4") + Q("0.08") + Q("0.02") + Q("0.05")), 2.0],
        "smallest sum of squares with Wx = 2": [float(4 / (4 + Q("0.01") + Q("0.01") + Q("0.25")))],
    },
    "softmax-example": {
        "sum of exponentials": [math.exp(3.2) + math.exp(-5) + math.exp(10)],
        "loss of the cat": [cross_entropy(SCORES[0], 0)],
        "mean loss of the three images": [sum(cross_entropy(row, i) for i, row in enumerate(SCORES)) / 3],
    },
    "softmax-initial": {"loss with 10, 1000 classes": [math.log(10), math.log(1000)]},
    "numerical-gradient": {"dL/dw0, dL/dw1": [float((Q("1.2331") - Q("1.2345")) / Q("0.0001")), 0.0]},
    "graph-neuron": {"output": [S], "gradient of the weights": DW, "gradient of the inputs": DX},
    "long-derivative": {"f(2)": [long_function(2.0)], "f'(2)": [slope(2.0)]},
    "layer-backward": {"dL/dw by autograd": [2 * (SIGMOID_HALF - 1) * SIGMOID_HALF * (1 - SIGMOID_HALF)]},
}
