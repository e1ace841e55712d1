"""Confident learning: which labels are likely wrong, from predictions out of sample and the labels as they are.

Source: Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.number import Number
from striate.core.rng import Rng

Pruning = Literal["class", "noise rate", "both"]
DRAWS = 200  # of the bootstrap


@dataclass(frozen=True, eq=False)
class Confident:
    """What confident learning makes of labels and probabilities.

    Attributes:
        thresholds: (K,) float64, mean probability of its own label over the images of each class; NaN without any.
        counts: (K, K) int64, the confident joint: ``counts[label][true]``.
        joint: (K, K) float64, the estimated shares of all images, calibrated to the counts of the labels.
        true: (N,) int64, the class that each image is counted for; -1 where it reaches no threshold.
    """

    thresholds: Tensor
    counts: Tensor
    joint: Tensor
    true: Tensor

    @property
    def noise(self) -> float:
        """Estimated share of labels that differ from the true class."""
        return _off_diagonal(self.joint)


def confident_joint(probabilities: Tensor, labels: Tensor) -> Confident:
    """Thresholds, confident joint and estimated joint of (N, K) probabilities and (N,) labels.

    An image is counted for the class whose probability reaches that class's threshold; of several the most likely one,
    of equally likely ones the first. A class with images of which none is counted keeps its label for all of them
    (the paper leaves that case open).

    Raises:
        StriateError: Shapes or values that do not fit.

    Source: Northcutt et al. 2021, equations 1 to 3.
    """
    check(probabilities, labels)
    p, classes = probabilities.to(torch.float64), probabilities.shape[1]
    totals = torch.bincount(labels, minlength=classes)
    own = p.gather(1, labels[:, None])[:, 0]
    # summed in exact order whatever the threads: index_add runs through the rows one by one
    thresholds = torch.zeros(classes, dtype=torch.float64).index_add(0, labels, own) / totals
    reached = p >= torch.where(thresholds.isnan(), math.inf, thresholds)
    best = torch.where(reached, p, -1.0).argmax(1)
    true = torch.where(reached.any(1), best, -1)
    counted = true >= 0
    flat = torch.bincount(labels[counted] * classes + true[counted], minlength=classes * classes)
    counts = flat.reshape(classes, classes)
    return Confident(thresholds, counts, calibrated(counts, totals), true)


def calibrated(counts: Tensor, totals: Tensor) -> Tensor:
    """The estimated joint: each row of the confident joint scaled to its label's count, the whole to 1."""
    rows = counts.sum(1)
    filled = torch.where((rows == 0)[:, None], torch.diag(totals), counts).to(torch.float64)
    scale = totals / filled.sum(1).clamp_min(1.0)
    joint = filled * scale[:, None]
    return joint / joint.sum()


def noise_rate(found: Confident, labels: Tensor, *, seed: int = 0, draws: int = DRAWS) -> Number:
    """The estimated share of wrong labels, with the interval of a seeded bootstrap over the images.

    Thresholds are held fixed. What the interval covers is chance among the images, not the nets' own mistakes: images
    that they confuse count as wrong labels, so on hard data the estimate is too high.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife" (here the multinomial one, on the counts).
    """
    classes, n = len(found.thresholds), len(labels)
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    cells = torch.where(found.true >= 0, labels * (classes + 1) + found.true, labels * (classes + 1) + classes)
    kinds, each = torch.unique(cells, return_inverse=True)
    sizes = torch.bincount(each)
    row, column = kinds // (classes + 1), kinds % (classes + 1)
    rng, rates = Rng(seed, "checks/confident"), []
    for draw in range(draws):
        chosen = each[rng.integers(torch.tensor([draw]), (n,), high=n)[0]]
        drawn = torch.bincount(chosen, minlength=len(sizes))
        totals = torch.zeros(classes, dtype=torch.int64).index_add(0, row, drawn)
        inside = column < classes
        counts = torch.zeros(classes * classes, dtype=torch.int64)
        counts = counts.index_add(0, row[inside] * classes + column[inside], drawn[inside])
        rates.append(_off_diagonal(calibrated(counts.reshape(classes, classes), totals)))
    low, high = torch.tensor(rates, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    value = found.noise
    return Number(
        value, min(max(0.0, float(low)), value), max(min(1.0, float(high)), value), n, "95 % by a bootstrap over images"
    )


def pruned(found: Confident, probabilities: Tensor, labels: Tensor, *, by: Pruning = "both") -> Tensor:
    """Rows whose labels confident learning calls wrong, ascending.

    ``class``: of each class as many as the joint says are mislabelled, those of the lowest probability of their label.
    ``noise rate``: for each pair of label and true class as many as the joint says, those in which the true class leads
    most. ``both``: what the two agree on. Counts are rounded down; of equal images the first are taken.

    Source: Northcutt et al. 2021, section 3.2, methods 3 to 5.
    """
    check(probabilities, labels)
    p, n = probabilities.to(torch.float64), len(labels)
    if by == "both":
        first, second = (pruned(found, p, labels, by=each) for each in ("class", "noise rate"))
        return first[torch.isin(first, second)]
    if by not in {"class", "noise rate"}:
        raise UnknownNameError("way of pruning", by, ["class", "noise rate", "both"])
    wrong = torch.zeros(n, dtype=torch.bool)
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().reshape(-1)
        expected = n * found.joint[label]
        if by == "class":
            count = math.floor(float(expected.sum() - expected[label]) + 1e-9)
            wrong[rows[p[rows, label].argsort(stable=True)[:count]]] = True
            continue
        for true in (expected.floor() > 0).nonzero().reshape(-1).tolist():
            count = math.floor(float(expected[true]) + 1e-9) if true != label else 0
            lead = p[rows, true] - p[rows, label]
            wrong[rows[lead.argsort(descending=True, stable=True)[:count]]] = True
    return wrong.nonzero().reshape(-1)


def _off_diagonal(joint: Tensor) -> float:
    return float((joint - torch.diag(joint.diagonal())).sum())


def self_confidence(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Probability of the label that each image has, (N,) float64 in [0, 1]."""
    return probabilities.to(torch.float64).gather(1, labels[:, None])[:, 0]


def normalised_margin(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Probability of the label minus that of the best other class, brought from [-1, 1] to [0, 1]."""
    p = probabilities.to(torch.float64)
    others = p.scatter(1, labels[:, None], -math.inf).amax(1)
    return (1.0 + self_confidence(p, labels) - others) / 2.0


def weighted_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Confidence-weighted entropy, as a quality: 1 / (1 + entropy / log K / self-confidence), (N,) in [0, 1].

    The paper's score is the entropy over the self-confidence, high where a label is suspect; this falls with it.
    """
    p = probabilities.to(torch.float64)
    entropy = -torch.xlogy(p, p).sum(1).clamp_max(-0.0) / math.log(p.shape[1])
    own = self_confidence(p, labels)
    return own / (own + entropy.abs()).clamp_min(torch.finfo(torch.float64).tiny)


# Source of the three: Kuan & Mueller 2022, "Model-agnostic label quality scoring to detect real-world label errors",
# section 3; a high quality means a label to be trusted
SCORES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "self-confidence": self_confidence,
        "normalised margin": normalised_margin,
        "confidence-weighted entropy": weighted_entropy,
    }
)


def check(probabilities: Tensor, labels: Tensor) -> None:
    """Probabilities (N, K) that sum to 1 with one label each; `StriateError` otherwise."""
    if probabilities.dim() != 2 or probabilities.shape[1] < 2 or labels.shape != probabilities.shape[:1]:
        raise StriateError(
            f"probabilities {tuple(probabilities.shape)} and labels {tuple(labels.shape)}",
            accepted="(N, K) and (N,), at least 2 classes",
        )
    sums = probabilities.sum(1)
    bad = ~((sums - 1).abs() < 1e-3) | ~(probabilities >= 0).all(1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise StriateError(f"row {row} is no distribution: it sums to {float(sums[row]):.4g}", accepted="probabilities")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= probabilities.shape[1]):
        raise StriateError(
            f"labels from {int(labels.min())} to {int(labels.max())}", accepted=f"0 to {probabilities.shape[1] - 1}"
        )
