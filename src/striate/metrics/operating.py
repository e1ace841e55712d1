"""Thresholds on a score: by cost, by what is asked for, class by class, and what each of them costs.

A threshold fits the images it was chosen on: choose on dev, then measure it on test with `at_threshold`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .binary import Counts
from .inputs import label_tables, score_vectors
from .intervals import square_and_add, wilson
from .ranked import Ranked

NEVER = "no image is called positive"


@dataclass(frozen=True)
class Cost:
    """What mistakes cost, and how often the class occurs where the net will be used.

    Attributes:
        false_positive: Of calling another image positive.
        false_negative: Of missing an image of the class.
        prior: Share of images of the class in use, or None: as in the images at hand.
    """

    false_positive: float = 1.0
    false_negative: float = 1.0
    prior: float | None = None

    def __post_init__(self) -> None:
        for name in ("false_positive", "false_negative"):
            value = getattr(self, name)
            if not (0 <= value < math.inf):
                raise StriateError(f"the cost of a {name.replace('_', ' ')} is {value}", accepted="at least 0")
        if self.false_positive == self.false_negative == 0:
            raise StriateError("both mistakes cost 0", accepted="a cost above 0 for at least one")
        if self.prior is not None and not 0 < self.prior < 1:
            raise StriateError(f"prior is {self.prior}", accepted="a share between 0 and 1")

    def of(self, counts: Counts) -> Number:
        """Mean cost of an image; the interval puts together the Wilson intervals of the two kinds of mistake."""
        if counts.n == 0:
            return Number(None, n=0, why="0/0: no images")
        if self.prior is None:
            parts = [wilson(counts.fn, counts.n), wilson(counts.fp, counts.n)]
            weights = [self.false_negative, self.false_positive]
        else:
            parts = [counts.false_negative_rate, counts.false_positive_rate]
            weights = [self.false_negative * self.prior, self.false_positive * (1 - self.prior)]
        for part in parts:
            if part.value is None:
                return Number(None, n=counts.n, why=part.why)
        low, high = square_and_add(parts, weights)
        value = sum(weight * float(part) for weight, part in zip(weights, parts, strict=True))
        return Number(value, max(min(low, value), 0.0), min(max(high, value), sum(weights)), counts.n)

    def each(self, tables: Tables) -> Tensor:
        """Mean cost at every threshold, shape (T,); NaN where a side that has a prior has no images."""
        if self.prior is None:
            return (self.false_positive * tables.fp + self.false_negative * tables.fn) / max(tables.n, 1)
        missed, alarms = tables.fn / tables.positives, tables.fp / tables.negatives
        return self.false_negative * self.prior * missed + self.false_positive * (1 - self.prior) * alarms


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, how it was chosen, and what it gives on the images it was measured on.

    Attributes:
        name: How it was chosen: ``"least cost"``, ``"recall >= 0.95"``.
        threshold: An image is called positive at or above it; missing where none is, and ``why`` says why.
        counts: The two-class table at it; every figure of it is one of its properties.
        cost: Mean cost of an image, a mistake costing 1 unless told otherwise.
    """

    name: str
    threshold: Number
    counts: Counts
    cost: Number


@dataclass(frozen=True)
class Tables:
    """Counts at every distinct threshold; the first row calls nothing positive."""

    thresholds: Tensor
    tp: Tensor
    fp: Tensor
    positives: int
    negatives: int

    @classmethod
    def of(cls, scores: Tensor, truths: Tensor) -> Tables:
        """From scores (N,) and truths (N,)."""
        ranked = Ranked.of(*score_vectors(scores, truths))
        start = torch.zeros(1, dtype=torch.float64)
        return cls(
            torch.cat([start + math.inf, ranked.thresholds]),
            torch.cat([start, ranked.hits.cumsum(0)]),
            torch.cat([start, ranked.misses.cumsum(0)]),
            ranked.positives,
            ranked.negatives,
        )

    @property
    def n(self) -> int:
        """Images in all."""
        return self.positives + self.negatives

    @property
    def fn(self) -> Tensor:
        """Images of the class that are missed at each threshold."""
        return self.positives - self.tp

    @property
    def f1(self) -> Tensor:
        """F1 at each threshold."""
        return 2 * self.tp / (self.tp + self.fp + self.positives)

    def point(self, row: int, name: str, cost: Cost, *, why: str = "") -> OperatingPoint:
        """The operating point of one row."""
        tp, fp = int(self.tp[row]), int(self.fp[row])
        counts = Counts(tp, fp, self.positives - tp, self.negatives - fp)
        threshold = Number(None, n=self.n, why=why or NEVER)
        if row > 0:
            threshold = Number(float(self.thresholds[row]), n=self.n, why=why or "no interval: chosen on these images")
        return OperatingPoint(name, threshold, counts, cost.of(counts))


def bayes_threshold(
    false_positive: float, false_negative: float, *, trained: float | None = None, prior: float | None = None
) -> float:
    """The threshold of least expected cost on a calibrated probability: cost of a false positive over both costs.

    Where the class occurs more or less often in use (``prior``) than where the probability was calibrated
    (``trained``), the threshold moves by the ratio of the odds.

    >>> bayes_threshold(1, 9)
    0.1

    Source: Elkan 2001, "The foundations of cost-sensitive learning", equation 2; the shift is that of theorem 2.
    """
    cost = Cost(false_positive, false_negative, prior)
    if (trained is None) != (prior is None):
        raise StriateError(f"trained is {trained} and prior is {prior}", accepted="both shares or none")
    low, high = cost.false_positive, cost.false_negative
    if trained is not None and cost.prior is not None:
        Cost(1, 1, trained)
        low, high = low * trained * (1 - cost.prior), high * (1 - trained) * cost.prior
    return low / (low + high)


def at_threshold(
    scores: Tensor,
    truths: Tensor,
    threshold: float | None,
    *,
    name: str = "given",
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    prior: float | None = None,
) -> OperatingPoint:
    """What a threshold gives on these images: how one that was chosen on dev is measured on test.

    None calls no image positive.

    Raises:
        StriateError: The threshold is not finite.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise StriateError(f"threshold is {threshold}", accepted="a number, or None to call no image positive")
    exact, known = score_vectors(scores, truths)
    called = torch.zeros_like(known) if threshold is None else exact >= threshold
    cells = [int(each.sum()) for each in (called & known, called & ~known, ~called & known, ~called & ~known)]
    counts = Counts(*cells)
    at = Number(None, n=counts.n, why=NEVER) if threshold is None else Number(threshold, n=counts.n, why="given")
    return OperatingPoint(name, at, counts, Cost(false_positive, false_negative, prior).of(counts))


def by_cost(
    scores: Tensor, truths: Tensor, *, false_positive: float, false_negative: float, prior: float | None = None
) -> OperatingPoint:
    """The threshold of least mean cost on these images; of equals the highest.

    With ``prior`` the two rates of mistakes count as they will where the class has that share.

    Raises:
        StriateError: A cost is negative, ``prior`` is no share, or scores and truths cannot be used.

    Source: Provost & Fawcett 2001, "Robust classification for imprecise environments".
    """
    cost = Cost(false_positive, false_negative, prior)
    return _least_cost(Tables.of(scores, truths), cost)


def points(
    scores: Tensor,
    truths: Tensor,
    *,
    recalls: tuple[float, ...] = (0.95, 0.99),
    precisions: tuple[float, ...] = (0.95, 0.99),
    alarms: tuple[float, ...] = (0.01, 0.05),
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    prior: float | None = None,
) -> tuple[OperatingPoint, ...]:
    """Thresholds for what one may ask: least cost, highest Youden's J and F1, recall, precision, false positive rate.

    A wish that no threshold fulfils stays in the list with its reason, and so does every one where there are no
    images of a side.

    Source: Youden 1950, "Index for rating diagnostic tests".
    """
    tables, cost = Tables.of(scores, truths), Cost(false_positive, false_negative, prior)
    return (
        _least_cost(tables, cost),
        _highest_youden(tables, cost),
        _highest_f1(tables, cost),
        *(_recall_of(tables, cost, least) for least in recalls),
        *(_precision_of(tables, cost, least) for least in precisions),
        *(_alarms_of(tables, cost, most) for most in alarms),
    )


def class_thresholds(
    scores: Tensor,
    truths: Tensor,
    *,
    by: Literal["f1", "cost"] = "f1",
    false_positive: float = 1.0,
    false_negative: float = 1.0,
) -> tuple[OperatingPoint, ...]:
    """The best threshold of each class on its own, from scores (N, K) and truths (N, K).

    A class without images has none that is best by F1.

    Source: Lipton, Elkan & Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure".
    """
    label_tables(scores, truths, name="scores")
    if by not in {"f1", "cost"}:
        raise StriateError(f"by is {by!r}", accepted="f1 or cost")
    cost = Cost(false_positive, false_negative)
    choose: Callable[[Tables, Cost], OperatingPoint] = _highest_f1 if by == "f1" else _least_cost
    return tuple(choose(Tables.of(scores[:, k], truths[:, k]), cost) for k in range(scores.shape[1]))


def _least_cost(tables: Tables, cost: Cost) -> OperatingPoint:
    if cost.prior is not None and not (tables.positives and tables.negatives):
        return _one_sided(tables, "least cost", cost)
    return tables.point(_first_least(cost.each(tables)), "least cost", cost)


def _highest_youden(tables: Tables, cost: Cost) -> OperatingPoint:
    name = "Youden's J"
    if not (tables.positives and tables.negatives):
        return _one_sided(tables, name, cost)
    return tables.point(_first_least(tables.fp / tables.negatives - tables.tp / tables.positives), name, cost)


def _highest_f1(tables: Tables, cost: Cost) -> OperatingPoint:
    if not tables.positives:
        return tables.point(0, "highest F1", cost, why="0/0: no image of the class")
    return tables.point(_first_least(-tables.f1), "highest F1", cost)


def _recall_of(tables: Tables, cost: Cost, least: float) -> OperatingPoint:
    name = f"recall >= {_share(least):g}"
    if not tables.positives:
        return tables.point(0, name, cost, why="0/0: no image of the class")
    # of thresholds with that recall the highest has the fewest false positives
    return tables.point(int(_reached(tables.tp, least, tables.positives).nonzero()[0, 0]), name, cost)


def _precision_of(tables: Tables, cost: Cost, least: float) -> OperatingPoint:
    name = f"precision >= {_share(least):g}"
    called = tables.tp + tables.fp
    enough = ((tables.tp >= least * called - 1e-9) & (called > 0)).nonzero()[:, 0]
    if len(enough) == 0:
        best = float((tables.tp[1:] / called[1:]).max()) if tables.n else math.nan
        why = f"no threshold has it: the highest precision is {best:.4g}" if tables.n else "0/0: no images"
        return tables.point(0, name, cost, why=why)
    # of thresholds with that precision the lowest has the highest recall
    return tables.point(int(enough[-1]), name, cost)


def _alarms_of(tables: Tables, cost: Cost, most: float) -> OperatingPoint:
    name = f"false positive rate <= {_share(most):g}"
    if not tables.negatives:
        return tables.point(0, name, cost, why="0/0: no image of another class")
    few = (tables.fp <= most * tables.negatives + 1e-9).nonzero()[:, 0]
    best = int(few[int(tables.tp[few].argmax())])
    return tables.point(best, name, cost, why="" if best else "every threshold has more, or finds no image")


def _one_sided(tables: Tables, name: str, cost: Cost) -> OperatingPoint:
    side = "another class" if tables.positives else "the class"
    found = tables.point(0, name, cost)
    return replace(found, threshold=Number(None, n=tables.n, why=f"0/0: no image of {side}"))


def _first_least(values: Tensor) -> int:
    """Row of the least value; those that differ by rounding alone count as equal, and the first is taken."""
    return int((values <= values.min() + 1e-12 * values.abs().max()).nonzero()[0, 0])


def _reached(counts: Tensor, share: float, total: int) -> Tensor:
    # 0.95 * 20 is 19 only but for rounding
    return counts >= share * total - 1e-9


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise StriateError(f"{value} is asked for", accepted="a share above 0, at most 1")
    return value
