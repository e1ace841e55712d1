"""How many labels are wrong, and how likely each one is right: noise told from images that are merely hard.

A net that confuses shirts and coats disagrees with many labels that are right. But the images that it is surest of are
not the hard ones: what share of *them* carries another label is the share of wrong labels, if labels go wrong by class
and not by how hard an image is (anchor points). From these shares follows, by Bayes' rule, how likely a label is right.

Source: Patrini, Rozza, Menon, Nock & Qu 2017, "Making deep neural networks robust to label noise", section 4.1,
theorem 3 and equation 12 (anchors; the inverse of the transition matrix is that of their section 3). We count the
labels of many anchors where they read the output of one, so that the estimate has an interval and does not
depend on the net's calibration.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.metrics.intervals import square_and_add, wilson

from .confident import check

SHARE = 0.1  # of the images predicted as a class: its anchors
LEAST = 0.01  # share of wrong labels that is worth a word
HARD = 0.2  # errors beyond the anchors' from which nothing is said: the learner is too weak
STEEP, SLACK = 0.35, 0.01  # of those errors, lying in the surer half: more means that hard images are everywhere
HARD_FOR_CLASSES = 0.1  # the same where single classes are asked about: a class may be hard though the others are not
FEW_ANCHORS = 20  # of a class, below which it is not spoken of by itself
UNKNOWN = 0.4  # of anchors labelled otherwise: more means that the class was not learnt
LEAN = 0.4  # the anchors' errors must exceed this share of the other errors, or they are more of the same
QUIET = 1e-3  # share of wrong labels that is assumed where none were found
STRENGTH = 100.0  # anchors that the rate over all classes counts for, beside those of each class


@dataclass(frozen=True, eq=False)
class Noise:
    """What anchors say of the labels.

    Attributes:
        anchors: (K, K) int64: of the images surest to be of class ``i``, how many are labelled ``j``.
        rate: Share of wrong labels, 95 % interval; it leans to the high side where images are hard.
        errors: Share of all images whose most likely class is not their label.
        able: Whether the learner is right often enough for any of this to be believed.
        established: Whether the rate is more than hard images explain.
        classes: (K,) bool, the same of each class by itself, at 95 % for all of them together.
        transition: (K, K) float64: chance that an image of class ``i`` is labelled ``j``, as `chances` should use it.
    """

    anchors: Tensor
    rate: Number
    errors: Number
    able: bool
    established: bool
    classes: Tensor
    transition: Tensor


def measure_noise(probabilities: Tensor, labels: Tensor, *, share: float = SHARE) -> Noise:
    """The rate of wrong labels from (N, K) probabilities out of sample and (N,) labels.

    Raises:
        StriateError: Shapes or values that do not fit.
    """
    check(probabilities, labels)
    classes, n = probabilities.shape[1], len(labels)
    p = probabilities.to(torch.float64)
    called = p.argmax(1)
    predicted = torch.bincount(called, minlength=classes)
    errors = wilson(int((called != labels).sum()), n)
    anchors = _surest(p, labels, share)
    rate = _rate(anchors, predicted, n)
    others = max(float(errors) - float(rate), 0.0) if n else 1.0
    half = float(_rate(_surest(p, labels, 0.5), predicted, n))
    able = others <= HARD and float(rate) <= UNKNOWN and half - float(rate) <= STEEP * others + SLACK
    established = able and _more_than_hard(rate, others)
    by_class = torch.zeros(classes, dtype=torch.bool)
    if able and others <= HARD_FOR_CLASSES:
        by_class = _by_class(anchors, called, labels, others)
    return Noise(
        anchors, rate, errors, able, established, by_class, _transition(anchors, by_class, established=established)
    )


def _surest(p: Tensor, labels: Tensor, share: float) -> Tensor:
    """(K, K) counts: of the surest share of the images called ``i``, at least one, how many are labelled ``j``."""
    classes = p.shape[1]
    confidence, called = p.max(1)
    order = confidence.argsort(descending=True, stable=True)
    order = order[called[order].argsort(stable=True)]  # by class, the surest first
    sizes = torch.bincount(called, minlength=classes)
    place = torch.arange(len(order)) - (sizes.cumsum(0) - sizes)[called[order]]
    chosen = order[place < (share * sizes).round().clamp_min(1)[called[order]]]
    cells = torch.bincount(called[chosen] * classes + labels[chosen], minlength=classes * classes)
    return cells.reshape(classes, classes)


def chances(probabilities: Tensor, labels: Tensor, transition: Tensor) -> Tensor:
    """(N, K) float64: chance that the true class is ``k``, given the image and the label that it has; rows sum to 1.

    The probabilities are of a learner of the labels as they are. The transition matrix is taken out of them
    (by its inverse, what falls below 0 is cut off), and put in again for the label at hand.
    """
    check(probabilities, labels)
    p = probabilities.to(torch.float64)
    clean: Tensor = torch.linalg.solve(transition.T, p.T).T.clamp_min(0.0)
    # a class that the inverse cuts off keeps a trace, so that equally impossible labels still have an order
    clean = clean + 1e-6 * p
    joint = clean * transition.T[labels]
    total: Tensor = joint.sum(1, keepdim=True)
    return joint / total.clamp_min(torch.finfo(torch.float64).tiny)


def _more_than_hard(rate: Number, others: float) -> bool:
    return rate.low is not None and rate.low >= max(LEAST, LEAN * others)


def _by_class(anchors: Tensor, called: Tensor, labels: Tensor, others: float) -> Tensor:
    """Classes with wrong labels of their own, by intervals that hold for all classes together (Bonferroni)."""
    classes = len(anchors)
    predicted = torch.bincount(called, minlength=classes)
    wrong = torch.bincount(called[called != labels], minlength=classes)
    counts = anchors.sum(1)
    asked = (counts >= FEW_ANCHORS).nonzero().reshape(-1).tolist()
    out = torch.zeros(classes, dtype=torch.bool)
    for each in asked:
        count = int(counts[each])
        rate = wilson(count - int(anchors[each, each]), count, level=1 - 0.05 / len(asked))
        hard = max(others, int(wrong[each]) / int(predicted[each]) - float(rate))
        out[each] = float(rate) <= UNKNOWN and _more_than_hard(rate, hard)
    return out


def _rate(anchors: Tensor, predicted: Tensor, n: int) -> Number:
    """Each class weighs as many as are predicted of it."""
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    counts = anchors.sum(1)
    rows = counts.nonzero().reshape(-1).tolist()
    parts = [wilson(int(counts[row] - anchors[row, row]), int(counts[row])) for row in rows]
    weights = [int(predicted[row]) / n for row in rows]
    value = sum(float(part) * weight for part, weight in zip(parts, weights, strict=True))
    low, high = square_and_add(parts, weights)
    why = "share of other labels among the images the nets are surest of; 95 % from Wilson intervals by class"
    return Number(value, min(max(low, 0.0), value), max(min(high, 1.0), value), int(counts.sum()), why)


def _transition(anchors: Tensor, by_class: Tensor, *, established: bool) -> Tensor:
    """Rows of established classes are estimated and drawn to the common rate; the others have next to no noise."""
    classes = len(anchors)
    counts = anchors.sum(1)
    total = int(counts.sum())
    common = (total - int(anchors.diagonal().sum()) + 0.5) / (total + 1.0) if established else QUIET
    common = min(max(common, QUIET), UNKNOWN)
    prior = torch.full((classes, classes), common / (classes - 1), dtype=torch.float64)
    prior.fill_diagonal_(1.0 - common)
    estimated = (anchors + STRENGTH * prior) / (counts + STRENGTH)[:, None]
    # more than half on the diagonal of every row: then the matrix has an inverse
    sound = (by_class | established) & (estimated.diagonal() >= 1 - UNKNOWN)
    return torch.where(sound[:, None], estimated, prior)
