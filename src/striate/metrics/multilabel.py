"""Images with any number of labels: decisions and scores of every class, (N, K), against truths (N, K)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number

from .averages import ClassAverage
from .binary import Counts
from .inputs import exact_scores, exact_truths, label_tables
from .intervals import normal_interval, wilson
from .mean import mean_interval
from .ranking import ClassRanking, average_precision_of, by_column

OVER_IMAGES = "95 % by the delta method over images"


@dataclass(frozen=True)
class LabelFigures:
    """Figures of decisions.

    Attributes:
        each: The two-class table of each class.
        micro: Counts of all classes pooled.
        macro: Classes weigh alike; one neither true nor decided anywhere is left out.
        weighted: Classes weigh by their images.
        samples: Images weigh alike; one without true and decided labels is left out.
        exact_match: Share of images with every label right.
        hamming_loss: Share of wrong decisions.
    """

    each: tuple[Counts, ...]
    micro: ClassAverage
    macro: ClassAverage
    weighted: ClassAverage
    samples: ClassAverage
    exact_match: Number
    hamming_loss: Number


@dataclass(frozen=True)
class LabelRanking:
    """Figures of scores.

    Attributes:
        ranking_loss: Share of pairs of a true and another label that are wrongly ordered, ties counting as wrong.
        coverage_error: How many labels one has to go down to find all true ones.
        label_ranking_precision: Of each true label, the share of true ones among those at or above it, averaged.
        average_precision: Of each class over the images; ``macro`` is the mean average precision.
    """

    ranking_loss: Number
    coverage_error: Number
    label_ranking_precision: Number
    average_precision: ClassRanking


@dataclass(frozen=True)
class Decided:
    """Decisions and truths batch by batch, 2 bytes a label; every update gives a new value."""

    parts: tuple[tuple[Tensor, Tensor], ...] = ()

    def update(self, decisions: Tensor, truths: Tensor) -> Decided:
        """With these images added.

        Raises:
            StriateError: The two differ in shape, or hold anything but True and False.
        """
        label_tables(decisions, truths, name="decisions")
        if self.parts:
            label_tables(decisions[:0], self.parts[0][0][:0], name="decisions")
        return Decided((*self.parts, (exact_truths(decisions, name="decisions"), exact_truths(truths))))

    def merge(self, other: Decided) -> Decided:
        """Both together."""
        return Decided(self.parts + other.parts)

    def compute(self, classes: int = 0) -> LabelFigures:
        """The figures of all of them; ``classes`` says how many there are where nothing was seen."""
        if not self.parts:
            nothing = torch.zeros(0, classes, dtype=torch.bool)
            return label_figures(nothing, nothing)
        return label_figures(torch.cat([each for each, _ in self.parts]), torch.cat([each for _, each in self.parts]))


def label_figures(decisions: Tensor, truths: Tensor) -> LabelFigures:
    """Every figure of decisions (N, K) against truths (N, K).

    A class that is true somewhere and never decided counts with precision 0, one that is decided and never true with
    recall 0; so do images in the samples average. Intervals are over images, whose labels hang together.

    Raises:
        StriateError: The two differ in shape, or hold anything but True and False.

    Source: Tsoumakas, Katakis & Vlahavas 2010, "Mining multi-label data", section 7; F1 is the mean of F1, not the F1
    of means (Opitz & Burst 2019).
    """
    label_tables(decisions, truths, name="decisions")
    called, true = exact_truths(decisions, name="decisions"), exact_truths(truths)
    wrong = called != true
    n = len(true)
    return LabelFigures(
        each=tuple(Counts(*cells) for cells in _cells(called, true)),
        micro=_pooled(called, true),
        macro=_over_classes(called, true, by_support=False),
        weighted=_over_classes(called, true, by_support=True),
        samples=_over_images(called, true),
        exact_match=wilson(int((~wrong).all(1).sum()) if n else 0, n),
        hamming_loss=_in_unit(mean_interval(wrong.to(torch.float64).mean(1)) if wrong.numel() else _nothing(n)),
    )


def label_ranking(scores: Tensor, truths: Tensor) -> LabelRanking:
    """Every figure of scores (N, K) against truths (N, K).

    An image without labels has no figure of its own and is left out, from the ranking loss also one with all labels;
    scikit-learn counts these as 0 losses and as a precision of 1, which makes images without labels look good.

    Raises:
        StriateError: The two differ in shape, a score is NaN or infinite.

    Source: Tsoumakas, Katakis & Vlahavas 2010, section 7.2: ranking loss and coverage of Schapire & Singer 2000; the
    mean average precision is that of Everingham et al. 2010 without interpolation.
    """
    label_tables(scores, truths, name="scores")
    exact, true = exact_scores(scores), exact_truths(truths)
    some, all_ = true.any(1), true.all(1)
    pairs, below, precise = _orders(exact[some], true[some])
    two_sided = ~all_[some]
    left = int((~some).sum())
    return LabelRanking(
        ranking_loss=_in_unit(_over_some(pairs[two_sided], left + int((all_ & some).sum()), "with no or all labels")),
        coverage_error=_over_some(below, left, "without labels", low=1.0, high=float(max(true.shape[1], 1))),
        label_ranking_precision=_in_unit(_over_some(precise, left, "without labels")),
        average_precision=by_column(exact, true, average_precision_of),
    )


def _orders(scores: Tensor, true: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each image: wrongly ordered pairs, labels down to the last true one, precision at the true labels."""
    classes = scores.shape[1]
    rising, order = scores.sort(1)
    first = torch.searchsorted(rising, scores)  # of each label the lowest place of its score: ties are at or above it
    at_or_above = (classes - first).to(torch.float64)
    before = torch.cat([torch.zeros(len(true), 1), true.gather(1, order).cumsum(1)], 1).to(torch.float64)
    count = true.sum(1).to(torch.float64)
    true_above = count[:, None] - before.gather(1, first)
    wrong = ((at_or_above - true_above) * true).sum(1)
    below = (at_or_above * true).amax(1) if true.numel() else count
    return wrong / (count * (classes - count)).clamp_min(1), below, (true_above / at_or_above * true).sum(1) / count


def _cells(called: Tensor, true: Tensor) -> list[tuple[int, int, int, int]]:
    kinds = (called & true, called & ~true, ~called & true, ~called & ~true)
    tp, fp, fn, tn = (each.sum(0).tolist() for each in kinds)
    return list(zip(tp, fp, fn, tn, strict=True))


Shares = tuple[Tensor, Tensor, Tensor]  # hits, decided and true labels


def _quotients(shares: Shares) -> list[tuple[Tensor | float, Tensor, Callable[[Shares], Tensor]]]:
    """Of precision, recall and F1: what is above and below the line, and how it is counted, image by image."""
    hits, decided, true = shares
    return [
        (hits, decided, lambda own: own[1]),
        (hits, true, lambda own: own[2]),
        (2 * hits, decided + true, lambda own: own[1] + own[2]),
    ]


def _shares(called: Tensor, true: Tensor, *, pooled: bool) -> tuple[Shares, Shares]:
    """Of each image and class, and their means over images."""
    own = tuple(each.to(torch.float64) for each in (called & true, called, true))
    if pooled:
        own = tuple(each.sum(1, keepdim=True) for each in own)
    first, second, third = own
    return (first, second, third), (first.mean(0), second.mean(0), third.mean(0))


def _pooled(called: Tensor, true: Tensor) -> ClassAverage:
    n = len(true)
    if not true.numel():
        return _no_average(n)
    own, mean = _shares(called, true, pooled=True)
    words = ("0/0: no label was decided", "0/0: no label is true", "0/0: no label is true or decided")
    found = []
    for (above, below, counted), why, factor in zip(_quotients(mean), words, (1, 1, 2), strict=True):
        if float(below) == 0:
            found.append(Number(None, n=n, why=why))
            continue
        value = above / below
        found.append(_moved(float(value), (factor * own[0] - value * counted(own)) / below, n))
    return ClassAverage(*found)


def _over_classes(called: Tensor, true: Tensor, *, by_support: bool) -> ClassAverage:
    n = len(true)
    if not true.numel():
        return _no_average(n)
    own, mean = _shares(called, true, pooled=False)
    _, decided, support = mean
    occurs = (decided + support) > 0
    if not bool(occurs.any()) or (by_support and not bool(support.any())):
        why = "0/0: no label is true" + ("" if by_support else " or decided")
        return ClassAverage(*(Number(None, n=n, why=why) for _ in range(3)))
    weights = support / support.sum() if by_support else occurs.to(torch.float64) / int(occurs.sum())
    absent = int((~occurs).sum())
    words = f"; classes: {absent} neither true nor decided left out" if absent else ""
    found = []
    for (above, below, counted), factor in zip(_quotients(mean), (1, 1, 2), strict=True):
        safe = below.clamp_min(1e-300)
        values = torch.where(below > 0, above / safe, 0.0)
        value = float((weights * values).sum())
        # a class without a line to stand on counts as 0 whatever one image adds
        moved = torch.where(below > 0, (factor * own[0] - values * counted(own)) / safe, 0.0) @ weights
        if by_support:
            moved = moved + (own[2] @ values - value * own[2].sum(1)) / support.sum()
        found.append(_moved(value, moved[:, None], n, words))
    return ClassAverage(*found)


def _over_images(called: Tensor, true: Tensor) -> ClassAverage:
    hits, decided, support = (each.sum(1).to(torch.float64) for each in (called & true, called, true))
    some = (decided + support) > 0
    left = int((~some).sum())
    quotients = ((hits, decided), (hits, support), (2 * hits, decided + support))
    return ClassAverage(
        *(
            _in_unit(
                _over_some(torch.where(below > 0, above / below.clamp_min(1), 0.0)[some], left, "without any label")
            )
            for above, below in quotients
        )
    )


def _moved(value: float, moved: Tensor, n: int, words: str = "") -> Number:
    """A share with the interval of how far each image moves it, times n."""
    error = math.sqrt(float(moved.square().sum())) / n
    if error < 1e-12:
        return Number(value, n=n, why="no interval: the delta method gives it no width here" + words)
    return _in_unit(normal_interval(value, error, n, why=OVER_IMAGES + words))


def _over_some(values: Tensor, left: int, words: str, *, low: float = 0.0, high: float = 1.0) -> Number:
    found = mean_interval(values)
    without = f"{left} image{'' if left == 1 else 's'} {words}"
    if found.value is None:
        return Number(None, n=0, why=f"0/0: {without}" if left else "0/0: no images")
    said = "; ".join(each for each in (found.why, f"{without} left out" if left else "") if each)
    ends = [None if end is None else min(max(end, low), high) for end in (found.low, found.high)]
    return Number(found.value, ends[0], ends[1], found.n, said)


def _in_unit(number: Number) -> Number:
    if number.low is None or number.high is None:
        return number
    return Number(number.value, max(number.low, 0.0), min(number.high, 1.0), number.n, number.why)


def _nothing(n: int) -> Number:
    return Number(None, n=n, why="0/0: no images" if n == 0 else "0/0: no classes")


def _no_average(n: int) -> ClassAverage:
    return ClassAverage(_nothing(n), _nothing(n), _nothing(n))
