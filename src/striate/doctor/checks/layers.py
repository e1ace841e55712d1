"""Checks of single layers: dropout and batch norm with settings that harm."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..wires import sources
from .wiring import some


def norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Batch norms by name."""
    return {name: each for name, each in model.named_modules() if isinstance(each, _BatchNorm)}


@check(
    "dropout-high",
    what="dropout throws away nearly everything",
    why="too few units are left in each step for anything to pass through",
    phase="start",
    needs=("start",),
    symptom="slow",
    mend="torch's p is the share that is dropped, not the one that is kept: .1 to .5 are usual.",
    code="nn.Dropout(p=0.2)",
    thresholds=(Threshold("share that is dropped", 0.8, "Srivastava et al. 2014, section 7.3: worse beyond .8"),),
    cost="two passes forward with at most 31 samples",
    source="Srivastava et al. 2014, section 7.3",
    leads_to=("loss-at-start", "capacity", "too-small"),
)
def dropout_high(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    limit = limits["share that is dropped"]
    high = {name: each.p for name, each in start.model.named_modules() if isinstance(each, _DropoutNd)}
    high = {name: p for name, p in high.items() if p >= limit}
    if not high and start.wires is not None:
        high = {
            f"a call of {each.op}": each.p
            for each in start.wires.calls
            if each.p is not None and each.p >= limit and each.training
        }
    if high:
        p = max(high.values())
        yield Seen(
            f"Dropout of {p:g} ({some(list(high))}) leaves {1 - p:.0%} of the units in each step.",
            severity="warning" if p < 0.9 else "error",
            evidence=(Evidence("share that is dropped", Number.of(p), limit="at least .8 (Srivastava et al. 2014)"),),
            sure=0.95,
        )


@check(
    "dropout-always-on",
    what="dropout goes on when the model predicts",
    why="F.dropout does not know of model.eval(): predictions are noisy and worse than the model",
    phase="start",
    needs=("start",),
    symptom="gap",
    mend="Tell it the mode, or use nn.Dropout.",
    code="F.dropout(x, p=0.5, training=self.training)",
    cost="two passes forward with at most 31 samples",
    source="torch.nn.functional.dropout: training is True unless told",
    else_=("predictions that are averaged over dropout on purpose (Gal & Ghahramani 2016)",),
    leads_to=("evaluation-noise", "evaluated-in-train-mode"),
)
def dropout_always_on(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    calls = [] if start.wires is None else [each for each in start.wires.judged if each.training and each.p]
    own = [each for each in start.model.modules() if isinstance(each, _DropoutNd) and each.training]
    if calls and not own:
        yield Seen(
            f"In eval mode {len(calls)} of the model's calls still drop units (p={calls[0].p:g}).",
            evidence=(Evidence("calls of dropout in eval mode", Number.of(len(calls)), limit="above 0"),),
            sure=0.95,
        )


@check(
    "batchnorm-small-batch",
    what="batch norm with very small batches",
    why="mean and variance of a few images are noise, and the running ones fit none of the batches",
    phase="start",
    needs=("start",),
    symptom="unstable",
    mend="Take larger batches, or a norm that does not look at the batch.",
    code="nn.GroupNorm(8, channels)  # instead of nn.BatchNorm2d(channels)",
    thresholds=(Threshold("samples a batch", 4.0, "Wu & He 2018, figure 1: the error rises steeply below 8"),),
    source="Wu & He 2018, section 4.1",
    leads_to=("train-eval-gap", "batch-of-one"),
)
def batchnorm_small_batch(case: Case, limits: Limits) -> Iterator[Seen]:
    start, train = case.start, case.train
    assert start is not None
    assert train is not None
    found = norms(start.model)
    still = set(start.wires.still) if start.wires is not None else set()
    live = [name for name in found if name not in still]
    if train.batch is None or not live:
        return
    size = train.batch
    if size <= limits["samples a batch"]:
        yield Seen(
            f"{len(live)} batch norms take their statistics from batches of {size}.",
            severity="error" if size == 1 else "warning",
            evidence=(Evidence("samples a batch", Number.of(size), limit="at most 4 (Wu & He 2018)"),),
            sure=0.9,
        )
    elif train.total is not None and train.loader is not None and not train.loader.drop_last:
        flat = any(isinstance(each.module, _BatchNorm) and len(each.shape) == 2 for each in start.layers)
        if train.total % size == 1:
            yield Seen(
                f"The last of each epoch's batches has one sample ({train.total:,} over {size})"
                + (": batch norm raises an error on it." if flat else ": batch norm takes its statistics from it."),
                severity="error" if flat else "note",
                evidence=(Evidence("samples in the last batch", Number.of(1)),),
                mend="Leave the last batch out.",
                code="DataLoader(data, batch_size=64, shuffle=True, drop_last=True)",
                sure=0.95,
            )


@check(
    "batchnorm-momentum",
    what="batch norm with a momentum or an eps that makes no sense",
    why="the running mean and variance, which the model predicts with, never move or are those of the last batch alone",
    phase="start",
    needs=("start",),
    symptom="gap",
    mend="torch's momentum is the share of the new batch: .1 is usual, and 1 minus that of Keras and papers.",
    code="nn.BatchNorm2d(channels, momentum=0.1, eps=1e-5)",
    thresholds=(
        Threshold("largest share of the new batch", 0.8, "healthy nets lie from .0003 to .3; .9 and .99 are Keras's"),
        Threshold("smallest", 1e-4, "MnasNet has .0003, the smallest in use"),
        Threshold("eps", 0.1, "healthy nets lie at or below .001; .1 is a tenth of a normal variance"),
    ),
    source="Ioffe & Szegedy 2015, section 3.1; torch.nn.BatchNorm2d: momentum",
    leads_to=("train-eval-gap",),
)  # fmt: skip
def batchnorm_momentum(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    odd: dict[str, tuple[str, float]] = {}
    for name, each in norms(case.start.model).items():
        if each.running_mean is not None and each.momentum is not None:
            if each.momentum >= limits["largest share of the new batch"]:
                odd[name] = ("high", each.momentum)
            elif each.momentum < limits["smallest"]:
                odd[name] = ("low", each.momentum)
        if each.eps >= limits["eps"]:
            odd[name] = ("eps", each.eps)
    words = {
        "high": "momentum {0:g}: the running statistics are those of the last batch",
        "low": "momentum {0:g}: the running statistics never move from 0 and 1",
        "eps": "eps {0:g}: it outweighs the variance that the layer divides by",
    }
    for kind, said in words.items():
        names = [name for name, (which, _) in odd.items() if which == kind]
        if names:
            value = odd[names[0]][1]
            yield Seen(
                f"{len(names)} batch norms ({some(names)}) have {said.format(value)}.",
                severity="error" if kind == "low" and not case.setup.pretrained else "warning",
                evidence=(Evidence("eps" if kind == "eps" else "momentum", Number.of(value)),),
                subject=kind,
                sure=0.95,
            )


@check(
    "batchnorm-frozen",
    what="batch norm that never learns its statistics",
    why="it predicts with the mean 0 and variance 1 that it was made with, or with those of whatever batch comes",
    phase="start",
    needs=("start",),
    symptom="gap",
    mend="Leave track_running_stats on and call model.train() before training; freeze batch norms only once trained.",
    code="nn.BatchNorm2d(channels)  # track_running_stats=True is the default",
    cost="two passes forward with at most 31 samples",
    leads_to=("samples-mix", "train-eval-gap"),
)
def batchnorm_frozen(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    found = norms(start.model)
    users = norms(case.model)
    without = [name for name, each in found.items() if each.running_mean is None]
    if without:
        yield Seen(
            f"{len(without)} of {len(found)} batch norms ({some(without)}) keep no running statistics: predictions "
            "depend on the batch they are made in.",
            severity="warning",
            evidence=(Evidence("batch norms without statistics", Number.of(len(without), n=len(found))),),
            subject="untracked",
            sure=0.98,
        )
    still = [] if start.wires is None else [name for name in start.wires.still if name in found]
    never = [
        name for name in still if (norm := users.get(name)) is not None and norm.running_mean is not None and _new(norm)
    ]
    if never:
        yield Seen(
            f"{len(never)} batch norms ({some(never)}) stay in eval mode in training, with a mean of 0 and a variance "
            "of 1 that were never measured.",
            evidence=(Evidence("batch norms that never measure", Number.of(len(never), n=len(found))),),
            subject="eval",
            sure=0.95,
        )
    fixed = [name for name, each in users.items() if each.affine and not each.weight.requires_grad]
    plain = [name for name in fixed if bool((users[name].weight == 1).all()) and not bool(users[name].bias.any())]
    learns = any(p.requires_grad and p.dim() > 1 for p in case.model.parameters())
    if plain and len(plain) == len(fixed) and not case.setup.pretrained and learns:
        yield Seen(
            f"Scale and shift of {len(plain)} batch norms ({some(plain)}) are frozen at 1 and 0.",
            severity="note",
            evidence=(Evidence("frozen batch norms", Number.of(len(plain), n=len(found))),),
            subject="affine",
            sure=0.9,
        )


def _new(norm: _BatchNorm) -> bool:
    """Whether the statistics are those that it was made with."""
    mean, var = norm.running_mean, norm.running_var
    return mean is not None and var is not None and not bool(mean.any()) and bool(torch.all(var == 1))


@check(
    "bias-before-norm",
    what="a bias stands right before a batch norm",
    why="batch norm takes away the mean, and the bias with it: the weights are spent for nothing",
    phase="start",
    needs=("start",),
    symptom="cost",
    mend="Leave the bias out of the layer before a batch norm.",
    code="nn.Conv2d(3, 32, 3, padding=1, bias=False)",
    source="Ioffe & Szegedy 2015, section 3.2",
)
def bias_before_norm(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    layers = case.start.layers
    found = [
        layers[low].name
        for high, low in sources(layers).items()
        if isinstance(layers[high].module, _BatchNorm) and getattr(layers[low].module, "bias", None) is not None
        and isinstance(layers[low].module, (nn.Linear, nn.modules.conv._ConvNd))
    ]  # fmt: skip
    if found:
        yield Seen(
            f"{len(found)} layers ({some(found)}) have a bias that the batch norm after them takes away again.",
            severity="note",
            evidence=(Evidence("biases without effect", Number.of(len(found)), limit="above 0"),),
            sure=1.0,
        )
