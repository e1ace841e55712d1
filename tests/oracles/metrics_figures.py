"""Figures of classifiers written slowly from their definitions, in Python floats and whole numbers."""

from __future__ import annotations

import math
from fractions import Fraction


def wilson_by_search(k: int, n: int, z: float) -> tuple[float, float]:
    """Ends of the score interval: where |k/n - p| = z sqrt(p (1 - p) / n), by bisection on each side."""

    def too_far(p: float) -> bool:
        return abs(k / n - p) > z * math.sqrt(p * (1 - p) / n)

    ends = []
    for end in (0.0, 1.0):
        outer, inner = end, k / n
        if not too_far(outer) and outer == inner:
            ends.append(outer)
            continue
        for _ in range(200):
            middle = (outer + inner) / 2
            outer, inner = (middle, inner) if too_far(middle) else (outer, middle)
        ends.append(inner)
    return ends[0], ends[1]


def binary_figures(tp: int, fp: int, fn: int, tn: int) -> dict[str, float | None]:
    """Every figure of a two-class table by its fraction; None where that is 0/0 or x/0."""

    def over(above: int | Fraction, below: int | Fraction) -> Fraction | None:
        return None if below == 0 else Fraction(above) / Fraction(below)

    tpr, fpr, tnr, fnr = over(tp, tp + fn), over(fp, fp + tn), over(tn, fp + tn), over(fn, tp + fn)
    product = (tp + fn) * (fp + tn) * (tp + fp) * (fn + tn)
    n = tp + fp + fn + tn
    exact = {
        "precision": over(tp, tp + fp),
        "false_discovery_rate": over(fp, tp + fp),
        "negative_predictive_value": over(tn, tn + fn),
        "false_omission_rate": over(fn, tn + fn),
        "recall": tpr,
        "false_negative_rate": fnr,
        "specificity": tnr,
        "false_positive_rate": fpr,
        "accuracy": over(tp + tn, n),
        "prevalence": over(tp + fn, n),
        "balanced_accuracy": None if tpr is None or tnr is None else (tpr + tnr) / 2,
        "f1": over(2 * tp, 2 * tp + fp + fn),
        "positive_likelihood_ratio": None if tpr is None or fpr is None else over(tpr, fpr),
        "negative_likelihood_ratio": None if fnr is None or tnr is None else over(fnr, tnr),
        "diagnostic_odds_ratio": over(tp * tn, fp * fn),
    }
    figures: dict[str, float | None] = {name: None if one is None else float(one) for name, one in exact.items()}
    figures["matthews"] = None if product == 0 else (tp * tn - fp * fn) / math.sqrt(product)
    return figures


def calibration_error(confidence: list[float], correct: list[bool], bins: int) -> float:
    """Guo et al. 2017, equation 3, image by image: bin m holds confidences in ((m - 1) / M, m / M]."""
    total = 0.0
    for m in range(1, bins + 1):
        inside = [row for row, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins or (m == 1 and c == 0.0)]
        if inside:
            accuracy = sum(correct[row] for row in inside) / len(inside)
            mean = sum(confidence[row] for row in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


def rank_of(scores: list[float], label: int) -> int:
    """Place of the label when classes are sorted by falling score, equal ones by rising number."""
    return sorted(range(len(scores)), key=lambda row: (-scores[row], row)).index(label)


def fisher_lower(k: int, n: int, other_k: int, other_n: int) -> float:
    """Exact chance of at most ``k`` in the first row of a table with these margins."""
    right = k + other_k
    ways = sum(math.comb(n, x) * math.comb(other_n, right - x) for x in range(k + 1) if 0 <= right - x <= other_n)
    return float(Fraction(ways, math.comb(n + other_n, right)))


def binomial_tail(k: int, n: int, p: Fraction) -> float:
    """Exact chance of at least ``k`` of ``n``."""
    return float(sum(math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(k, n + 1)))
