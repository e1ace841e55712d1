"""Curves over every threshold, and how to draw them with few points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError


@dataclass(frozen=True)
class RocCurve:
    """True against false positive rate at every distinct threshold: an image is called positive at or above it.

    Attributes:
        thresholds: Falling, shape (T,), float64; the first is infinite: nothing is called positive.
        false_positive_rate: FP / (FP + TN) at each, rising from 0 to 1.
        true_positive_rate: TP / (TP + FN) at each, rising from 0 to 1.
        positives: Images of the class.
        negatives: The others.
        why: Why there is no curve (its vectors are then empty), or nothing.
    """

    thresholds: Tensor
    false_positive_rate: Tensor
    true_positive_rate: Tensor
    positives: int
    negatives: int
    why: str = ""

    @property
    def area(self) -> float:
        """Area under the straight lines between the points; NaN where there is no curve."""
        if self.why:
            return float("nan")
        return float(torch.trapezoid(self.true_positive_rate, self.false_positive_rate))

    def thin(self, most: int = 200) -> RocCurve:
        """At most so many of the points, the ends among them; the area moves by at most 1 / ``most``.

        Points on a straight line go first, which changes nothing. Where that is not enough the way along the curve
        is cut into ``most // 2`` pieces, and each keeps its first and its last point.

        Raises:
            StriateError: ``most`` is below 4.
        """
        _check_most(most)
        x, y = self.false_positive_rate, self.true_positive_rate
        if len(x) < 3:
            return self
        # the rates are counts over their totals: whole numbers say exactly which points lie on a line
        across, up = (x * self.negatives).round().diff(), (y * self.positives).round().diff()
        bends = across[:-1] * up[1:] != across[1:] * up[:-1]
        corners = torch.cat([torch.tensor([True]), bends, torch.tensor([True])]).nonzero()[:, 0]
        way = (x + y)[corners]
        return self._only(corners[kept_along(way, most)])

    def _only(self, rows: Tensor) -> RocCurve:
        return replace(
            self,
            thresholds=self.thresholds[rows],
            false_positive_rate=self.false_positive_rate[rows],
            true_positive_rate=self.true_positive_rate[rows],
        )


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision against recall at every distinct threshold: an image is called positive at or above it.

    Attributes:
        thresholds: Falling, shape (T,), float64.
        precision: TP / (TP + FP) at each.
        recall: TP / (TP + FN) at each, rising to 1.
        positives: Images of the class.
        negatives: The others.
        area: Precision times what each threshold adds to recall, summed over all thresholds, thinned or not; NaN
            where there is no curve. Precision between two points does not lie on the straight line between them
            (Davis & Goadrich 2006), so none is drawn.
        why: Why there is no curve (its vectors are then empty), or nothing.
    """

    thresholds: Tensor
    precision: Tensor
    recall: Tensor
    positives: int
    negatives: int
    area: float
    why: str = ""

    @property
    def way(self) -> float:
        """Length of the curve: its recall plus every rise and fall of its precision."""
        return float(self._along()[-1]) if len(self.recall) else 0.0

    def thin(self, most: int = 200) -> PrecisionRecallCurve:
        """At most so many of the points, the ends among them, for drawing; `area` stays that of all points.

        The way along the curve is cut into ``most // 2`` pieces, and each keeps its first and its last point: one
        that is left out is no further from a kept one than such a piece is long, in recall plus precision.

        Raises:
            StriateError: ``most`` is below 4.
        """
        _check_most(most)
        if len(self.recall) < 3:
            return self
        rows = kept_along(self._along(), most)
        return replace(self, thresholds=self.thresholds[rows], precision=self.precision[rows], recall=self.recall[rows])

    def _along(self) -> Tensor:
        climbs = self.precision.diff().abs().cumsum(0)
        return self.recall + torch.cat([torch.zeros(1, dtype=torch.float64), climbs])


def kept_along(way: Tensor, most: int) -> Tensor:
    """Rows of a curve to keep: all, or the first and last in each of ``most // 2`` equal pieces of the rising way."""
    if len(way) <= most:
        return torch.arange(len(way))
    pieces = most // 2
    start, length = way[0], (way[-1] - way[0]).clamp_min(1e-300)
    piece = ((way - start) / length * pieces).floor().clamp(0, pieces - 1)
    new = piece.diff() > 0
    edge = torch.tensor([True])
    return (torch.cat([edge, new]) | torch.cat([new, edge])).nonzero()[:, 0]


def _check_most(most: int) -> None:
    if most < 4:
        raise StriateError(f"most is {most}", accepted="a whole number of at least 4")
