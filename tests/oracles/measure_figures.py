"""Slow figures of a table, from their definitions, in float64 or fractions; imports nothing of striate."""

from __future__ import annotations

import math
from fractions import Fraction

FIGURES = {
    "specificity": lambda tp, fp, fn, tn: (tn, tn + fp),
    "negative_predictive_value": lambda tp, fp, fn, tn: (tn, tn + fn),
    "false_positive_rate": lambda tp, fp, fn, tn: (fp, fp + tn),
    "false_negative_rate": lambda tp, fp, fn, tn: (fn, fn + tp),
    "false_discovery_rate": lambda tp, fp, fn, tn: (fp, fp + tp),
    "false_omission_rate": lambda tp, fp, fn, tn: (fn, fn + tn),
    "accuracy": lambda tp, fp, fn, tn: (tp + tn, tp + fp + fn + tn),
    "prevalence": lambda tp, fp, fn, tn: (tp + fn, tp + fp + fn + tn),
    "positive_likelihood_ratio": lambda tp, fp, fn, tn: (tp * (fp + tn), fp * (tp + fn)),
    "negative_likelihood_ratio": lambda tp, fp, fn, tn: (fn * (tn + fp), tn * (tp + fn)),
    "diagnostic_odds_ratio": lambda tp, fp, fn, tn: (tp * tn, fp * fn),
}


def four(matrix: list[list[int]], k: int) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives of class k."""
    size, cells = len(matrix), [0, 0, 0, 0]
    for label in range(size):
        for said in range(size):
            place = 0 if label == said == k else 1 if said == k else 2 if label == k else 3
            cells[place] += matrix[label][said]
    return cells[0], cells[1], cells[2], cells[3]


def mean_over_classes(matrix: list[list[int]], name: str, *, by_support: bool) -> float | None:
    """A figure averaged over the classes that occur and have it; None where it is infinite for one, or none has it."""
    total, weights = Fraction(0), Fraction(0)
    for k in range(len(matrix)):
        cells = four(matrix, k)
        if not (cells[0] or cells[1] or cells[2]):
            continue
        above, below = FIGURES[name](*cells)
        if below == 0 and above == 0:
            continue
        if below == 0:
            return None
        weight = Fraction(cells[0] + cells[2]) if by_support else Fraction(1)
        total += weight * Fraction(above, below)
        weights += weight
    return float(total / weights) if weights else None


def pooled(matrix: list[list[int]], name: str) -> float | None:
    """A figure of the counts of all classes added up."""
    cells = [sum(parts) for parts in zip(*(four(matrix, k) for k in range(len(matrix))), strict=True)]
    above, below = FIGURES[name](*cells)
    return above / below if below else None


def best_f1(scores: list[float], truths: list[bool]) -> tuple[float, float]:
    """The highest F1 over all thresholds, and the highest threshold that has it."""
    best, at = -1.0, math.inf
    for threshold in sorted(set(scores), reverse=True):
        called = [score >= threshold for score in scores]
        tp = sum(c and t for c, t in zip(called, truths, strict=True))
        f1 = 2 * tp / (sum(called) + sum(truths))
        if f1 > best + 1e-12:
            best, at = f1, threshold
    return best, at


def class_error(probabilities: list[float], truths: list[bool], bins: int) -> float:
    """Calibration error of one class's probability over bins (low, high] of equal width."""
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = [i for i, p in enumerate(probabilities) if (low < p <= high) or (b == 0 and p == 0)]
        total += abs(sum(probabilities[i] for i in inside) - sum(truths[i] for i in inside))
    return total / len(probabilities)


def doubted(probabilities: list[list[float]], labels: list[int]) -> dict[int, tuple[int, float]]:
    """Row to the class it looks like and its quality: confident learning, read off the paper line by line."""
    classes = len(probabilities[0])
    thresholds = []
    for k in range(classes):
        own = [p[k] for p, label in zip(probabilities, labels, strict=True) if label == k]
        thresholds.append(sum(own) / len(own) if own else math.inf)
    found = {}
    for row, (p, label) in enumerate(zip(probabilities, labels, strict=True)):
        sure = [k for k in range(classes) if p[k] >= thresholds[k]]
        if sure:
            best = max(sure, key=lambda k: p[k])
            if best != label:
                found[row] = (best, (1 + p[label] - p[best]) / 2)
    return found
