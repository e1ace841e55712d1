"""Checks of how a model is wired: what stands before the loss, what the optimizer holds, what reaches what."""

from __future__ import annotations

from collections.abc import Iterator

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check

SOFTMAXES = ("Softmax", "LogSoftmax")


@check(
    "softmax-before-loss",
    what="a softmax stands before a cross-entropy that has one of its own",
    why="scores between 0 and 1 are nearly equal to the second softmax, so gradients are small and the loss cannot "
    "come near 0",
    phase="start",
    needs=("start", "loss", "classes"),
    symptom="slow",
    mend="Leave the softmax out of the model: the loss takes raw scores. Use it on the outputs where you predict.",
    code="loss = F.cross_entropy(model(x), y)  # model ends in its last linear layer",
    source="Goodfellow, Bengio & Courville 2016, section 6.2.2.3",
    leads_to=("loss-at-start", "rate-too-low", "vanishing-gradients"),
)
def softmax_before_loss(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    graph, output = case.start.graph, case.start.output
    chained = graph is not None and [each for each in graph.tail if each in SOFTMAXES]
    double = bool(chained) and len(chained) >= 2 and graph is not None and graph.loss == "nll"  # type: ignore[arg-type]
    sums = output.float().sum(1)
    shares = bool((output >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all()) and output.shape[1] > 1
    if double or (shares and graph is not None and "LogSoftmax" in graph.tail):
        yield Seen(
            "The model's outputs are probabilities already, and the cross-entropy takes their softmax again.",
            evidence=(
                Evidence("largest distance of an output's sum from 1", Number.of(float((sums - 1).abs().max()))),
            ),
            sure=1.0,
        )


CHANCE = Threshold(
    "times the loss of one who does not know, or its inverse", 2.0, "healthy set-ups lie between .8 and 1.4"
)
