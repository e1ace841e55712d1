"""Precision, recall and F1 over all classes: counts pooled, classes alike, or classes by support."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .confusion import multinomial_interval
from .intervals import wilson

LEAST = 5  # images of a class from which the delta method can tell how sure its figures are


@dataclass(frozen=True)
class ClassAverage:
    """Precision, recall and F1, averaged in one way."""

    precision: Number
    recall: Number
    f1: Number


def micro_average(matrix: Tensor) -> ClassAverage:
    """Counts of all classes pooled; with one label an image all three are the accuracy."""
    right = wilson(int(matrix.diagonal().sum()), int(matrix.sum()))
    return ClassAverage(right, right, right)


def macro_average(matrix: Tensor) -> ClassAverage:
    """Classes weigh alike; those absent from labels and predictions alike are left out, as scikit-learn does.

    There is none where a class has fewer than `LEAST` images: the delta method then takes a class that was once right
    for one that always is. A class that is never predicted counts with precision 0, one without labels with recall 0;
    ``why`` says so. Intervals by the delta method.

    Source: Takahashi, Yamamoto, Kuchiba & Koyama 2022, "Confidence interval for micro-averaged F1 and macro-averaged
    F1 scores", section 3. F1 is the mean of the classes' F1, not the F1 of the means (Opitz & Burst 2019).
    """
    return _average(matrix, by_support=False)


def weighted_average(matrix: Tensor) -> ClassAverage:
    """Classes weigh by their support; the recall is then the accuracy."""
    return _average(matrix, by_support=True)


def macro_f_beta(matrix: Tensor, beta: float) -> Number:
    """F-beta of `Counts`, classes weighing alike, those absent left out; over pooled counts it is the accuracy."""
    return _average(matrix, by_support=False, beta=beta).f1


def weighted_f_beta(matrix: Tensor, beta: float) -> Number:
    """F-beta of `Counts`, classes weighing by their support."""
    return _average(matrix, by_support=True, beta=beta).f1


def _average(matrix: Tensor, *, by_support: bool, beta: float = 1.0) -> ClassAverage:
    """Precision, recall, and F-beta in the place of F1."""
    if not 0 <= beta < math.inf:
        raise StriateError(f"beta is {beta}", accepted="a number of at least 0")
    n = int(matrix.sum())
    if n == 0:
        nothing = Number(None, n=0, why="0/0: no images")
        return ClassAverage(nothing, nothing, nothing)
    shares = matrix.to(torch.float64) / n
    hits, rows, columns = shares.diagonal(), shares.sum(1), shares.sum(0)
    occurs = (rows + columns) > 0
    weights = rows if by_support else occurs.to(torch.float64) / int(occurs.sum())
    absent, unpredicted, unlabelled = (
        int(each.sum()) for each in (~occurs, (columns == 0) & occurs, (rows == 0) & occurs)
    )
    left_out = f"{absent} absent from labels and predictions left out" if absent else ""
    no_precision = f"{unpredicted} never predicted, with precision 0" if unpredicted else ""
    no_recall = f"{unlabelled} without labels, with recall 0" if unlabelled and not by_support else ""
    precision, recall = _share(hits, columns), _share(hits, rows)
    # (1 + b^2) TP + b^2 FN + FP is b^2 times the row and once the column
    weight = beta * beta
    both = weight * rows + columns
    f_beta = _share((1 + weight) * hits, both)
    square = torch.eye(len(shares), dtype=torch.float64)
    rare = int((occurs & (matrix.sum(1) < LEAST)).sum())

    def figure(values: Tensor, by_hit: Tensor, by_row: Tensor, by_column: Tensor, *words: str) -> Number:
        # the derivative by share (i, j): through the hit where i = j, through row i, through column j, and by weight
        slope = square * (weights * by_hit) + (weights * by_row)[:, None] + (weights * by_column)[None, :]
        if by_support:
            slope = slope + values[:, None]
        value = float((weights * values).sum())
        number = multinomial_interval(value, shares, slope, n, floor=0.0)
        if rare:
            number = Number(value, n=n, why=f"no interval: {rare} classes of fewer than {LEAST} images")
        said = [number.why, *(word for word in words if word)]
        return Number(number.value, number.low, number.high, n, "; classes: ".join(said) if len(said) > 1 else said[0])

    zero = torch.zeros_like(hits)
    return ClassAverage(
        figure(precision, _share(1, columns), zero, -_share(precision, columns), left_out, no_precision),
        micro_average(matrix).recall
        if by_support
        else figure(recall, _share(1, rows), -_share(recall, rows), zero, left_out, no_recall),
        figure(f_beta, _share(1 + weight, both), -weight * _share(f_beta, both), -_share(f_beta, both), left_out),
    )


def _share(above: Tensor | float, below: Tensor) -> Tensor:
    return torch.where(below > 0, torch.as_tensor(above, dtype=torch.float64) / below.clamp_min(1e-300), 0.0)
