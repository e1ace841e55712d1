"""How well scores order images: ROC, area under it, precision against recall, average precision.

Ties are what they are: images of one score are called positive together, and a tied pair is half right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number

from .averages import LEAST
from .curves import PrecisionRecallCurve, RocCurve
from .inputs import check_labels, exact_scores, score_vectors
from .intervals import logit_interval
from .ranked import Ranked

NO_POSITIVES = "0/0: no image of the class"
NO_NEGATIVES = "0/0: no image of another class"
Moved = tuple[Number, Tensor, Tensor]  # a figure, and how far one more hit or miss of each group moves it, times N


def roc_curve(scores: Tensor, truths: Tensor) -> RocCurve:
    """True and false positive rate at every distinct threshold, from scores (N,) and truths (N,).

    TPR is TP / (TP + FN); some slides divide by TP + FP, which is the precision. Without images on both sides there
    is no curve, and its ``why`` says so.

    Raises:
        StriateError: Scores are NaN or infinite, or the two differ in length.

    Source: Fawcett 2006, "An introduction to ROC analysis", algorithm 1.
    """
    return roc_of(Ranked.of(*score_vectors(scores, truths)))


def auc(scores: Tensor, truths: Tensor) -> Number:
    """Area under the ROC curve: the share of pairs of a positive and a negative that are rightly ordered, ties half.

    >>> auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([False, False, True, True])).value
    0.875

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve"; interval of DeLong, DeLong &
    Clarke-Pearson 1988, "Comparing the areas under two or more correlated ROC curves", on the scale of log odds.
    """
    return auc_of(Ranked.of(*score_vectors(scores, truths)))[0]


def precision_recall(scores: Tensor, truths: Tensor) -> PrecisionRecallCurve:
    """Precision and recall at every distinct threshold; without an image of the class there is no curve."""
    return precision_recall_of(Ranked.of(*score_vectors(scores, truths)))


def average_precision(scores: Tensor, truths: Tensor) -> Number:
    """Precision averaged over the images of the class, each at its own score as the threshold.

    It is the sum of precision times step in recall, as scikit-learn has it; no interpolation, and missing without
    images of the class. Interval by the infinitesimal jackknife on the scale of log odds, which Boyd, Eng & Page 2013
    recommend ("Area under the precision-recall curve").
    """
    return average_precision_of(Ranked.of(*score_vectors(scores, truths)))[0]


@dataclass(frozen=True)
class ClassRanking:
    """One figure class by class, each against the rest, and its averages.

    Attributes:
        each: One number a class.
        macro: Classes that have the figure weigh alike; ``why`` says how many do not.
        weighted: They weigh by their images.
    """

    each: tuple[Number, ...]
    macro: Number
    weighted: Number


def auc_by_class(scores: Tensor, labels: Tensor) -> ClassRanking:
    """Area under the ROC curve of each class against the rest, from scores (N, K) and labels (N,).

    Source: Provost & Domingos 2001, "Well-trained PETs" (the weighted average). Intervals of averages
    by the infinitesimal jackknife over images, since all classes are measured on the same ones.
    """
    check_labels(scores, labels)
    return by_column(scores, _one_hot(labels, scores.shape[1]), auc_of)


def average_precision_by_class(scores: Tensor, labels: Tensor) -> ClassRanking:
    """Average precision of each class against the rest, from scores (N, K) and labels (N,)."""
    check_labels(scores, labels)
    return by_column(scores, _one_hot(labels, scores.shape[1]), average_precision_of)


def by_column(scores: Tensor, truths: Tensor, figure: Callable[[Ranked], Moved]) -> ClassRanking:
    """A figure of every column of scores (N, K) and truths (N, K), and its averages.

    Cost: one sort of N scores a column.
    """
    n, classes = scores.shape
    exact = exact_scores(scores)
    support = truths.sum(0).to(torch.float64)
    each: list[Number] = []
    alike, by_support = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    for k in range(classes):
        ranked = Ranked.of(exact[:, k], truths[:, k])
        number, by_hit, by_miss = figure(ranked)
        each.append(number)
        if number.value is not None:
            moved = torch.where(truths[:, k], by_hit[ranked.group], by_miss[ranked.group])
            alike += moved
            # the weight moves too: one more image of the class adds to its share
            by_support += moved * support[k] / n + number.value * (truths[:, k].to(torch.float64) - support[k] / n)
    known = torch.tensor([number.value is not None for number in each], dtype=torch.bool)
    values = torch.tensor([number.value or 0.0 for number in each], dtype=torch.float64)
    left = classes - int(known.sum())
    words = f"; classes: {left} without the figure left out" if left else ""
    total = float(support[known].sum()) / max(n, 1)
    if left == classes or total == 0:
        nothing = Number(None, n=n, why="0/0: no class has the figure")
        return ClassRanking(tuple(each), nothing, nothing)
    macro = float(values[known].mean())
    weighted = float((values * support).sum() / support[known].sum())
    rare = int((support[known] < LEAST).sum())
    if rare:
        why = f"no interval: {rare} classes of fewer than {LEAST} images{words}"
        return ClassRanking(tuple(each), Number(macro, n=n, why=why), Number(weighted, n=n, why=why))
    share = (truths[:, known].sum(1).to(torch.float64) - total) * weighted
    return ClassRanking(
        tuple(each),
        moved_interval(macro, alike / int(known.sum()), words),
        moved_interval(weighted, (by_support - share) / total, words),
    )


def moved_interval(value: float, moved: Tensor, words: str = "") -> Number:
    """A share with the interval of how far each image moves it, shape (N,), on the scale of log odds."""
    n = len(moved)
    error = math.sqrt(float(moved.square().sum())) / n if n > 1 else 0.0
    found = logit_interval(value, error, n, why="the infinitesimal jackknife")
    return Number(found.value, found.low, found.high, n, found.why + words)


def auc_of(ranked: Ranked) -> Moved:
    """`auc` of ranked images."""
    positives, negatives = ranked.positives, ranked.negatives
    n = positives + negatives
    if not (positives and negatives):
        nothing = torch.zeros_like(ranked.hits)
        return Number(None, n=n, why=NO_NEGATIVES if positives else NO_POSITIVES), nothing, nothing
    # of a positive of each group: the share of negatives below it; of a negative: that of positives above it
    of_hit = 1 - (ranked.misses.cumsum(0) - ranked.misses / 2) / negatives
    of_miss = (ranked.hits.cumsum(0) - ranked.hits / 2) / positives
    value = float((of_hit * ranked.hits).sum() / positives)
    by_hit, by_miss = (of_hit - value) * n / positives, (of_miss - value) * n / negatives
    if positives < 2 or negatives < 2:
        why = "no interval: one image on a side has no spread"
        return Number(value, n=n, why=why), by_hit, by_miss
    spread = (ranked.hits * (of_hit - value).square()).sum() / (positives * (positives - 1))
    spread += (ranked.misses * (of_miss - value).square()).sum() / (negatives * (negatives - 1))
    return logit_interval(value, math.sqrt(float(spread)), n, why="DeLong"), by_hit, by_miss


def average_precision_of(ranked: Ranked) -> Moved:
    """`average_precision` of ranked images."""
    n = ranked.positives + ranked.negatives
    if ranked.positives == 0:
        nothing = torch.zeros_like(ranked.hits)
        return Number(None, n=n, why=NO_POSITIVES), nothing, nothing
    value = min(ranked.mean_share(ranked.hits), 1.0)
    by_hit, by_miss = ranked.share_influence(ranked.hits, by_hit=True)
    if ranked.positives < 2:
        return Number(value, n=n, why="no interval: one image of the class has no spread"), by_hit, by_miss
    error = math.sqrt(float((ranked.hits * by_hit.square() + ranked.misses * by_miss.square()).sum())) / n
    return logit_interval(value, error, n, why="the infinitesimal jackknife"), by_hit, by_miss


def roc_of(ranked: Ranked) -> RocCurve:
    """`roc_curve` of ranked images."""
    positives, negatives = ranked.positives, ranked.negatives
    if not (positives and negatives):
        nothing = torch.zeros(0, dtype=torch.float64)
        why = NO_NEGATIVES if positives else NO_POSITIVES
        return RocCurve(nothing, nothing, nothing, positives, negatives, why)
    start = torch.zeros(1, dtype=torch.float64)
    return RocCurve(
        torch.cat([start + math.inf, ranked.thresholds]),
        torch.cat([start, ranked.misses.cumsum(0) / negatives]),
        torch.cat([start, ranked.hits.cumsum(0) / positives]),
        positives,
        negatives,
    )


def precision_recall_of(ranked: Ranked) -> PrecisionRecallCurve:
    """`precision_recall` of ranked images."""
    if ranked.positives == 0:
        nothing = torch.zeros(0, dtype=torch.float64)
        return PrecisionRecallCurve(nothing, nothing, nothing, 0, ranked.negatives, math.nan, NO_POSITIVES)
    found, called = ranked.hits.cumsum(0), (ranked.hits + ranked.misses).cumsum(0)
    return PrecisionRecallCurve(
        ranked.thresholds,
        found / called,
        found / ranked.positives,
        ranked.positives,
        ranked.negatives,
        ranked.mean_share(ranked.hits),
    )


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    return labels.cpu()[:, None] == torch.arange(classes)
