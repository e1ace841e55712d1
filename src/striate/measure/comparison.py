"""Several nets on the same images: paired tests, agreement, images on which they contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.calibration import Reliability
from striate.metrics.intervals import wilson
from striate.metrics.mean import mean_interval
from striate.metrics.paired import mcnemar
from striate.metrics.significance import holm
from striate.metrics.topk import top_k_accuracy

from .compared import ComparedNet, ComparedPair, Comparison, Disagreement
from .table import Table

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

MOST = 200
ALPHA = 0.01  # over all pairs


def compare_tables(names: Sequence[str], tables: Sequence[Table], data: Dataset, *, seed: int = 0) -> Comparison:
    """Nets compared by their predictions of the same images; what they cost is not known here.

    Raises:
        StriateError: Fewer than two tables, or tables of other images or labels.
    """
    if len(tables) < 2:
        raise StriateError(f"{len(tables)} net is given to compare", accepted="two or more")
    first = tables[0]
    for name, table in zip(names[1:], tables[1:], strict=True):
        if not torch.equal(table.ids, first.ids) or _labels(table) != _labels(first):
            raise StriateError(
                f"{names[0]} and {name} were measured on other images or labels",
                accepted="nets with the same classes, measured on the same images",
            )
    correct = torch.stack([table.correct for table in tables])
    n = len(first)
    return Comparison(
        kind="nets",
        data=(f"{data.name}, {data.split}",),
        nets=tuple(_row(name, table, seed) for name, table in zip(names, tables, strict=True)),
        pairs=_pairs(names, tables),
        disagreements=_disagreements(tables, correct, data),
        at_least_one=wilson(int(correct.any(0).sum()), n),
        all_right=wilson(int(correct.all(0).sum()), n),
    )


def _labels(table: Table) -> list[str]:
    return [table.names[label] for label in table.labels.tolist()]


def _row(name: str, table: Table, seed: int) -> ComparedNet:
    classes, n = table.logits.shape[1], len(table)
    few = Number.missing(f"{classes} classes: the label is among the five highest of so few with little merit")
    return ComparedNet(
        name=name,
        n=n,
        accuracy=wilson(int(table.correct.sum()), n),
        top5=few if classes < 6 else top_k_accuracy(table.logits, table.labels, 5),
        loss=_mean(table.losses),
        ece=Reliability.empty().update(table.confidence, table.correct).compute(seed=seed),
    )


def _mean(values: Tensor) -> Number:
    if not bool(values.isfinite().all()):
        return Number(None, n=len(values), why="infinite: a label was given probability 0")
    return mean_interval(values)


def _pairs(names: Sequence[str], tables: Sequence[Table]) -> tuple[ComparedPair, ...]:
    both = list(combinations(range(len(tables)), 2))
    tests = [mcnemar(tables[a].correct, tables[b].correct) for a, b in both]
    chances = holm([test.p for test in tests])
    made = []
    for (a, b), test, p in zip(both, tests, chances, strict=True):
        said = [[tables[each].names[k] for k in tables[each].predicted.tolist()] for each in (a, b)]
        same = sum(one == other for one, other in zip(*said, strict=True))
        gap = float(test.difference)
        made.append(
            ComparedPair(
                a=names[a],
                b=names[b],
                only_a=test.only_a,
                only_b=test.only_b,
                both=test.both,
                neither=test.neither,
                agreement=wilson(same, len(said[0])),
                difference=test.difference,
                loss=_mean(tables[a].losses - tables[b].losses),
                p=p,
                better="" if p >= ALPHA or math.isnan(gap) else names[a] if gap > 0 else names[b],
            )
        )
    return tuple(made)


def _disagreements(tables: Sequence[Table], correct: Tensor, data: Dataset) -> tuple[Disagreement, ...]:
    """Images that some nets have right and some wrong; first where both sides are surest."""
    confidence = torch.stack([table.confidence for table in tables])
    split = (correct.any(0) & ~correct.all(0)).nonzero()[:, 0]
    right, wrong = correct[:, split], ~correct[:, split]
    sure = confidence[:, split]
    contradiction = (sure * right).amax(0) * (sure * wrong).amax(0) if len(split) else sure.new_zeros(0)
    order = split[torch.sort(contradiction, descending=True, stable=True).indices[:MOST]]
    first = tables[0]
    return tuple(
        Disagreement(
            row=int(first.rows[place]),
            name=data.name_of(int(first.rows[place])),
            label=first.names[int(first.labels[place])],
            said=tuple(table.names[int(table.predicted[place])] for table in tables),
            confidence=tuple(min(float(each), 1.0) for each in confidence[:, place]),
            right=tuple(bool(each) for each in correct[:, place]),
        )
        for place in order.tolist()
    )
