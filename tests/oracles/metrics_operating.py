"""Best thresholds found by trying every one, image by image."""

from __future__ import annotations

import math
from fractions import Fraction

Table = tuple[int, int, int, int]


def tables(scores: list[float], truths: list[bool]) -> list[tuple[float, Table]]:
    """Every distinct threshold, infinity first, with its true and false positives, false and true negatives."""
    found = []
    for threshold in [math.inf, *sorted(set(scores), reverse=True)]:
        cells = [0, 0, 0, 0]
        for score, truth in zip(scores, truths, strict=True):
            called = score >= threshold
            cells[0 if called and truth else 1 if called else 2 if truth else 3] += 1
        found.append((threshold, (cells[0], cells[1], cells[2], cells[3])))
    return found


def mean_cost(table: Table, false_positive: Fraction, false_negative: Fraction, prior: Fraction | None) -> Fraction:
    """Cost of the mistakes by image, or by the two rates where the class has another share."""
    tp, fp, fn, tn = table
    if prior is None:
        return (false_positive * fp + false_negative * fn) / (tp + fp + fn + tn)
    missed, alarms = Fraction(fn, tp + fn), Fraction(fp, fp + tn)
    return prior * false_negative * missed + (1 - prior) * false_positive * alarms
