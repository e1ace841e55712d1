"""Labels that look wrong, from the predictions of a net that was not trained on these images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.number import Number
from striate.metrics.intervals import wilson_bounds

from .payload import LabelNoise, Suspect
from .table import Table, in_slices

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

MOST = 200
CELLS = 1 << 21  # logits on which noise is fitted; of a larger table every so many rows
HALVINGS = 40
RATIO = (math.sqrt(5) - 1) / 2
HOTTEST, COLDEST = 32.0, 0.125  # temperatures that are searched


@dataclass(frozen=True, eq=False)
class Doubted:
    """Images whose label the net contradicts with certainty.

    Attributes:
        rows: Places in the table, the most suspect first, int64.
        suggested: Class that each looks like.
        quality: Half of 1 + probability of the label - probability of the suggested class, in [0, 1].
        confidence: Probability of the suggested class.
    """

    rows: Tensor
    suggested: Tensor
    quality: Tensor
    confidence: Tensor


def doubted_labels(table: Table) -> Doubted:
    """Confident learning on a table of predictions out of sample.

    The net is certain of a class where it gives it at least the mean probability that images labelled so get. An image
    is doubted where the likeliest such class is not its label.

    Source: Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", section
    3.1 (the confident joint), ranked by normalised margin (section 3.2).
    """
    classes = table.logits.shape[1]
    sums, counts = torch.zeros(classes, dtype=torch.float64), torch.bincount(table.labels, minlength=classes)
    for part in in_slices(table.logits):
        labels = table.labels[part]
        own = torch.softmax(table.logits[part].to(torch.float64), 1).gather(1, labels[:, None])[:, 0]
        sums.scatter_add_(0, labels, own)
    thresholds = torch.where(counts > 0, sums / counts.clamp_min(1), torch.inf)
    rows, suggested, quality, confidence = [], [], [], []
    for part in in_slices(table.logits):
        labels = table.labels[part]
        p = torch.softmax(table.logits[part].to(torch.float64), 1)
        sure = p >= thresholds
        best = torch.where(sure, p, -1.0).argmax(1)
        at = (sure.any(1) & (best != labels)).nonzero()[:, 0]
        of_best, of_label = p[at, best[at]], p[at, labels[at]]
        rows.append(at + part.start)
        suggested.append(best[at])
        confidence.append(of_best)
        quality.append((1 + of_label - of_best) / 2)
    order = torch.sort(torch.cat(quality), stable=True).indices
    return Doubted(
        torch.cat(rows)[order], torch.cat(suggested)[order], torch.cat(quality)[order], torch.cat(confidence)[order]
    )


def label_noise(table: Table) -> LabelNoise:
    """The share of labels that look drawn blindly, fitted together with one temperature, and whether it could be 0.

    Labels are taken to come from ``(1 - e) softmax(logits / T) + e / K``. A net that is merely too sure is mended by
    T; labels that are wrong leave a floor under the loss of the surest images, which no T makes and which e is. A net
    that is certain and wrong on images unlike those it was trained on shows the same, which figures cannot tell apart.

    Source: the likelihood ratio of a share at its boundary, Self & Liang 1987, "Asymptotic properties of maximum
    likelihood estimators and likelihood ratio tests under nonstandard conditions", case 5.
    """
    n, classes = table.logits.shape
    step = max(1, -(-n * classes // CELLS))
    logits, labels = table.logits[::step].to(torch.float64), table.labels[::step]
    if classes < 2 or len(labels) < 2 or not bool(logits.isfinite().all()):
        return LabelNoise(Number(None, n=len(labels), why="too few images or classes to tell"), 1.0)

    def own(log_heat: float) -> Tensor:
        scaled = logits / math.exp(log_heat)
        return (scaled.gather(1, labels[:, None])[:, 0] - torch.logsumexp(scaled, 1)).exp()

    def alone(log_heat: float) -> float:
        return float(own(log_heat).clamp_min(1e-300).log().sum())

    def mixed(log_heat: float) -> float:
        p = own(log_heat)
        return _likelihood(p, _share(p, classes), classes)

    plain = alone(_highest(alone))
    heat = _highest(mixed)
    p = own(heat)
    share = _share(p, classes)
    gain = max(0.0, 2 * (_likelihood(p, share, classes) - plain))
    chance = math.erfc(math.sqrt(gain / 2)) / 2 if gain else 1.0  # half of a chi-square with one degree of freedom
    rate = share * (classes - 1) / classes  # a label drawn blindly is right once in K times
    low, high = wilson_bounds(rate * len(labels), len(labels))
    why = "95 % by Wilson, as if the wrong labels had been counted"
    return LabelNoise(Number(rate, low, high, len(labels), why), chance)


def label_suspects(table: Table, data: Dataset, doubted: Doubted) -> tuple[Suspect, ...]:
    """The most doubted labels, at most `MOST`, with the names of images and classes."""
    found = zip(
        doubted.rows[:MOST].tolist(),
        doubted.suggested[:MOST].tolist(),
        doubted.quality[:MOST].tolist(),
        doubted.confidence[:MOST].tolist(),
        strict=True,
    )
    made = []
    for place, suggested, quality, confidence in found:
        row, label = int(table.rows[place]), int(table.labels[place])
        made.append(
            Suspect(
                row=row,
                split=data.split,
                name=data.name_of(row),
                label=label,
                label_name=table.names[label],
                suggested=suggested,
                suggested_name=table.names[suggested],
                quality=min(max(quality, 0.0), 1.0),
                confidence=min(confidence, 1.0),
            )
        )
    return tuple(made)


def _likelihood(p: Tensor, share: float, classes: int) -> float:
    return float(((1 - share) * p + share / classes).clamp_min(1e-300).log().sum())


def _share(p: Tensor, classes: int) -> float:
    """The likeliest share of blind labels for these probabilities of the labels: the likelihood is concave in it."""
    gain = 1 / classes - p
    if float((gain / p.clamp_min(1e-300)).sum()) <= 0:
        return 0.0
    low, high = 0.0, 1.0 - 1e-9
    for _ in range(HALVINGS):
        share = (low + high) / 2
        slope = float((gain / ((1 - share) * p + share / classes)).sum())
        low, high = (share, high) if slope > 0 else (low, share)
    return (low + high) / 2


def _highest(function: Callable[[float], float]) -> float:
    """The logarithm of the temperature at which a function with one top is highest, by the golden section."""
    low, high = math.log(COLDEST), math.log(HOTTEST)
    left, right = high - RATIO * (high - low), low + RATIO * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-4:
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - RATIO * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + RATIO * (high - low)
            at_right = function(right)
    return (low + high) / 2
