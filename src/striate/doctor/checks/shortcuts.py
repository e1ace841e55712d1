"""Checks of what an input tells of its label without being looked at: one value that gives it away."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check

COLUMNS = 12_000  # values of an input that are looked at one by one; of larger ones all borders, and some within


def columns(x: Tensor) -> Tensor:
    """Values of inputs (n, ...) as columns (n, d); of large pictures the borders and an even choice of the rest."""
    flat = x.float().flatten(1)
    if flat.shape[1] <= COLUMNS:
        return flat
    parts = [flat[:, :: 1 + flat.shape[1] // (COLUMNS // 2)]]
    if x.dim() == 4:
        edges = (x[..., 0, :], x[..., -1, :], x[..., :, 0], x[..., :, -1])
        parts += [each.float().flatten(1)[:, : COLUMNS // 8] for each in edges]
    return torch.cat(parts, 1)


def told_by_order(x: Tensor, labels: Tensor) -> tuple[float, int]:
    """The largest share of rows that, in the order of one column, are followed by one of their class; and its column.

    Where the label is that column, it is 1 less the number of classes over that of rows; equal values stand as drawn.
    """
    ordered = labels[x.argsort(dim=0, stable=True)]
    same = (ordered[1:] == ordered[:-1]).float().mean(0)
    return float(same.max()), int(same.argmax())


def told_by_bound(x: Tensor, labels: Tensor) -> int:
    """For how many classes one column has a bound beyond which lie all of the class and none of the others."""
    found = 0
    for each in range(int(labels.max()) + 1):
        mine = labels == each
        if int(mine.sum()) >= 10 and bool((~mine).any()):
            inside, outside = x[mine], x[~mine]
            above, below = inside.amin(0) > outside.amax(0), inside.amax(0) < outside.amin(0)
            found += bool((above | below).any())
    return found


@check(
    "label-in-input",
    what="one value of the input gives the label away",
    why="the model reads that value and learns nothing of the image; where it lacks, nothing is left",
    phase="data",
    needs=("train", "labels", "images"),
    symptom="good",
    mend="Look for a mark that goes with the class (a border, a stamp, the label's own column in a table) and crop "
    "it or make it alike.",
    thresholds=(
        Threshold(
            "rows followed by their own class in the order of one value",
            0.9,
            "healthy images of 3 classes: .78, of 10: .26",
        ),
        Threshold("share of classes that one value sets apart", 0.6, "healthy images: none"),
    ),
    cost="one sort of every value of at most 1,000 inputs",
    source="Geirhos et al. 2020, 'Shortcut learning in deep neural networks'; Lapuschkin et al. 2019, 'Clever Hans'",
    else_=("images that are made up so that one pixel is the class",),
    leads_to=("too-good",),
)
def label_in_input(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x, y = columns(train.x[:600]), train.labels[:600]
    classes = int((torch.bincount(y) >= 10).sum())
    if classes < 3 or len(y) < 100 or not bool(x.isfinite().all()):
        return
    share, column = told_by_order(x, y)
    apart = told_by_bound(x, y)
    if share > limits["rows followed by their own class in the order of one value"]:
        said = (
            f"In the order of one value (number {column:,}) {share:.0%} of the images are followed by their own class."
        )
    elif apart >= limits["share of classes that one value sets apart"] * classes:
        said = f"For {apart} of {classes} classes one value sets all images of the class apart from all others."
    else:
        return
    yield Seen(
        said,
        sure=0.9,
        evidence=(
            Evidence("rows followed by their own class in the order of one value", Number.of(share), limit="below .9"),
            Evidence("classes that one value sets apart", Number.of(float(apart)), limit=f"below {0.6 * classes:.0f}"),
        ),
        subject="train",
        images=("training images", train.x[:16]),
    )
