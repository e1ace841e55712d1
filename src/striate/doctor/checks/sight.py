"""Checks of what lies in sight and should not: files of the other split, the next symbol; and of what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import unnoticed
from ..start import Start

LISTS = ("samples", "imgs", "paths", "files", "image_paths", "filenames", "file_list", "images")
MOVED = 1e-4  # change of an output, in deviations of all, that is more than rounding


def sources(given: Any) -> frozenset[Any]:
    """What the items of a data set come from: rows of data that are divided, or files; empty where that is unknown."""
    data = given.dataset if isinstance(given, DataLoader) else given
    rows: list[int] | None = None
    while isinstance(data, Subset):
        inner = [int(each) for each in data.indices]
        rows = inner if rows is None else [inner[row] for row in rows]
        data = data.dataset
    listed = next((found for name in LISTS if (found := _paths(getattr(data, name, None)))), [])
    if listed:
        return frozenset(listed if rows is None else [listed[row] for row in rows])
    return frozenset() if rows is None else frozenset((id(data), row) for row in rows)


def _paths(given: Any) -> list[str]:
    """File names of a list of paths, or of pairs that begin with one."""
    if not isinstance(given, (list, tuple)) or not given:
        return []
    names = [each[0] if isinstance(each, (list, tuple)) and each else each for each in given]
    return [str(each) for each in names] if all(isinstance(each, (str, Path)) for each in names) else []


@check(
    "leak-same-items",
    what="training and test draw from the same files or rows",
    why="what is measured was learnt from, however it is cropped or changed when it is drawn",
    phase="data",
    needs=("train", "test"),
    symptom="good",
    mend="Divide the list of files or the row numbers once, before anything is drawn from either part.",
    code="train, test = torch.utils.data.random_split(data, [0.8, 0.2], generator=torch.Generator().manual_seed(0))",
    thresholds=(Threshold("share of the test items", 0.01, "one in a hundred moves no figure beyond its interval"),),
    source="Kaufman et al. 2012, Leakage in data mining, section 3",
    leads_to=("leak-exact", "leak-near", "too-good"),
)
def leak_same_items(case: Case, limits: Limits) -> Iterator[Seen]:
    mine, asked = sources(case.setup.train), sources(case.setup.test)
    both = sorted(mine & asked)
    if not both or len(both) / len(asked) < limits["share of the test items"]:
        return
    share = len(both) / len(asked)
    named = f", {Path(both[0]).name} among them" if isinstance(both[0], str) else ""
    yield Seen(
        f"{len(both):,} of {len(asked):,} test items are training items too{named}.",
        evidence=(Evidence("share of the test items", Number.of(share, n=len(asked)), limit="below .01"),),
        sure=1.0,
    )


def by_place(output: Tensor, x: Tensor) -> Tensor | None:
    """Scores of each place (n, T, V) from any of the usual layouts; None where there are none."""
    n, length = x.shape
    if output.dim() == 3 and output.shape[:2] == (n, length):
        return output
    if output.dim() == 3 and output.shape[0] == n and output.shape[2] == length:
        return output.transpose(1, 2)
    if output.dim() == 2 and output.shape[0] == n * length:
        return output.reshape(n, length, -1)
    return None


def sees_ahead(start: Start) -> float:
    """Largest change of an earlier place's scores, in their deviations, when the last symbol is another one."""
    x = start.x
    other = x.clone()
    other[:, -1] = x[:, 0].where(x[:, 0] != x[:, -1], x[:, x.shape[1] // 2])
    start.model.eval()
    with unnoticed(), torch.no_grad():
        first, second = (by_place(start.call(start.model, each), x) for each in (x, other))
    if first is None or second is None:
        return 0.0
    spread = float(first.float().std())
    return float((first - second)[:, :-1].float().abs().max()) / spread if spread > 0 else 0.0


@check(
    "future-in-sight",
    what="a model that is to tell the next symbol sees it",
    why="it copies what stands one place ahead: the loss falls to nothing, and nothing can be written with it",
    phase="start",
    needs=("start", "loss"),
    symptom="good",
    mend="Mask what lies ahead, or leave out the direction that runs backwards.",
    code="mask = nn.Transformer.generate_square_subsequent_mask(length); encoder(x, mask=mask, is_causal=True)",
    thresholds=(
        Threshold("share of targets that are the next input", 0.99, "arithmetic"),
        Threshold("change of earlier scores, in deviations", MOVED, "float32's rounding is a tenth of it"),
    ),
    cost="two passes forward",
    source="Vaswani et al. 2017, section 3.2.3",
    leads_to=("too-good",),
)
def future_in_sight(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    x = start.x
    target = None if start.graph is None else start.graph.target
    if target is None or x.dim() != 2 or x.is_floating_point() or x.shape[1] < 4 or target.numel() != x.numel():
        return
    moved = (target.reshape(x.shape)[:, :-1].to(x.device) == x[:, 1:]).float().mean()
    if float(moved) < limits["share of targets that are the next input"]:
        return
    change = sees_ahead(start)
    if change > limits["change of earlier scores, in deviations"]:
        yield Seen(
            f"Another last symbol changes the scores of earlier places by up to {change:.2g} deviations: the model "
            "sees the symbol that it is to tell.",
            evidence=(Evidence("change of earlier scores, in deviations", Number.of(change), limit="below .0001"),),
            sure=0.95,
        )


@check(
    "class-ignored",
    what="the loss leaves out a class that the data have",
    why="ignore_index is a number of a real class: its samples teach nothing",
    phase="start",
    needs=("train", "labels", "loss"),
    symptom="slow",
    mend="Give ignore_index a number that no class has, such as the default -100.",
    code="loss_fn = nn.CrossEntropyLoss()",
    thresholds=(Threshold("share of the labels", 0.01, "arithmetic; 'no label' is rarely the number of a class"),),
    else_=("class 0 that stands for 'unknown', left out on purpose",),
    leads_to=("underfitting", "predictions-collapsed", "plateau"),
)
def class_ignored(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    ignored = getattr(case.setup.loss_fn, "ignore_index", -100)
    y = case.train.labels
    if not isinstance(ignored, int) or ignored < 0 or ignored >= max(case.classes, 1):
        return
    share = float((y == ignored).float().mean())
    if share > limits["share of the labels"]:
        yield Seen(
            f"ignore_index is {ignored}, and {share:.0%} of the labels are {ignored}: these samples are left out.",
            severity="warning",
            sure=0.85,
            evidence=(Evidence("share of the labels", Number.of(share, n=len(y)), limit="below .01"),),
        )
