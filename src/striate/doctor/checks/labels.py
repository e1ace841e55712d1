"""Checks of labels: shuffled, shifted, noisy, missing, unequal in number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Check, Limits, Seen, Threshold, check

NEIGHBOURS = 5


def nearest(x: Tensor, among: Tensor, count: int, *, same: bool) -> Tensor:
    """Rows (n, count) of the nearest of ``among`` (m, d) to each of ``x`` (n, d); ``same`` leaves out itself."""
    distance = torch.cdist(x, among)
    if same:
        distance.fill_diagonal_(math.inf)
    return distance.topk(min(count, len(among) - same), largest=False).indices


def voted(labels: Tensor, neighbours: Tensor, classes: int) -> Tensor:
    """The class (n,) that most of the neighbours have."""
    return torch.nn.functional.one_hot(labels[neighbours], classes).sum(1).argmax(1)


@check(
    "labels-shuffled",
    what="labels have nothing to do with the inputs",
    why="nothing but the frequencies of the classes can be learnt; a large net learns the images by heart",
    phase="data",
    needs=("train", "labels"),
    symptom="flat",
    mend="Look at how inputs and labels are joined: sort, shuffle, filter and index both with the same rows.",
    code="order = torch.randperm(len(x)); x, y = x[order], y[order]  # one order for both",
    thresholds=(
        Threshold("standard errors above chance of the vote of 5 neighbours", 4.0, "one healthy set-up in 30,000"),
    ),
    cost="one table of distances between at most 1,000 inputs of 16 x 16",
    source="Cover & Hart 1967, the nearest neighbour's error",
    else_=("inputs in which nearness says nothing about the class", "a task that is hard for any method"),
)
def labels_shuffled(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    x, y = case.train.flat, case.train.labels
    classes = int(y.max()) + 1
    counts = torch.bincount(y, minlength=classes).float()
    if len(y) < 60 or int((counts > 0).sum()) < 2 or not bool(x.isfinite().all()) or float(x.std()) == 0:
        return
    right = float((voted(y, nearest(x, x, NEIGHBOURS, same=True), classes) == y).float().mean())
    chance = float(counts.max() / len(y))
    limit = limits["standard errors above chance of the vote of 5 neighbours"]
    bound = chance + limit * math.sqrt(chance * (1 - chance) / len(y))
    if right < bound:
        yield Seen(
            f"The label of an input is no likelier than chance that of its neighbours: {right:.1%} right, "
            f"{chance:.1%} by naming one class.",
            evidence=(
                Evidence("right by 5 neighbours", Number.of(right), limit=f"below {bound:.3f} (chance and 4 errors)"),
            ),
            sure=0.9,
        )


CHECKS: tuple[Check, ...] = (labels_shuffled,)
