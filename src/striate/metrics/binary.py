"""Every figure of a two-class table: one class against the rest.

Source of the names: Fawcett 2006, "An introduction to ROC analysis", section 2. TPR is TP / (TP + FN); some slides
divide by TP + FP, which is the precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from striate.core.errors import StriateError
from striate.core.number import Number

from .confusion import kappa, multinomial_interval
from .intervals import quantile_of_normal, square_and_add, wilson, wilson_bounds

TURNS = 16  # steps of a quarter turn along the edge of a region of two shares


@dataclass(frozen=True)
class Counts:
    """A two-class table: true positives, false positives, false negatives, true negatives.

    >>> f"{Counts(1, 1, 8, 90).matthews.value:.4f}"
    '0.2047'
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """Images in all."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> Number:
        """Positive predictive value, TP / (TP + FP)."""
        return wilson(self.tp, self.tp + self.fp, of="image was predicted to be of the class")

    @property
    def false_discovery_rate(self) -> Number:
        """FP / (TP + FP), 1 minus the precision."""
        return wilson(self.fp, self.tp + self.fp, of="image was predicted to be of the class")

    @property
    def negative_predictive_value(self) -> Number:
        """TN / (TN + FN)."""
        return wilson(self.tn, self.tn + self.fn, of="image was predicted to be of another class")

    @property
    def false_omission_rate(self) -> Number:
        """FN / (TN + FN), 1 minus the negative predictive value."""
        return wilson(self.fn, self.tn + self.fn, of="image was predicted to be of another class")

    @property
    def recall(self) -> Number:
        """True positive rate, sensitivity: TP / (TP + FN)."""
        return wilson(self.tp, self.tp + self.fn, of="image of the class")

    @property
    def false_negative_rate(self) -> Number:
        """FN / (TP + FN), 1 minus the recall."""
        return wilson(self.fn, self.tp + self.fn, of="image of the class")

    @property
    def specificity(self) -> Number:
        """True negative rate, TN / (TN + FP)."""
        return wilson(self.tn, self.tn + self.fp, of="image of another class")

    @property
    def false_positive_rate(self) -> Number:
        """FP / (TN + FP), 1 minus the specificity."""
        return wilson(self.fp, self.tn + self.fp, of="image of another class")

    @property
    def accuracy(self) -> Number:
        """Share right, (TP + TN) / n."""
        return wilson(self.tp + self.tn, self.n)

    @property
    def prevalence(self) -> Number:
        """Share of images of the class, (TP + FN) / n."""
        return wilson(self.tp + self.fn, self.n)

    @property
    def balanced_accuracy(self) -> Number:
        """Mean of recall and specificity; the interval adds the squares of their Wilson intervals."""
        parts = [self.recall, self.specificity]
        for part in parts:
            if part.value is None:
                return Number(None, n=self.n, why=part.why)
        low, high = square_and_add(parts, [0.5, 0.5])
        return Number(sum(float(part) for part in parts) / 2, max(low, 0.0), min(high, 1.0), self.n)

    @property
    def f1(self) -> Number:
        """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
        return self.f_beta(1.0)

    def f_beta(self, beta: float) -> Number:
        """Weighted harmonic mean of precision P and recall R; recall weighs ``beta`` times as much.

        It is (1 + b^2) P R / (b^2 P + R), which is (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), so that it is 0 and
        not 0/0 where the class occurs and is never rightly predicted. The interval is that over a region of two shares:
        hits among all images that are of the class or predicted to be, and misses among the mistakes. For ``beta`` 1
        the second does not matter.

        Raises:
            StriateError: ``beta`` is negative or not finite.

        Source: van Rijsbergen 1979, "Information retrieval", chapter 7. Slides that write (1 + b) are wrong.
        """
        if not 0 <= beta < math.inf:
            raise StriateError(f"beta is {beta}", accepted="a number of at least 0")
        weight = beta * beta
        below = (1 + weight) * self.tp + weight * self.fn + self.fp
        if below == 0:
            return Number(None, n=0, why="0/0: no image is of the class or predicted to be")
        value = (1 + weight) * self.tp / below
        mistakes, involved = self.fp + self.fn, self.tp + self.fp + self.fn

        def at(hits: float, misses: float) -> float:
            rest = (1 - hits) * (weight * misses + 1 - misses)
            return (1 + weight) * hits / ((1 + weight) * hits + rest) if hits > 0 or rest > 0 else value

        low, high = wilson_bounds(self.tp, involved)
        if mistakes == 0:
            return Number(value, min(at(low, 0.0), at(low, 1.0)), 1.0, involved)
        hits, misses = self.tp / involved, self.fn / mistakes
        ends = wilson_bounds(self.fn, mistakes)
        # the ellipse through the ends of both intervals: where one share is at its end the other is not
        turns = [math.pi / 2 * step / TURNS for step in range(TURNS + 1)] if beta != 1 else [0.0]
        found = [
            at(hits + math.cos(turn) * (end - hits), misses + math.sin(turn) * (other - misses))
            for turn in turns
            for end in (low, high)
            for other in ends
        ]
        return Number(value, max(min(*found, value), 0.0), min(max(*found, value), 1.0), involved)

    @property
    def jaccard(self) -> Number:
        """Intersection over union, threat score: TP / (TP + FP + FN)."""
        return wilson(self.tp, self.tp + self.fp + self.fn, of="image is of the class or predicted to be")

    @property
    def informedness(self) -> Number:
        """Youden's J, recall + specificity - 1, in [-1, 1].

        Source: Youden 1950, "Index for rating diagnostic tests".
        """
        return _less_one(self.recall, self.specificity, self.n)

    @property
    def markedness(self) -> Number:
        """Precision + negative predictive value - 1, in [-1, 1].

        Source: Powers 2011, "Evaluation: from precision, recall and F-measure to ROC, informedness, markedness and
        correlation".
        """
        return _less_one(self.precision, self.negative_predictive_value, self.n)

    @property
    def matthews(self) -> Number:
        """Matthews correlation in [-1, 1]; missing where a marginal is empty, which is 0/0 and neither 0 nor -1.

        Source: Matthews 1975, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme".
        Where the others write 0 for an empty marginal (scikit-learn does), here stands no value.
        """
        positive, predicted = self.tp + self.fn, self.tp + self.fp
        product = positive * (self.n - positive) * predicted * (self.n - predicted)
        if product == 0:
            return Number(None, n=self.n, why="0/0: labels or predictions are all on one side")
        value = (self.tp * self.tn - self.fp * self.fn) / math.sqrt(product)
        n, root = self.n, math.sqrt(product) / (self.n * self.n)
        r, q = positive / n, predicted / n
        shares = torch.tensor([self.tp, self.fp, self.fn, self.tn], dtype=torch.float64) / n
        # value = (tp - r q) / root in shares; r is tp + fn and q is tp + fp
        by_r = -q / root - value * (1 - 2 * r) / (2 * r * (1 - r))
        by_q = -r / root - value * (1 - 2 * q) / (2 * q * (1 - q))
        slope = torch.tensor([1 / root + by_r + by_q, by_q, by_r, 0.0], dtype=torch.float64)
        return multinomial_interval(value, shares, slope, n)

    @property
    def kappa(self) -> Number:
        """Cohen's kappa of the two-by-two table."""
        return kappa(torch.tensor([[self.tp, self.fn], [self.fp, self.tn]]))

    @property
    def positive_likelihood_ratio(self) -> Number:
        """TPR / FPR: how much a positive prediction raises the odds."""
        return _ratio(self.tp, self.tp + self.fn, self.fp, self.fp + self.tn)

    @property
    def negative_likelihood_ratio(self) -> Number:
        """FNR / TNR: how much a negative prediction lowers the odds."""
        return _ratio(self.fn, self.tp + self.fn, self.tn, self.fp + self.tn)

    @property
    def diagnostic_odds_ratio(self) -> Number:
        """(TP TN) / (FP FN), the ratio of the two likelihood ratios; interval on the log scale (Woolf 1955)."""
        if self.fp * self.fn == 0:
            word = "0/0" if self.tp * self.tn == 0 else "division by 0"
            return Number(None, n=self.n, why=f"{word}: no false positive or no false negative")
        value = self.tp * self.tn / (self.fp * self.fn)
        if value == 0:
            return Number(0.0, n=self.n, why="no interval: a count is 0")
        error = math.sqrt(1 / self.tp + 1 / self.fp + 1 / self.fn + 1 / self.tn)
        factor = math.exp(quantile_of_normal() * error)
        return Number(value, value / factor, value * factor, self.n)


def _less_one(first: Number, second: Number, n: int) -> Number:
    """Sum of two independent shares, less 1; the interval adds the squares of theirs."""
    for part in (first, second):
        if part.value is None:
            return Number(None, n=n, why=part.why)
    low, high = square_and_add([first, second], [1.0, 1.0])
    return Number(float(first) + float(second) - 1, max(low - 1, -1.0), min(high - 1, 1.0), n)


def _ratio(k: int, n: int, other_k: int, other_n: int) -> Number:
    """Ratio of two independent proportions; interval on the log scale (Simel, Samsa & Matchar 1991)."""
    total = n + other_n
    if n == 0 or other_n == 0:
        return Number(None, n=total, why="0/0: all images are of one kind")
    if other_k == 0:
        return Number(None, n=total, why="0/0" if k == 0 else "division by 0: the rate below the line is 0")
    value = k * other_n / (n * other_k)
    if k == 0:
        return Number(0.0, n=total, why="no interval: a count is 0")
    factor = math.exp(quantile_of_normal() * math.sqrt(1 / k - 1 / n + 1 / other_k - 1 / other_n))
    return Number(value, value / factor, value * factor, total)
