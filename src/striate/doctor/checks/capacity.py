"""Checks of a model's size: too narrow, too large, and whether it can learn a few images by heart."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import unnoticed
from ..start import Layer, Start, loss_of
from .outputs import cross_entropy
from .signal import usable
from .wiring import weighted

BY_HEART = 16  # samples that are to be learnt by heart
STEPS = 60
RATES = (0.01, 0.001)
SECONDS = 1.0


@check(
    "too-small",
    what="a layer is too narrow for as many classes",
    why="what tells the classes apart must pass through it, and it has hardly any numbers to say it with",
    phase="start",
    needs=("start", "labels", "classes"),
    symptom="slow",
    mend="Make the narrowest layers wider.",
    code="nn.Linear(width, 64)",
    thresholds=(Threshold("units for each class that a layer must carry", 0.25, "healthy set-ups have 1 and more"),),
    else_=("a narrow code on purpose, as to draw it in two dimensions",),
    leads_to=("capacity", "underfitting", "no-progress"),
)
def too_small(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None:
        return
    assert case.train is not None
    classes = int(case.train.labels.max()) + 1
    layers = weighted(start)[:-1]
    narrow = [(wide(each), each.name) for each in layers if wide(each) > 0]
    narrow = [pair for pair in narrow if not _beside(pair[1], start)]
    if not narrow or classes < 4:
        return
    width, name = min(narrow)
    ratio = width / classes
    if ratio < limits["units for each class that a layer must carry"]:
        yield Seen(
            f"All {classes} classes must pass through {name}, which has {width} unit{'s' if width > 1 else ''}.",
            severity="warning",
            evidence=(Evidence("units for each class", Number.of(ratio), limit="below .25"),),
            sure=0.85,
        )


def wide(layer: Layer) -> int:
    """Numbers that a layer gives for an image: units of a linear layer, channels times places of a convolution."""
    if len(layer.shape) == 2:
        return layer.shape[1]
    return math.prod(layer.shape[1:]) if len(layer.shape) == 4 else 0


def _beside(name: str, start: Start) -> bool:
    """Whether what the layer gives is a gate or a side branch: a layer after it takes more than it can have given."""
    order = [each.name for each in start.layers]
    after = order[order.index(name) + 1 :]
    gates = (nn.Sigmoid, nn.Hardsigmoid, nn.Softmax)
    modules = dict(start.model.named_modules())
    return any(isinstance(modules.get(each), gates) for each in after[:4])


@check(
    "too-large",
    what="the model has very many weights for each training image",
    why="it can learn the training images by heart",
    phase="start",
    needs=("start", "train"),
    symptom="gap",
    mend="Start from weights that were trained before, augment, or take a smaller model.",
    thresholds=(Threshold("weights for each sample", 2_000.0, "a choice; good nets are trained at 20 to 500"),),
    source="Zhang et al. 2017: nets fit random labels",
)
def too_large(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    total = case.train.total
    count = sum(each.numel() for each in case.model.parameters() if each.requires_grad)
    if total and not case.setup.pretrained and count / total >= limits["weights for each sample"]:
        yield Seen(
            f"{count:,} weights learn from {total:,} samples: {count / total:,.0f} for each.",
            severity="note",
            evidence=(Evidence("weights for each sample", Number.of(count / total), limit="at least 2000"),),
            sure=0.6,
        )


@check(
    "capacity",
    what="the model cannot learn 16 images by heart",
    why="what fails on 16 images fails on all: model, loss and optimizer's targets do not fit together",
    phase="start",
    needs=("start", "loss", "classes", "labels"),
    symptom="flat",
    mend="Try it yourself with 16 images and no regularisation until their loss is near 0, then use all data.",
    code="for _ in range(300): step(x[:16], y[:16])",
    thresholds=(
        Threshold("share that is right of 16", 0.6, "healthy set-ups reach 1 within 60 steps"),
        Threshold("lowest loss over that of one who knows nothing", 0.6, "healthy set-ups come below .1"),
    ),
    cost="up to 120 steps with 16 samples on a copy, at most a second",
    source="Karpathy 2019, a recipe for training neural networks: overfit one batch",
    else_=("a model that needs more than 60 steps of Adam for it",),
    leads_to=("no-progress", "underfitting"),
    consequence=True,
)
def capacity(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or start.y is None or start.loss is None or case.train is None or start.graph is None:
        return
    if not any(each.requires_grad for each in start.parameters.values()) or not cross_entropy(start):
        return
    labels = case.train.labels[: len(start.x)]
    if len(labels) < BY_HEART or len(set(labels[:BY_HEART].tolist())) < 2:
        return
    if start.seconds * BY_HEART / len(start.x) * STEPS > 2 * SECONDS:
        return  # too slow to try
    tried = [(rate, *by_heart(start, labels, rate)) for rate in RATES[:1]]
    need, low = limits["share that is right of 16"], limits["lowest loss over that of one who knows nothing"]
    chance = math.log(start.output.shape[1])
    if not _failed(tried[-1], need, low * chance):
        return
    tried += [(rate, *by_heart(start, labels, rate)) for rate in RATES[1:]]
    if any(not _failed(each, need, low * chance) for each in tried) or max(each[3] for each in tried) < STEPS // 2:
        return
    right, loss = max(each[1] for each in tried), min(each[2] for each in tried)
    yield Seen(
        f"After {max(each[3] for each in tried)} steps with the same {BY_HEART} images a copy names {right:.0%} of "
        f"them, at a loss of {loss:.3g} (one who knows nothing: {chance:.3g}).",
        evidence=(
            Evidence("share that is right", Number.of(right, n=BY_HEART), limit="below .6"),
            Evidence("lowest loss", Number.of(loss), limit=f"above {low * chance:.3g}"),
        ),
        sure=0.8,
    )


def _failed(tried: tuple[float, float, float, int], need: float, low: float) -> bool:
    return tried[1] < need and not tried[2] < low


def by_heart(start: Start, labels: Tensor, rate: float) -> tuple[float, float, int]:
    """Adam on the first 16 samples with a copy: the largest share right, the lowest loss, the steps that were made."""
    best, lowest, done = 0.0, math.inf, 0
    assert start.y is not None
    with unnoticed(), torch.enable_grad():
        torch.manual_seed(0)
        model = copy.deepcopy(start.model)
        model.train()
        for each in model.modules():
            if "Dropout" in type(each).__name__:
                each.eval()
        x, y, truth = start.x[:BY_HEART], start.y[:BY_HEART], labels[:BY_HEART].to(start.x.device)
        learning = [each for each in model.parameters() if each.requires_grad]
        optimizer = torch.optim.Adam(learning, lr=rate)
        begun = time.perf_counter()
        for _ in range(STEPS):
            output = start.call(model, x)
            loss = loss_of(start.setup.loss_fn, output, y)
            if loss is None or not loss.requires_grad:
                break
            best = max(best, float((output.argmax(1) == truth).float().mean()))
            lowest = min(lowest, float(loss.detach()))
            for weight, grad in zip(learning, torch.autograd.grad(loss, learning, allow_unused=True), strict=True):
                weight.grad = grad
            optimizer.step()
            done += 1
            if best >= 1 or time.perf_counter() - begun > SECONDS:
                break
    return best, lowest, done
