"""What learners say of every image without having seen it or its label: predictions out of sample, by folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.data.splits import folds as equal_folds
from striate.training.engine import exact

from .learner import Effort, Learner, brought_small, sampled, train_net, train_probe

FOLDS = 3
BUDGET = 240_000  # images that all nets together learn from, each counted at every meeting
FEW = 200  # images; below them a linear probe takes the place of the net


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Predictions for images that their net has not seen.

    Attributes:
        logits: (N, K) float32; all zero for a file that turned out to be unreadable.
        fold: (N,) int64, the fold in which each image was held out.
        learner: ``"net"``, or ``"probe"`` where there are few images.
        learnt: Images learnt from, each counted at every meeting.
        said: How it was done, in one sentence.
        again: Called with a fold and rows of other folds, gives the logits (n, K) of the learner that held this fold
            out, and so learnt from these very images; None where the learners are gone.
    """

    logits: Tensor
    fold: Tensor
    learner: str
    learnt: int
    said: str
    again: Callable[[int, Tensor], Tensor] | None = field(default=None, repr=False)


def out_of_sample(
    data: Dataset,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    budget: int = BUDGET,
    progress: Progress = SILENT,
    workers: int = 0,
) -> OutOfSample:
    """For every image the logits of a learner that was trained on the other folds alone, labels as they are.

    The folds hold every class in proportion, and no group is torn apart. `striate/small` is trained anew for each; the
    same seed gives the same logits (on one machine with as many threads). Larger images are brought to 64 or 32
    pixels.

    Args:
        data: Images with one label each.
        folds: How many.
        seed: Of folds, weights and order.
        budget: Images that all nets together learn from; few images are met at most 12 times by each net, and of very
            many only a sample is learnt from. Every image is predicted once beside.
        progress: How the work is shown.
        workers: Processes that decode what does not fit into memory.

    Raises:
        StriateError: Fewer than 2 folds, or more than images or groups; a budget below 1; labels of another kind.

    >>> from striate.data.load import load_data
    >>> out_of_sample(load_data("digits", split="test").limit(60)).logits.shape
    torch.Size([60, 10])
    """
    data.classified()
    return predicted_by_part(
        data, equal_folds(data, folds, seed=seed), seed=seed, budget=budget, progress=progress, workers=workers
    )


def predicted_by_part(
    data: Dataset,
    parts: tuple[Tensor, ...],
    *,
    seed: int = 0,
    budget: int = BUDGET,
    progress: Progress = SILENT,
    workers: int = 0,
) -> OutOfSample:
    """`out_of_sample` with folds that are given: the rows of each, disjoint and complete.

    What is predicted for a part depends on the pixels of that part and on nothing else of it.
    """
    if budget < 1:
        raise StriateError(f"budget is {budget}", accepted="a whole number of at least 1")
    fold = torch.full((len(data),), -1, dtype=torch.int64)
    for number, rows in enumerate(parts):
        fold[rows] = number
    if bool((fold < 0).any()) or sum(map(len, parts)) != len(data) or len(parts) < 2:
        raise StriateError("folds do not divide the data", accepted="at least 2, each image in exactly one")
    small = brought_small(data, progress=progress, workers=workers)
    probe = len(data) < FEW
    teach = train_probe if probe else train_net
    efforts = [Effort.on(int((fold != number).sum()), budget // len(parts)) for number in range(len(parts))]
    learnt = sum(each.learnt for each in efforts)
    logits = torch.zeros(len(data), len(data.classes))
    learners: list[Learner] = []
    with (
        exact("cpu", None),
        progress.task("train on folds", len(data) * (len(parts) if probe else 1) + (0 if probe else learnt)) as step,
    ):
        for number, effort in enumerate(efforts):
            others, held = (fold != number).nonzero().reshape(-1), (fold == number).nonzero().reshape(-1)
            order = Rng(seed, "checks/sample").permutation(len(others), step=number)
            train = sampled(small, others, max(effort.learnt // effort.epochs, 1), order)
            learner = teach(
                train,
                effort=effort,
                seed=Rng(seed, "checks/fold").torch_seed(step=number),
                tick=step,
                workers=workers,
            )
            rows, said = learner(small.take(held), step)
            learners.append(learner)
            logits[held[rows]] = said

    def again(number: int, rows: Tensor) -> Tensor:
        out = torch.zeros(len(rows), len(data.classes))
        there, said = learners[number](small.take(rows), lambda count: None)  # noqa: ARG005
        out[there] = said
        return out

    what, count = ("probe", len(data)) if probe else ("net", learnt)
    return OutOfSample(logits, fold, what, count, _said(data, small, efforts, probe=probe), again)


def _said(data: Dataset, small: Dataset, efforts: list[Effort], *, probe: bool) -> str:
    count = len(efforts)
    if probe:
        return f"a linear probe on mean colours of an 8 x 8 grid, in {count} folds (fewer than {FEW} images)"
    height, width = small.size or (0, 0)
    share = efforts[0].learnt / efforts[0].epochs / max(len(data) * (count - 1) / count, 1)
    part = f" on {100 * share:.0f} % of the others" if share < 0.9 else ""
    times = f"{efforts[0].epochs} {'epoch' if efforts[0].epochs == 1 else 'epochs'}"
    return f"striate/small at {width}x{height}, {count} folds, {times} each{part}"
