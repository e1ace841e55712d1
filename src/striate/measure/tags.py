"""Nets on images with any number of labels: one probability a label, a threshold on each, every figure of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.metrics.averages import ClassAverage
from striate.metrics.mean import mean_interval
from striate.metrics.multilabel import label_figures, label_ranking
from striate.metrics.operating import class_thresholds
from striate.metrics.ranking import auc_of, by_column

from .case import ALPHA, percent, sureness
from .table import outputs_of
from .tagged import LabelAverage, LabelAverages, LabelFigures, LabelMistake, MultiLabelEvaluation

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.nets.net import Net

MISTAKES = 200
HALF = "0.5 for every label"


@dataclass(frozen=True, eq=False)
class TagTable:
    """What a net says of every image of one split.

    Attributes:
        scores: Probability of each label, (N, K) float64.
        truths: Which labels each image has, (N, K) bool.
        rows: Row of each image in the split, (N,) int64.
        names: Names of the labels.
    """

    scores: Tensor
    truths: Tensor
    rows: Tensor
    names: tuple[str, ...]


def predict_tags(net: Net, data: Dataset, **how: Any) -> TagTable:
    """The probability of each label for every image: the sigmoid of a logit, each label on its own.

    ``how`` is passed to `outputs_of`. A net whose outputs are said to be probabilities is taken by its word.

    Raises:
        StriateError: The data have no sets of labels, or net and data do not fit each other.
    """
    if data.task != "tags" or data.tags is None:
        raise StriateError(f"{data.name} has no sets of labels", accepted="data with any number of labels an image")
    logits, rows = outputs_of(net, data, **how)
    exact = logits.to(torch.float64)
    scores = exact.exp() if net.outputs == "probabilities" else exact.sigmoid()
    return TagTable(scores, data.tags[rows], rows, tuple(data.classes))


def analyse_tags(table: TagTable, data: Dataset, *, dev: TagTable | None = None) -> MultiLabelEvaluation:
    """Every figure of `MultiLabelEvaluation`; thresholds of highest F1 are chosen on ``dev``, else they are 0.5.

    A label that no dev image has keeps 0.5.
    """
    thresholds = torch.full((len(table.names),), 0.5, dtype=torch.float64)
    if dev is not None:
        for place, point in enumerate(class_thresholds(dev.scores, dev.truths)):
            if point.threshold.value is not None and bool(dev.truths[:, place].any()):
                thresholds[place] = point.threshold.value
    decided = table.scores >= thresholds
    figures, order = label_figures(decided, table.truths), label_ranking(table.scores, table.truths)
    areas = by_column(table.scores, table.truths, auc_of)
    losses = torch.nn.functional.binary_cross_entropy(table.scores, table.truths.to(torch.float64), reduction="none")
    return MultiLabelEvaluation(
        n=len(table.rows),
        exact_match=figures.exact_match,
        hamming_loss=figures.hamming_loss,
        loss=mean_interval(losses.mean(1)),
        mean_average_precision=order.average_precision.macro,
        ranking_loss=order.ranking_loss,
        coverage_error=order.coverage_error,
        label_ranking_precision=order.label_ranking_precision,
        averages=LabelAverages(*map(_average, (figures.micro, figures.macro, figures.weighted, figures.samples))),
        classes=tuple(
            LabelFigures(
                name=name,
                support=each.tp + each.fn,
                predicted=each.tp + each.fp,
                threshold=float(thresholds[place]),
                precision=each.precision,
                recall=each.recall,
                f1=each.f1,
                average_precision=order.average_precision.each[place],
                auc=areas.each[place],
            )
            for place, (name, each) in enumerate(zip(table.names, figures.each, strict=True))
        ),
        thresholds_from=HALF if dev is None else "dev",
        mistakes=_mistakes(table, decided, losses.mean(1), data),
        names=table.names,
    )


def tag_findings(evaluation: MultiLabelEvaluation, *, command: str) -> tuple[Finding, ...]:
    """Labels that are never said, though images have them, and labels that are ordered no better than by chance."""
    found = []
    for one in evaluation.classes:
        if one.support >= 5 and one.predicted == 0:
            found.append(_never(one, evaluation, command))
        elif one.auc.low is not None and one.auc.low <= 0.5 and one.support >= 30:
            found.append(_blind(one, command))
    return ranked(found)


def _never(one: LabelFigures, evaluation: MultiLabelEvaluation, command: str) -> Finding:
    recall = evaluation.averages.micro.recall
    chance = (1 - float(recall)) ** one.support if recall.value is not None else 1.0
    return Finding(
        id=f"never-said/{one.name}",
        check="never-said",
        severity="error" if chance < ALPHA else "note",
        sure=sureness(chance),
        seen=f"{one.name} is never said, though {one.support:,} of {evaluation.n:,} images have it; of all labels "
        f"{percent(recall)} are found.",
        evidence=(
            Evidence(f"recall of {one.name}", one.recall),
            Evidence("average precision of it", one.average_precision),
        ),
        mend="Lower its threshold, or weigh it more in the loss: rare labels drown in the many images without them.",
        command=command,
    )


def _blind(one: LabelFigures, command: str) -> Finding:
    return Finding(
        id=f"not-learnt/{one.name}",
        check="not-learnt",
        severity="warning",
        sure=0.95,
        seen=f"Images with {one.name} get no higher probability of it than others: area under the ROC curve "
        f"{float(one.auc):.2f} over {one.support:,} images that have it.",
        evidence=(
            Evidence("area under the ROC curve", Number(one.auc.value, one.auc.low, one.auc.high, why=one.auc.why)),
            Evidence("average precision", one.average_precision),
        ),
        mend="Look at images that have it: whether it can be seen at this size, and whether its labels are right.",
        command=command,
    )


def _average(one: ClassAverage) -> LabelAverage:
    return LabelAverage(one.precision, one.recall, one.f1)


def _mistakes(table: TagTable, decided: Tensor, losses: Tensor, data: Dataset) -> tuple[LabelMistake, ...]:
    wrong = (decided != table.truths).any(1).nonzero()[:, 0]
    order = wrong[torch.sort(losses[wrong], descending=True, stable=True).indices[:MISTAKES]]
    made = []
    for place in order.tolist():
        missed, added = table.truths[place] & ~decided[place], decided[place] & ~table.truths[place]
        made.append(
            LabelMistake(
                row=int(table.rows[place]),
                name=data.name_of(int(table.rows[place])),
                missed=tuple(table.names[k] for k in missed.nonzero()[:, 0].tolist()),
                added=tuple(table.names[k] for k in added.nonzero()[:, 0].tolist()),
                loss=float(losses[place]),
            )
        )
    return tuple(made)
