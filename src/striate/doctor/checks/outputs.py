"""Checks of what stands between a model's last layer and its loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..graph import MOST_NODES, operation
from ..start import Start, loss_of

SOFT = 1e-3  # rounding of a sum that should be 1
LIMITERS = {
    "Relu": ("a ReLU", 0.0, float("inf")),
    "Hardtanh": ("a ReLU6 or hard tanh", None, None),
    "Threshold": ("a threshold", None, None),
    "Tanh": ("a tanh", -1.0, 1.0),
    "Clamp": ("a clamp", None, None),
    "ClampMin": ("a clamp", None, None),
    "Sigmoid": ("a sigmoid", 0.0, 1.0),
}


def usable(start: Start | None) -> Start | None:
    """The start where its output is finite, has two axes or more, and a loss has a graph."""
    if start is None or start.graph is None or start.output.dim() < 2 or not bool(start.output.isfinite().all()):
        return None
    return start


def are_shares(output: Tensor, axis: int = 1) -> bool:
    """Whether values are probabilities along ``axis``: none below 0, sums of 1, and not all alike by being one."""
    if output.shape[axis] < 2:
        return False
    sums = output.float().sum(axis)
    return bool((output >= 0).all()) and bool(((sums - 1).abs() < SOFT).all())


def cross_entropy(start: Start) -> bool:
    """Whether the loss takes a log-softmax of its own or is given one."""
    return start.graph is not None and "LogSoftmax" in start.graph.tail


def chained(start: Start) -> set[tuple[str, str]]:
    """Softmaxes that the loss takes right after one another, the one nearer the loss first."""
    given = start.output.float().clone().requires_grad_(True)
    with torch.enable_grad():
        loss = loss_of(start.setup.loss_fn, given, start.y)
    todo = [] if loss is None or loss.grad_fn is None else [loss.grad_fn]
    pairs: set[tuple[str, str]] = set()
    met: set[object] = set()
    while todo and len(met) < MOST_NODES:
        node = todo.pop()
        for below, _ in node.next_functions:
            if below is not None and below not in met:
                met.add(below)
                todo.append(below)
                pairs.add((operation(node), operation(below)))
    kinds = ("Softmax", "LogSoftmax")
    return {(above, below) for above, below in pairs if above in kinds and below in kinds}


@check(
    "softmax-before-loss",
    what="a softmax stands before a cross-entropy that has one of its own",
    why="scores between 0 and 1 are nearly equal to the second softmax, so gradients are small and the loss cannot "
    "come near 0",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Leave the softmax out of the model: the loss takes raw scores. Use it on the outputs where you predict.",
    code="loss = F.cross_entropy(model(x), y)  # model ends in its last linear layer",
    source="Goodfellow, Bengio & Courville 2016, section 6.2.2.3",
    leads_to=("loss-at-start", "rate-too-low", "gradients-vanishing", "output-clipped", "too-small"),
)
def softmax_before_loss(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case.start)
    if start is None or start.graph is None or not cross_entropy(start):
        return
    pairs = chained(start)
    output = start.output.float()
    if are_shares(output) or ("LogSoftmax", "Softmax") in pairs:
        sums = float((output.sum(1) - 1).abs().max()) if are_shares(output) else None
        yield Seen(
            "The outputs are probabilities already, and the cross-entropy takes their softmax again.",
            evidence=()
            if sums is None
            else (Evidence("largest distance of an output's sum from 1", Number.of(sums), limit="below .001"),),
            sure=1.0,
        )
    elif bool((output <= 0).all()) and are_shares(output.exp()) and start.graph.tail.count("LogSoftmax") > 1:
        yield Seen(
            "A log-softmax stands before a cross-entropy that takes one itself: nothing changes by it.",
            severity="note",
            mend="Leave it out, or use nn.NLLLoss: the same loss with one log-softmax.",
            code="loss = F.cross_entropy(logits, y)",
            sure=1.0,
        )


@check(
    "sigmoid-before-loss",
    what="a sigmoid stands before a loss that has a sigmoid or a softmax of its own",
    why="outputs between 0 and 1 leave the loss's own sigmoid or softmax no room: it cannot come near 0",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Leave the sigmoid out of the model: the loss takes raw scores. Use it on the outputs where you predict.",
    code="loss = F.binary_cross_entropy_with_logits(model(x), y)  # model ends in its last linear layer",
    leads_to=("loss-at-start", "rate-too-low", "gradients-vanishing", "output-clipped", "too-small"),
)
def sigmoid_before_loss(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    graph, output = start.graph, start.output
    if graph is None or "Sigmoid" not in graph.tail or are_shares(output):
        return
    name = "binary cross-entropy with logits" if graph.loss == "bce_logits" else "cross-entropy"
    inside = bool(((output >= 0) & (output <= 1)).all()) or "Sigmoid" in graph.tail[:3]
    if inside and (graph.loss == "bce_logits" or cross_entropy(start)):
        low, high = float(output.min()), float(output.max())
        yield Seen(
            f"A sigmoid stands before the {name}, which squashes the scores itself.",
            evidence=(
                Evidence("smallest output", Number.of(low), limit="not below 0"),
                Evidence("largest output", Number.of(high), limit="not above 1"),
            ),
            sure=1.0,
        )


@check(
    "log-missing",
    what="NLLLoss is given raw scores or probabilities instead of log-probabilities",
    why="the loss has no lower bound on raw scores and hardly any slope on probabilities: it falls below 0 while "
    "nothing is learnt",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Use the cross-entropy on raw scores, or log_softmax before NLLLoss.",
    code="loss = F.cross_entropy(logits, y)  # = F.nll_loss(F.log_softmax(logits, 1), y)",
    source="torch.nn.NLLLoss: the input is expected to hold log-probabilities",
    leads_to=("loss-at-start", "loss-below-zero", "diverged", "gradients-vanishing", "output-clipped", "too-small"),
)
def log_missing(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case.start)
    if start is None or start.graph is None or start.graph.loss != "nll":
        return
    if {"LogSoftmax", "Log", "LogSigmoid", "Logsumexp"} & set(start.graph.tail):
        return
    output = start.output.float()
    total = output.logsumexp(1).abs().max()
    if float(total) < SOFT * 10:
        return
    what = "probabilities without their logarithm" if are_shares(output) else "raw scores"
    yield Seen(
        f"NLLLoss is given {what}; it takes log-probabilities.",
        evidence=(
            Evidence("largest distance of an output's log-sum-exp from 0", Number.of(float(total)), limit="above .01"),
        ),
        sure=1.0,
    )


@check(
    "output-clipped",
    what="the last activation keeps outputs out of the range that the loss asks for",
    why="a score that cannot be negative, or not beyond 1, leaves the loss a floor; where a ReLU gives 0 nothing is "
    "learnt",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="End the model in its last linear layer, without an activation.",
    code="self.head = nn.Linear(width, classes)  # nothing after it",
    thresholds=(
        Threshold("share of targets out of reach", 0.05, "arithmetic: no weights can give such an output"),
        Threshold("share of outputs that are exactly 0", 0.02, "scores of a linear layer are never 0; halves are"),
    ),
    else_=("scores that are bounded on purpose and scaled later, inside the loss",),
    leads_to=("loss-at-start", "rate-too-low", "start-dead", "too-small", "parameters-unused"),
)
def output_clipped(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case.start)
    if start is None or start.graph is None or are_shares(start.output):
        return
    graph, output = start.graph, start.output.float()
    low, high = float(output.min()), float(output.max())
    ends = [each for each in graph.tail if each in LIMITERS]
    zeros = float((output == 0).float().mean())
    if cross_entropy(start) or graph.loss == "bce_logits":
        pooled = {"AdaptiveAvgPool2D", "AvgPool2D", "Mean"} & set(graph.tail)  # SqueezeNet ends so on purpose
        clipped = zeros >= limits["share of outputs that are exactly 0"] and low >= 0 and not pooled
        tanh = "Tanh" in ends and max(-low, high) <= 1
        if ends and (clipped or tanh):
            name = "a tanh" if tanh else next(LIMITERS[each][0] for each in ends)
            yield Seen(
                f"The scores end in {name}: they cannot "
                + ("go beyond 1 or below -1." if tanh else f"be negative, and {zeros:.0%} of them are exactly 0."),
                evidence=(Evidence("smallest score", Number.of(low)), Evidence("largest score", Number.of(high))),
                sure=0.95,
            )
    elif start.y is not None and graph.loss in ("mse", "l1", "smooth_l1", "huber"):
        for each in ends[:1]:
            name, least, most = LIMITERS[each]
            if least is None or most is None or low < least or high > most:
                continue
            target = start.y.float()
            beyond = float(((target < least - 1e-3) | (target > most + 1e-3)).float().mean())
            if beyond > limits["share of targets out of reach"]:
                yield Seen(
                    f"The outputs end in {name}, and {beyond:.0%} of the targets lie where it cannot reach.",
                    evidence=(Evidence("share of targets out of reach", Number.of(beyond), limit="above .05"),),
                    mend="End the model without an activation, or scale the targets into its range.",
                    code="self.head = nn.Linear(width, outputs)  # nothing after it",
                    sure=0.95,
                )


@check(
    "softmax-axis",
    what="a softmax runs over the samples of the batch instead of the classes",
    why="the outputs of one image depend on the others in its batch, and one image alone gets the score 1 for every "
    "class",
    phase="start",
    needs=("start",),
    symptom="slow",
    mend="Take the softmax over the axis of the classes.",
    code="F.softmax(scores, dim=1)  # dim=-1 where features stand last",
    cost="two passes forward with at most 31 samples",
    leads_to=("samples-mix", "softmax-before-loss", "loss-at-start", "log-missing", "too-small", "output-clipped"),
)
def softmax_axis(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    output, graph = start.output, start.graph
    wires = start.wires
    inside = wires is not None and any(
        each.axis == 0 and len(each.shape) >= 2 and each.shape[0] == wires.batch and "softmax" in each.op
        for each in wires.calls
    )
    at_loss = graph is not None and 0 in graph.axes and output.dim() >= 2
    if inside or at_loss:
        where = "In the model a softmax" if inside else "Before the loss a softmax"
        yield Seen(
            f"{where} runs over axis 0, the samples of the batch ({len(output)} of them).",
            evidence=(Evidence("axis of the softmax", Number.of(0)),),
            sure=0.99,
        )


@check(
    "dropout-last",
    what="dropout sets scores to 0 after the last layer",
    why="a class whose score is dropped looks as likely as chance however clear the image: the loss is noise that no "
    "weights can remove",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Move the dropout before the last linear layer.",
    code="nn.Sequential(..., nn.Dropout(0.5), nn.Linear(width, classes))",
    cost="two passes forward with at most 31 samples",
    source="Srivastava et al. 2014, section 4: hidden and visible units, not outputs",
    leads_to=("dropout-high", "loss-at-start", "output-clipped", "too-small"),
)
def dropout_last(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    wires = start.wires
    last = start.layers[-1] if start.layers else None
    p = 0.0
    if last is not None and isinstance(last.module, _DropoutNd) and last.module.p > 0:
        same = last.shape == tuple(start.output.shape)
        p = last.module.p if same and bool(torch.equal(last.values, _sampled(start.output, last.values))) else 0.0
    elif wires is not None and wires.calls and wires.calls[-1].last and "dropout" in wires.calls[-1].op:
        p = wires.calls[-1].p or 0.0
        p = p if wires.calls[-1].training else 0.0
    if p > 0:
        yield Seen(
            f"Dropout of {p:g} comes after the last layer: it sets that share of the scores to 0.",
            severity="warning" if p < 0.4 else "error",
            evidence=(Evidence("share of scores that is dropped", Number.of(p), limit="above 0"),),
            sure=0.97,
        )


def _sampled(output: Tensor, like: Tensor) -> Tensor:
    """The values of an output that `Layer.values` would hold."""
    from ..start import UNITS

    flat = output.float().flatten()
    found = flat[:: 1 + len(flat) // UNITS]
    return found if found.shape == like.shape else torch.full_like(like, float("nan"))


@check(
    "output-width",
    what="the model has many more outputs than there are classes",
    why="the first steps are spent on unlearning classes that never come, and the loss starts at the wrong height",
    phase="start",
    needs=("start", "labels", "classes"),
    symptom="slow",
    mend="Give the last layer one output for each class.",
    code="model.fc = nn.Linear(model.fc.in_features, classes)",
    thresholds=(Threshold("outputs for each class", 8.0, "healthy subsets of ten classes show 2 to 5 a class"),),
    else_=("classes that are rare enough not to be among the samples",),
    leads_to=("loss-at-start",),
)
def output_width(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    assert case.train is not None
    shown, outputs = int(case.train.labels.max()) + 1, case.start.output.shape[1]
    if not cross_entropy(case.start) or len(case.train) < 3 * shown or shown < 2:
        return
    ratio = outputs / shown
    if ratio >= limits["outputs for each class"] or (ratio > 1 and len(case.train) >= 10 * outputs):
        serious = ratio >= limits["outputs for each class"]
        yield Seen(
            f"The model has {outputs:,} outputs, and the labels name {shown} classes"
            + (": the head of another data set?" if outputs in (100, 1000, 1001, 21841, 21843) else "."),
            severity="note",  # it learns all the same
            evidence=(
                Evidence("outputs for each class", Number.of(ratio), limit="at least 8" if serious else "above 1"),
            ),
            sure=0.95,
        )
