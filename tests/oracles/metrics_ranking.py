"""Figures of scores and pairs written slowly from their definitions, in fractions and Python floats."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, permutations


def share_of_pairs(scores: list[float], truths: list[bool]) -> Fraction:
    """Pairs of a positive and a negative in which the positive is higher, a tie counting half."""
    wins = pairs = Fraction(0)
    for one, is_one in zip(scores, truths, strict=True):
        for other, is_other in zip(scores, truths, strict=True):
            if is_one and not is_other:
                pairs += 1
                wins += 1 if one > other else Fraction(1, 2) if one == other else 0
    return wins / pairs


def delong_error(scores: list[float], truths: list[bool]) -> float:
    """Standard error of DeLong, DeLong & Clarke-Pearson 1988, pair by pair."""
    high = [score for score, truth in zip(scores, truths, strict=True) if truth]
    low = [score for score, truth in zip(scores, truths, strict=True) if not truth]

    def kernel(x: float, y: float) -> float:
        return 1.0 if y < x else 0.5 if y == x else 0.0

    of_high = [sum(kernel(x, y) for y in low) / len(low) for x in high]
    of_low = [sum(kernel(x, y) for x in high) / len(high) for y in low]
    area = sum(of_high) / len(high)
    spread = [sum((each - area) ** 2 for each in side) / (len(side) - 1) / len(side) for side in (of_high, of_low)]
    return math.sqrt(sum(spread))


def table_at(scores: list[float], truths: list[bool], threshold: float) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives of calling positive at or above a threshold."""
    cells = [0, 0, 0, 0]
    for score, truth in zip(scores, truths, strict=True):
        cells[(0 if truth else 1) if score >= threshold else (2 if truth else 3)] += 1
    return cells[0], cells[1], cells[2], cells[3]


def average_precision(scores: list[float], truths: list[bool], weights: list[float] | None = None) -> float:
    """Precision at each positive's own score, averaged over positives, each image counting by its weight."""
    weights = [1.0] * len(scores) if weights is None else weights
    rows = range(len(scores))
    total = above = 0.0
    for i in rows:
        if truths[i]:
            called = [j for j in rows if scores[j] >= scores[i]]
            hits = sum(weights[j] for j in called if truths[j])
            above += weights[i] * hits / sum(weights[j] for j in called)
            total += weights[i]
    return above / total


def risk_area(confidence: list[float], wrong: list[bool]) -> Fraction:
    """Risk averaged over every number of answered images, and over every order of images of one confidence."""
    rows = range(len(wrong))
    orders = [order for order in permutations(rows) if all(confidence[a] >= confidence[b] for a, b in _steps(order))]
    total = Fraction(0)
    for order in orders:
        seen = 0
        for number, row in enumerate(order, start=1):
            seen += wrong[row]
            total += Fraction(seen, number)
    return total / (len(orders) * len(wrong))


def _steps(order: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise(order))


def sign_test(one: int, other: int) -> tuple[Fraction, Fraction]:
    """Exact two-sided chance of a split as uneven, and the mid-p form of Fagerland et al. 2013."""
    n = one + other
    ways = [Fraction(math.comb(n, k), 2**n) for k in range(n + 1)]
    exact = sum((way for k, way in enumerate(ways) if abs(2 * k - n) >= abs(one - other)), Fraction(0))
    middle = exact - (ways[one] / 2 if one == other else ways[one])
    return exact, middle


def cross_entropy(logits: list[list[float]], labels: list[int], temperature: float) -> float:
    """Mean cross-entropy of logits divided by the temperature."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        cold = [each / temperature for each in row]
        top = max(cold)
        total += top + math.log(math.fsum(math.exp(each - top) for each in cold)) - cold[label]
    return total / len(labels)


def adjusted_false_discovery(chances: list[float]) -> list[float]:
    """Benjamini & Hochberg 1995: the least share q at which the procedure rejects each hypothesis."""
    m, adjusted = len(chances), []
    for own in chances:
        rates = []
        for bound in chances:
            if bound >= own:
                at_most = sum(each <= bound for each in chances)
                rates.append(min(1.0, bound * m / at_most))
        adjusted.append(min(rates))
    return adjusted
