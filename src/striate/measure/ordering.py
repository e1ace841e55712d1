"""How well the probabilities order the images: curves of every class, its best threshold, operating points of two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.metrics.averages import LEAST
from striate.metrics.binary import Counts
from striate.metrics.ranked import Ranked
from striate.metrics.ranking import auc_of, average_precision_of, moved_interval, precision_recall_of, roc_of

from .payload import ClassCurve, ClassThreshold, Curves
from .table import Table, in_slices

POINTS = 60
DRAWN = 24  # classes whose curves keep their points, the weakest, where there are more
FEW = 8  # a class with fewer than one image in so many is ranked by its own images alone
DIGITS = 6
BLOCK = 64  # columns of a table that are copied at once


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the averages over the classes are made of: values, weights, and how far each image moves them."""

    n: int
    alike: Tensor
    by_support: Tensor
    values: list[float]
    support: list[int]

    @classmethod
    def empty(cls, n: int) -> _Sums:
        return cls(n, torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64), [], [])

    def add(self, number: Number, moved: Tensor, of_class: Tensor) -> None:
        """One class: its figure, how far each image moves it, which images are of it."""
        if number.value is None:
            return
        support = int(of_class.sum())
        self.alike.add_(moved)
        # the weight moves too: one more image of the class adds to its share
        self.by_support.add_(moved, alpha=support / self.n).sub_(number.value * support / self.n)
        self.by_support[of_class] += number.value
        self.values.append(number.value)
        self.support.append(support)

    def averages(self, classes: int, labels: Tensor, known: Tensor) -> tuple[Number, Number]:
        """Macro and weighted average."""
        left = classes - len(self.values)
        total = sum(self.support) / max(self.n, 1)
        if not self.values or total == 0:
            nothing = Number(None, n=self.n, why="0/0: no class has the figure")
            return nothing, nothing
        words = f"; classes: {left} without the figure left out" if left else ""
        macro = sum(self.values) / len(self.values)
        weighted = sum(v * s for v, s in zip(self.values, self.support, strict=True)) / sum(self.support)
        rare = sum(support < LEAST for support in self.support)
        if rare:
            why = f"no interval: {rare} classes of fewer than {LEAST} images{words}"
            return Number(macro, n=self.n, why=why), Number(weighted, n=self.n, why=why)
        share = (known[labels].to(torch.float64) - total) * weighted
        return (
            moved_interval(macro, self.alike / len(self.values), words),
            moved_interval(weighted, (self.by_support - share) / total, words),
        )


def ordered(table: Table, dev: Table | None = None) -> tuple[Curves, tuple[ClassThreshold, ...]]:
    """ROC and precision-recall curve of every class against the rest by its probability, and its best threshold.

    With two classes the second counts as positive. With more than `DRAWN` classes only so many, those of least area
    under the ROC curve, keep their points. Ties and intervals as in `auc` and `average_precision`. The best threshold
    has the highest F1 on ``dev`` where that is given, else on the table itself, whose figures then flatter; a class
    without images there has none. Cost: one search of N probabilities a class; memory as for some columns of the table.

    Source: Provost & Domingos 2001, "Well-trained PETs", section 3.2; thresholds of Lipton, Elkan & Naryanaswamy 2014,
    "Optimal thresholding of classifiers to maximize F1 measure".
    """
    chosen = [] if dev is None else [_best_threshold(_ranked(*column))[0] for column in _columns(dev)]
    thresholds = []
    n, classes = table.logits.shape
    labels = table.labels
    found: list[ClassCurve] = []
    areas, precisions = _Sums.empty(n), _Sums.empty(n)
    known_area = torch.zeros(classes, dtype=torch.bool)
    known_precision = torch.zeros(classes, dtype=torch.bool)
    for number, (scores, of_class) in enumerate(_columns(table)):
        ranked = _ranked(scores, of_class)
        area, *area_moves = auc_of(ranked)
        precision, *precision_moves = average_precision_of(ranked)
        areas.add(area, _moved(ranked, of_class, *area_moves), of_class)
        precisions.add(precision, _moved(ranked, of_class, *precision_moves), of_class)
        known_area[number], known_precision[number] = area.value is not None, precision.value is not None
        found.append(ClassCurve(table.names[number], area, precision, _roc_points(ranked), _precision_points(ranked)))
        if dev is None:
            best, counts = _best_threshold(ranked)
        else:
            best = chosen[number]
            counts = counted(scores.exp() >= float(best), of_class)  # nothing is, where there is no threshold
        thresholds.append(_class_threshold(table.names[number], best, counts, "dev" if dev else "the measured split"))
    macro_auc, weighted_auc = areas.averages(classes, labels, known_area)
    macro_precision, weighted_precision = precisions.averages(classes, labels, known_precision)
    whole = Curves(
        classes=_fewer(found),
        macro_auc=macro_auc,
        weighted_auc=weighted_auc,
        macro_average_precision=macro_precision,
        weighted_average_precision=weighted_precision,
        positive=table.names[1] if classes == 2 else "",
    )
    return whole, tuple(thresholds)


def counted(called: Tensor, truths: Tensor) -> Counts:
    """The four counts of what was called positive."""
    tp, positives, all_called = int((called & truths).sum()), int(truths.sum()), int(called.sum())
    return Counts(tp, all_called - tp, positives - tp, len(truths) - all_called - positives + tp)


def column_of(table: Table, number: int) -> Tensor:
    """Probability of one class for every image, shape (N,), float64."""
    return (table.logits[:, number].to(torch.float64) - _normaliser(table)).exp()


def _normaliser(table: Table) -> Tensor:
    parts = [torch.logsumexp(table.logits[part].to(torch.float64), 1) for part in in_slices(table.logits)]
    return torch.cat(parts)


def _columns(table: Table) -> Iterator[tuple[Tensor, Tensor]]:
    """Each class in turn: the logarithm of its probability, float64, and which images are of it."""
    least = _normaliser(table)
    for start in range(0, table.logits.shape[1], BLOCK):  # columns lie apart in memory: several are fetched at once
        for number, column in enumerate(table.logits[:, start : start + BLOCK].t().contiguous(), start=start):
            yield column.to(torch.float64) - least, table.labels == number


def _ranked(scores: Tensor, of_class: Tensor) -> Ranked:
    """The images of a class ranked against the rest; thresholds are logarithms of probabilities."""
    few = int(of_class.sum()) * FEW < len(scores)
    return _ranked_by_few(scores, of_class) if few else Ranked.of(scores, of_class)


def _ranked_by_few(scores: Tensor, of_class: Tensor) -> Ranked:
    """As `Ranked.of`, but images of other classes between two scores of this one make one group.

    Their order among each other changes neither area nor average precision, and no corner of a curve; the images of
    the class are sorted, the others only looked up among them.
    """
    own = torch.tensor(sorted(set(scores[of_class].tolist())), dtype=torch.float64)
    below = torch.searchsorted(own, scores)
    # rising: 2 k for scores below own[k], 2 k + 1 for those equal to it
    place = 2 * below
    if len(own):
        place += own[below.clamp_max(len(own) - 1)] == scores
    groups = 2 * len(own) + 1
    total = torch.bincount(place, minlength=groups).to(torch.float64)
    hits = torch.bincount(place[of_class], minlength=groups).to(torch.float64)
    low = torch.full((groups,), torch.inf, dtype=torch.float64)
    low.scatter_reduce_(0, place, scores, "amin")
    filled = total > 0
    group = int(filled.sum()) - filled.to(torch.int64).cumsum(0)
    return Ranked(low[filled].flip(0), hits[filled].flip(0), (total - hits)[filled].flip(0), group[place])


def _moved(ranked: Ranked, of_class: Tensor, by_hit: Tensor, by_miss: Tensor) -> Tensor:
    moved = by_miss[ranked.group]
    moved[of_class] = by_hit[ranked.group[of_class]]
    return moved


def _best_threshold(ranked: Ranked) -> tuple[Number, Counts]:
    """The probability from which on calling images the class gives the highest F1, and what it gives there."""
    positives, negatives = ranked.positives, ranked.negatives
    if positives == 0:
        why = "no image of the class to choose a threshold on"
        return Number(None, n=negatives, why=why), Counts(0, 0, 0, negatives)
    hits, called = ranked.hits.cumsum(0), (ranked.hits + ranked.misses).cumsum(0)
    row = int((2 * hits / (called + positives)).argmax())
    tp, fp = int(hits[row]), int(called[row] - hits[row])
    threshold = math.exp(float(ranked.thresholds[row]))
    number = Number(threshold, n=positives + negatives, why="chosen, not estimated: highest F1")
    return number, Counts(tp, fp, positives - tp, negatives - fp)


def _class_threshold(name: str, best: Number, counts: Counts, chosen_on: str) -> ClassThreshold:
    if best.value is None:
        return ClassThreshold(name, best, best, best, best, chosen_on)
    return ClassThreshold(name, best, counts.precision, counts.recall, counts.f1, chosen_on)


def _roc_points(ranked: Ranked) -> tuple[tuple[float, float], ...]:
    curve = roc_of(ranked).thin(POINTS)
    return _rounded(curve.false_positive_rate, curve.true_positive_rate)


def _precision_points(ranked: Ranked) -> tuple[tuple[float, float], ...]:
    curve = precision_recall_of(ranked).thin(POINTS)
    return _rounded(curve.recall, curve.precision)


def _rounded(x: Tensor, y: Tensor) -> tuple[tuple[float, float], ...]:
    return tuple((round(a, DIGITS), round(b, DIGITS)) for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _fewer(found: list[ClassCurve]) -> tuple[ClassCurve, ...]:
    if len(found) <= DRAWN:
        return tuple(found)
    order = sorted(range(len(found)), key=lambda row: (found[row].auc.value is None, float(found[row].auc)))
    kept = set(order[:DRAWN])
    return tuple(
        one if row in kept else ClassCurve(one.name, one.auc, one.average_precision) for row, one in enumerate(found)
    )
