"""The confusion matrix, and what it says of all classes together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .intervals import normal_interval


def confusion_matrix(labels: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Counts, shape (classes, classes), int64: rows are labels, columns predictions.

    Raises:
        StriateError: The two differ in length, or hold a class outside ``range(classes)``.
    """
    if labels.shape != predicted.shape or labels.dim() != 1:
        raise StriateError(
            f"labels have shape {tuple(labels.shape)} and predictions {tuple(predicted.shape)}",
            accepted="two vectors of one length",
        )
    for name, values in (("labels", labels), ("predictions", predicted)):
        if values.is_floating_point() or values.is_complex():
            raise StriateError(f"{name} are {values.dtype}", accepted="class numbers (integers)")
        if values.numel() and (int(values.min()) < 0 or int(values.max()) >= classes):
            raise StriateError(
                f"{name} go from {int(values.min())} to {int(values.max())}", accepted=f"0 to {classes - 1}"
            )
    cells = labels.to(torch.int64) * classes + predicted.to(torch.int64)
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix that grows batch by batch; every update gives a new value."""

    counts: Tensor

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """Nothing counted yet."""
        return cls(torch.zeros(classes, classes, dtype=torch.int64))

    def update(self, labels: Tensor, predicted: Tensor) -> Confusion:
        """With these images added."""
        return Confusion(self.counts + confusion_matrix(labels.cpu(), predicted.cpu(), len(self.counts)))

    def merge(self, other: Confusion) -> Confusion:
        """Both counted together."""
        return Confusion(self.counts + other.counts)

    def compute(self) -> Tensor:
        """The counts, rows are labels."""
        return self.counts


def one_against_rest(matrix: Tensor) -> list[tuple[int, int, int, int]]:
    """True positives, false positives, false negatives, true negatives of each class."""
    hits, rows, columns = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    total = int(matrix.sum())
    each = zip(hits.tolist(), rows.tolist(), columns.tolist(), strict=True)
    return [(hit, column - hit, row - hit, total - row - column + hit) for hit, row, column in each]


def kappa(matrix: Tensor) -> Number:
    """Cohen's kappa in [-1, 1]: agreement of labels and predictions beyond what their marginals give by chance.

    The interval comes from the multinomial spread of the matrix.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales"; standard error of Fleiss, Cohen & Everitt 1969.
    """
    n = int(matrix.sum())
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    shares = matrix.to(torch.float64) / n
    rows, columns = shares.sum(1), shares.sum(0)
    observed, expected = float(shares.diagonal().sum()), float(rows @ columns)
    if expected == 1:
        return Number(None, n=n, why="0/0: labels and predictions are all one class")
    value = (observed - expected) / (1 - expected)
    slope = torch.eye(len(shares), dtype=torch.float64) * (1 - expected)
    slope = (slope - (columns[:, None] + rows[None, :]) * (1 - observed)) / (1 - expected) ** 2
    return multinomial_interval(value, shares, slope, n)


def matthews(matrix: Tensor) -> Number:
    """Matthews correlation of any number of classes, at most 1; with two it is that of `Counts`.

    It is the correlation of the one-hot labels with the one-hot predictions; the least it can be lies between -1 and 0
    and depends on the marginals. The interval comes from the multinomial spread of the matrix.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".
    Where the others write 0 for labels or predictions all of one class, here stands no value.
    """
    n = int(matrix.sum())
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    if int((matrix.sum(1) > 0).sum()) < 2 or int((matrix.sum(0) > 0).sum()) < 2:
        return Number(None, n=n, why="0/0: labels or predictions are all of one class")
    shares = matrix.to(torch.float64) / n
    rows, columns = shares.sum(1), shares.sum(0)
    of_labels, of_predictions = 1 - float(rows.square().sum()), 1 - float(columns.square().sum())
    root = math.sqrt(of_labels * of_predictions)
    value = (float(shares.diagonal().sum()) - float(rows @ columns)) / root
    slope = torch.eye(len(shares), dtype=torch.float64) - columns[:, None] - rows[None, :]
    slope = slope / root + value * (columns[None, :] / of_predictions + rows[:, None] / of_labels)
    return multinomial_interval(min(max(value, -1.0), 1.0), shares, slope, n)


def multinomial_interval(value: float, shares: Tensor, slope: Tensor, n: int, *, floor: float = -1.0) -> Number:
    """A figure of a confusion matrix with the interval of the delta method; no interval where that has no width.

    ``slope`` is the figure's derivative by each of the ``shares``, which sum to 1; the figure lies in [floor, 1].

    Source: Agresti 2013, "Categorical data analysis", section 16.1.
    """
    mean = float((shares * slope).sum())
    # squares of what is left of the mean: a difference of large squares would leave rounding for a spread
    error = math.sqrt(float((shares * (slope - mean).square()).sum()) / n)
    if error < 1e-9:
        return Number(value, n=n, why="no interval: the delta method gives it no width here")
    found = normal_interval(value, error, n, why="95 % by the delta method")
    return Number(value, max(found.low or 0.0, floor), min(found.high or 0.0, 1.0), n, found.why)
