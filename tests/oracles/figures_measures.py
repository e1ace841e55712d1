"""Measures from counts, boxes, and average precision, by fractions and plain loops."""

from __future__ import annotations

import math
from fractions import Fraction as Q

TP, FP, FN, TN = 1, 1, 8, 90
TPR, FPR = Q(TP, TP + FN), Q(FP, FP + TN)
TUMOUR = {
    "accuracy": Q(91, 100),
    "precision PPV": Q(1, 2),
    "recall TPR": TPR,
    "FPR": FPR,
    "NPV": Q(TN, TN + FN),
    "FOR": Q(FN, TN + FN),
    "LR+": TPR / FPR,
    "LR-": (1 - TPR) / (1 - FPR),
    "DOR": TPR / FPR / ((1 - TPR) / (1 - FPR)),
    "F1": 2 / (1 / Q(1, 2) + 1 / TPR),
    "MCC": (TP * TN - FP * FN) / math.sqrt(2 * 9 * 91 * 98),
}


def f_beta(beta: Q) -> float:
    p, r = Q(1, 2), Q(1, 9)
    return float((1 + beta**2) / (1 / p + beta**2 / r))


def precision_recall(hits: str, objects: int) -> list[tuple[Q, Q]]:
    return [(Q(hits[:n].count("T"), n), Q(hits[:n].count("T"), objects)) for n in range(1, len(hits) + 1)]


def best_beyond(points: list[tuple[Q, Q]], level: Q) -> Q:
    return max((p for p, r in points if r >= level), default=Q(0))


POINTS = precision_recall("TTFFFTTFFT", 5)
ALL_POINT = sum((best_beyond(POINTS, Q(k, 5)) for k in range(1, 6)), Q(0)) / 5
ELEVEN = sum((best_beyond(POINTS, Q(k, 10)) for k in range(11)), Q(0)) / 11
HUNDRED = sum((best_beyond(POINTS, Q(k, 100)) for k in range(101)), Q(0)) / 101
STEPS = sum((p for (p, r), hit in zip(POINTS, "TTFFFTTFFT", strict=True) if hit == "T"), Q(0)) / 5


def pixels(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


BOXES = [(0, 0, 10, 10), (1, 1, 11, 11), (0, 0, 10, 5), (20, 20, 30, 30), (0, 0, 10, 20)]
OVERLAPS = [len(pixels(BOXES[0]) & pixels(b)) / len(pixels(BOXES[0]) | pixels(b)) for b in BOXES[1:]]


def haar(size: int) -> list[int]:
    """Positions counted one by one instead of by a product of ranges."""
    found = []
    for across, down in ((2, 1), (1, 2), (3, 1), (1, 3), (2, 2)):
        n = 0
        for left in range(size):
            for top in range(size):
                n += ((size - left) // across) * ((size - top) // down)
        found.append(n)
    return found


EXPECTED: dict[str, dict[str, list[float]]] = {
    "tumour": {name: [float(value)] for name, value in TUMOUR.items()},
    "f-beta": {"F.5, F1, F2": [f_beta(Q(1, 2)), f_beta(Q(1)), f_beta(Q(2))]},
    "seg-metrics": {"mean IoU": [(95 / 100 + 0) / 2], "mean Dice": [(2 * 95 / (95 + 100) + 0) / 2]},
    "ap-example": {
        "precision by rank": [float(p) for p, _ in POINTS],
        "all-point AP": [float(ALL_POINT)],
        "11-point AP": [float(ELEVEN)],
        "101-point AP": [float(HUNDRED)],
        "sum of steps": [float(STEPS)],
    },
    "nms-example": {"IoU of box 1 with 2, 3, 4, 5": OVERLAPS},
    "box-codes": {"tx, ty, tw, th": [16 / 128, -16 / 128, math.log(1.25), math.log(0.75)]},
    "smooth-l1": {"loss at .25, .5, 1, 2": [0.5 * 0.0625, 0.5 * 0.25, 0.5, 1.5]},
    "rpn-anchors": {"anchors on a 60x40 map": [60 * 40 * 9]},
    "haar-count": {"features by shape": [float(n) for n in haar(24)], "features in all": [float(sum(haar(24)))]},
}
