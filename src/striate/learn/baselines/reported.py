"""Measured baselines as a report's payload, with nets beside the best, and what follows from it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.finding import Evidence, Finding
from striate.core.number import Number
from striate.data.dataset import Dataset
from striate.measure.table import Table
from striate.metrics.confusion import confusion_matrix
from striate.metrics.intervals import wilson
from striate.metrics.paired import mcnemar

from .measure import Measured
from .payload import BaselineRow, Baselines, FeatureRow, NetRow

NEAR = 0.02  # of the best baseline: colours alone that come so near tell the classes
FAR = 0.2  # above the majority


def reported(measured: Measured, train: Dataset, *, nets: Mapping[str, Table], data: str) -> Baselines:
    """The payload: accuracies with Wilson intervals, nets paired with the best on dev, its confusion."""
    best, classes = measured.best, len(train.classes)
    shares = torch.bincount(train.labels, minlength=classes).double() / len(train)
    chance = float(shares[measured.labels].mean())
    return Baselines(
        data=data,
        names=train.classes,
        n=len(measured.labels),
        train=measured.train,
        dev=measured.dev,
        size=train.size or (0, 0),
        channels=train.channels,
        rows=tuple(
            BaselineRow(
                feature=row.feature,
                classifier=row.classifier,
                accuracy=_accuracy(row.correct),
                dev=row.dev,
                chosen=row.chosen,
                seconds=round(row.seconds, 2),
                best=row is best,
            )
            for row in measured.rows
        ),
        features=tuple(
            FeatureRow(each.name, each.said, each.width, round(each.seconds, 2), each.train)
            for each in measured.features
        ),
        chance=Number(chance, n=len(measured.labels), why="expected, by the class frequencies of train"),
        confusion=tuple(tuple(row) for row in confusion_matrix(measured.labels, best.predicted, classes).tolist()),
        nets=tuple(_beside(name, table, measured) for name, table in nets.items()),
    )


def _accuracy(correct: Tensor) -> Number:
    return wilson(int(correct.sum()), len(correct))


def _beside(name: str, table: Table, measured: Measured) -> NetRow:
    """A net on the test images that both have met."""
    ours, theirs = torch.isin(measured.test, table.rows), torch.isin(table.rows, measured.test)
    if not bool(ours.any()):
        raise StriateError(f"{name} was measured on other images", accepted="the same test split")
    right, base = table.correct[theirs], measured.best.correct[ours]
    found = mcnemar(right, base)
    return NetRow(name, _accuracy(right), found.difference, found.p, found.only_a, found.only_b)


def baseline_findings(result: Baselines, *, nets: Sequence[str], data: str, sized: Sequence[str] = ()) -> list[Finding]:
    """What the baselines say of the nets, and of the data; ``sized`` is what brings these data to a net's size."""
    best, majority = result.best, result.majority
    found = [finding for row in result.nets if (finding := _lacking(result, row, data, sized)) is not None]
    if float(best.accuracy) <= float(majority.accuracy.high or 0.0):
        found.append(
            Finding(
                id="baselines/majority",
                check="baselines",
                severity="warning",
                sure=0.95,
                seen="No baseline is clearly better than the most frequent class for every image.",
                evidence=(Evidence(best.name, best.accuracy), Evidence("majority", majority.accuracy)),
                mend="Look at the labels, and at whether there are enough images of each class.",
                command=shlex.join(["striate", "check", data]),
            )
        )
    colours = max((row for row in result.rows if row.feature == "colours"), key=lambda row: row.dev, default=None)
    near = colours is not None and best.dev - colours.dev <= NEAR and colours.dev - majority.dev >= FAR
    if colours is not None and near:
        found.append(
            Finding(
                id="baselines/colours",
                check="baselines",
                severity="warning",
                sure=0.8,
                seen="Colours alone, wherever they stand, tell the classes about as well as the best baseline.",
                evidence=(Evidence(colours.name, colours.accuracy), Evidence(best.name, best.accuracy)),
                mend="Look whether background or light gives the class away; a net may learn that and no more.",
                command=shlex.join(["striate", "check", data]),
            )
        )
    if not nets:
        found.append(
            Finding(
                id="baselines/bar",
                check="baselines",
                severity="note",
                sure=1.0,
                seen=f"A net for these images has to beat {best.name}.",
                evidence=(Evidence(f"{best.name}, accuracy", best.accuracy),),
                mend="Train one, and put it beside these with --net.",
                command=shlex.join(["striate", "train", data, *sized]),
            )
        )
    return found


def _lacking(result: Baselines, row: NetRow, data: str, sized: Sequence[str]) -> Finding | None:
    """A finding where a net is not clearly better than the best baseline."""
    low, high = row.difference.low or 0.0, row.difference.high or 0.0
    if low > 0:
        return None
    worse = high < 0
    words = "is worse than" if worse else "is not clearly better than"
    untrained = row.net.endswith(".random")
    go_on = (
        ["striate", "train", data, "--net", row.net.removesuffix(".random"), *sized]
        if untrained
        else ["striate", "examine", row.net, data]
    )
    return Finding(
        id=f"baselines/{row.net}",
        check="baselines",
        severity="warning",
        sure=0.99 if worse else 0.9,
        seen=f"{row.net} {words} {result.best.name}.",
        evidence=(
            Evidence("net less baseline", row.difference),
            Evidence(f"{row.net}, accuracy", row.accuracy),
            Evidence(f"{result.best.name}, accuracy", result.best.accuracy),
        ),
        mend="Train it." if untrained else "See where it fails; train it longer, on more images, or another net.",
        command=shlex.join(go_on),
    )
