"""Every figure of the classes averaged in three ways, and the figures of the whole confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.metrics.averages import ClassAverage, macro_average, micro_average, weighted_average
from striate.metrics.confusion import kappa, matthews
from striate.metrics.intervals import normal_interval, wilson

from .payload import Average, Averages

Quotient = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Four:
    """True and false positives, false and true negatives of each class, as shares of all images, shape (K,)."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor


@dataclass(frozen=True)
class Figure:
    """A figure of one class against the rest, as a quotient of the four shares, and the range it lies in."""

    name: str
    of: Callable[[Four], Quotient]
    low: float = 0.0
    high: float = 1.0


def _matthews(c: Four) -> Quotient:
    below = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return c.tp * c.tn - c.fp * c.fn, torch.where(below > 0, below, 1.0).sqrt() * (below > 0)


FIGURES = (
    Figure("specificity", lambda c: (c.tn, c.tn + c.fp)),
    Figure("negative_predictive_value", lambda c: (c.tn, c.tn + c.fn)),
    Figure("false_positive_rate", lambda c: (c.fp, c.fp + c.tn)),
    Figure("false_negative_rate", lambda c: (c.fn, c.fn + c.tp)),
    Figure("false_discovery_rate", lambda c: (c.fp, c.fp + c.tp)),
    Figure("false_omission_rate", lambda c: (c.fn, c.fn + c.tn)),
    Figure("accuracy", lambda c: (c.tp + c.tn, c.tp + c.fp + c.fn + c.tn)),
    Figure(
        "balanced_accuracy",
        lambda c: (c.tp * (c.tn + c.fp) + c.tn * (c.tp + c.fn), 2 * (c.tp + c.fn) * (c.tn + c.fp)),
    ),
    Figure("matthews", _matthews, low=-1.0),
    Figure(
        "kappa",
        lambda c: (
            2 * (c.tp * c.tn - c.fp * c.fn),
            (c.tp + c.fp) * (c.fp + c.tn) + (c.tp + c.fn) * (c.fn + c.tn),
        ),
        low=-1.0,
    ),
    Figure("prevalence", lambda c: (c.tp + c.fn, c.tp + c.fp + c.fn + c.tn)),
    Figure("positive_likelihood_ratio", lambda c: (c.tp * (c.fp + c.tn), c.fp * (c.tp + c.fn)), high=math.inf),
    Figure("negative_likelihood_ratio", lambda c: (c.fn * (c.tn + c.fp), c.tn * (c.tp + c.fn)), high=math.inf),
    Figure("diagnostic_odds_ratio", lambda c: (c.tp * c.tn, c.fp * c.fn), high=math.inf),
)
RECALL = Figure("recall", lambda c: (c.tp, c.tp + c.fn))


def averages(matrix: Tensor) -> Averages:
    """Micro, macro and weighted averages of every figure, from a confusion matrix; rows are labels.

    A class for which a figure is 0/0 is left out of it and counted in ``why``; where a figure is infinite for some
    class there is no mean. Precision, recall and F1 are those of `macro_average`, in which a class that is never
    predicted has precision 0. Intervals by the delta method; those of micro follow the Wilson interval of the accuracy,
    of which each pooled figure is a function.
    """
    seen = _Seen.of(matrix)
    return Averages(
        micro=_micro(matrix),
        macro=_average(macro_average(matrix), seen, by_support=False),
        weighted=_average(weighted_average(matrix), seen, by_support=True),
        balanced_accuracy=_mean(RECALL, seen, by_support=False),
        matthews=matthews(matrix),
        kappa=kappa(matrix),
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """A confusion matrix by its cells that are not empty, and by its margins, all as shares."""

    n: int
    label: Tensor
    predicted: Tensor
    share: Tensor
    hits: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, matrix: Tensor) -> _Seen:
        n = int(matrix.sum())
        exact = matrix.to(torch.float64) / max(n, 1)
        cells = matrix.nonzero()
        label, predicted = cells[:, 0], cells[:, 1]
        return cls(n, label, predicted, exact[label, predicted], exact.diagonal(), exact.sum(1), exact.sum(0))

    def number(self, value: float, slope: Tensor, kind: Figure, *, words: str = "") -> Number:
        """The value with the interval of its derivatives by the share of each cell that is not empty."""
        mean = float((self.share * slope).sum())
        error = math.sqrt(max(float((self.share * slope.square()).sum()) - mean * mean, 0.0) / self.n)
        if error < 1e-9:
            why = "no interval: the delta method gives it no width here"
            return Number(value, n=self.n, why=why + words)
        found = normal_interval(value, error, self.n, why="95 % by the delta method" + words)
        low, high = max(found.low or 0.0, kind.low), min(found.high or 0.0, kind.high)
        return Number(value, low, high, self.n, found.why)


def _average(first: ClassAverage, seen: _Seen, *, by_support: bool) -> Average:
    others = {kind.name: _mean(kind, seen, by_support=by_support) for kind in FIGURES}
    return Average(first.precision, first.recall, first.f1, **others)


def _mean(kind: Figure, seen: _Seen, *, by_support: bool) -> Number:
    if seen.n == 0:
        return Number(None, n=0, why="0/0: no images")
    tp, row, column = seen.hits, seen.rows, seen.columns
    shares = [tp, column - tp, row - tp, 1 - row - column + tp]
    # what is 0 but for rounding is 0: the smallest share of an image is 1 / n
    parts = [torch.where(each * seen.n > 0.5, each, 0.0).requires_grad_() for each in shares]
    above, below = kind.of(Four(*parts))
    tiny = 0.5 / seen.n**4  # denominators are products of at most four counts
    occurs = (row + column) > 0
    known = occurs & (below > tiny)
    infinite = int((occurs & ~known & (above > tiny)).sum())
    if infinite:
        classes = "1 class" if infinite == 1 else f"{infinite} classes"
        return Number(None, n=seen.n, why=f"division by 0: infinite for {classes}")
    if not bool(known.any()):
        return Number(None, n=seen.n, why="0/0: no class has the figure")
    left = len(known) - int(known.sum())
    values = above[known] / below[known]
    weights = row[known] / row[known].sum() if by_support else torch.full_like(values, 1 / len(values)).detach()
    if not bool(weights.isfinite().all()):
        return Number(None, n=seen.n, why="0/0: no class that has the figure has images")
    total = (weights.detach() * values).sum()
    by = [
        torch.zeros_like(tp) if each is None else each for each in torch.autograd.grad(total, parts, allow_unused=True)
    ]
    value = float(total.detach())
    slope = by[3].sum() + (by[2] - by[3])[seen.label] + (by[1] - by[3])[seen.predicted]
    slope = slope + (seen.label == seen.predicted) * (by[0] - by[1] - by[2] + by[3])[seen.label]
    if by_support:
        pull = torch.zeros_like(tp)
        pull[known] = (values.detach() - value) / float(row[known].sum())
        slope = slope + pull[seen.label]
    return seen.number(value, slope, kind, words=f"; classes: {left} without the figure left out" if left else "")


def _micro(matrix: Tensor) -> Average:
    """Counts of all classes pooled: with one label an image each figure is a function of the accuracy."""
    n, right, classes = int(matrix.sum()), int(matrix.diagonal().sum()), len(matrix)
    share = micro_average(matrix)
    others = {kind.name: _pooled(kind, wilson(right, n), classes) for kind in FIGURES}
    return Average(share.precision, share.recall, share.f1, **others)


def _pooled(kind: Figure, accuracy: Number, classes: int) -> Number:
    if accuracy.value is None or accuracy.low is None or accuracy.high is None:
        return accuracy
    if classes < 2:
        return Number(None, n=accuracy.n, why="one class: there is no rest to hold it against")

    def at(right: float) -> float | None:
        wrong = 1 - right
        counts = [torch.tensor(each, dtype=torch.float64) for each in (right, wrong, wrong, classes - 1 - wrong)]
        above, below = kind.of(Four(*counts))
        return float(above / below) if float(below) > 1e-12 else None

    value, ends = at(accuracy.value), [at(accuracy.low), at(accuracy.high)]
    if value is None:
        return Number(None, n=accuracy.n, why="division by 0: no mistakes")
    known = [end for end in ends if end is not None]
    if len(known) < 2 or max(known) - min(known) < 1e-12:
        why = "the same for every net" if len(known) == 2 else "no interval: infinite at an end"
        return Number(value, n=accuracy.n, why=why)
    return Number(value, min(*known, value), max(*known, value), accuracy.n, "through the interval of the accuracy")
