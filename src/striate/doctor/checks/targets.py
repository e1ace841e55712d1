"""Checks of targets against outputs and loss: their range, form, shape, and what the last layer can reach."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..graph import WEIGHTED
from ..neighbours import NEAR, as_given, nearest
from ..samples import unnoticed
from ..start import Start, copied, fitted, output_of

PAIRED = 8  # samples that are paired each with each
MEASURED = ("mse", "l1", "smooth_l1", "huber")  # losses of measured values
CRASHES = ("never-stepped",)
POOR = (
    "loss-at-start", "gradients-exploding", "gradients-vanishing", "capacity", "too-small", "clipping-always",
    "rate-too-high", "rate-too-low", "plateau", "diverged", "no-progress",
)  # fmt: skip


def output(case: Case) -> Tensor | None:
    """What the model gives for a few inputs: of the start, or where the loss raised there, of a pass without it."""
    if case.start is not None:
        return case.start.output
    if case.train is None:
        return None
    try:
        with unnoticed(), torch.no_grad():
            model = copied(case.setup.model).eval()
            return output_of(model, fitted(case.train.x[:8], model), case.train.named).float()
    except Exception:  # another check says that it raises
        return None


def loss_for(case: Case, scores: Tensor, y: Tensor) -> float | None:
    """The loss of outputs and targets of some form; None where that raises."""
    assert case.setup.loss_fn is not None
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            value = float(torch.as_tensor(case.setup.loss_fn(scores, y)).float().mean())
    except Exception:
        return None
    return value


@check(
    "labels-out-of-range",
    what="labels lie outside the model's outputs",
    why="there is no score for such a class: the loss stops with an error, on a GPU with one that says little",
    phase="start",
    needs=("train",),
    symptom="crash",
    mend="Number classes from 0 to one less than the number of outputs; name the number that stands for 'no label'.",
    code="loss_fn = nn.CrossEntropyLoss(ignore_index=255)  # where 255 stands for no label",
    leads_to=(*CRASHES, "missing-classes", "labels-of-wrong-form"),
)
def labels_out_of_range(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    if train.y is None or train.y.is_floating_point() or train.targets not in ("classes", "masks"):
        return
    scores = output(case)
    if scores is None or scores.dim() < 2 or (train.targets == "masks" and scores.dim() != train.y.dim() + 1):
        return
    if train.targets == "classes" and (scores.dim() != 2 or (train.y.dim() == 2 and train.y.shape[1] > 1)):
        return
    graph = None if case.start is None else case.start.graph
    scored = graph is not None and graph.loss == "nll"
    raised = any("the loss function raises" in each for each in case.crashes)
    if not (scored or raised or (case.setup.loss_fn is None and scores.shape[1] > 1)):
        return
    ignored = getattr(case.setup.loss_fn, "ignore_index", -100)
    y = train.y.reshape(len(train.y), -1)
    kept = y != ignored
    bad = kept & ((y < 0) | (y >= scores.shape[1]))
    if not bool(bad.any()):
        return
    found = torch.unique(y[bad]).tolist()
    low, high = int(y[kept].min()), int(y[kept].max())
    one = low == 1 and high == scores.shape[1]
    odd = train.targets == "masks" or (len(found) == 1 and high - scores.shape[1] > 1)
    yield Seen(
        f"Labels go from {low} to {high}, and the model has {scores.shape[1]} outputs, for 0 to {scores.shape[1] - 1}: "
        f"{', '.join(map(str, found[:6]))} {'has' if len(found) == 1 else 'have'} none.",
        evidence=(Evidence("share of samples with such a label", wilson(int(bad.any(1).sum()), len(y))),),
        mend="Labels begin at 1: take 1 off." if one else None,
        code="y = y - 1" if one else None if odd else f"nn.Linear(features, {high + 1})  # or labels from 0",
        sure=1.0 if scored or raised else 0.8,
    )


def _numbers(y: Tensor) -> Tensor:
    return y.squeeze(1).long()


def _column(y: Tensor) -> Tensor:
    return y[:, None].float()


Form = tuple[str, Callable[[Tensor], Tensor], str]
FORMS: tuple[Form, ...] = (
    ("lie in a column (n, 1) where the loss takes (n,)", lambda y: y.squeeze(1), "y = y.squeeze(1)"),
    ("are one-hot whole numbers where the loss takes class numbers", lambda y: y.argmax(1), "y = y.argmax(1)"),
    ("are floats where the loss takes class numbers", lambda y: y.long(), "y = y.long()"),
    ("are floats in a column where the loss takes class numbers (n,)", _numbers, "y = y.squeeze(1).long()"),
    ("are whole numbers where the loss takes floats", lambda y: y.float(), "y = y.float()"),
    ("have the shape (n,) where the loss takes (n, 1)", lambda y: y[:, None], "y = y.unsqueeze(1)"),
    ("are whole numbers (n,) where the loss takes floats (n, 1)", _column, "y = y.float().unsqueeze(1)"),
)  # fmt: skip


@check(
    "labels-of-wrong-form",
    what="targets have another shape or number type than the loss takes",
    why="the loss stops with an error at the first batch",
    phase="start",
    needs=("train", "loss"),
    symptom="crash",
    mend="Bring targets into the form that the loss takes.",
    leads_to=CRASHES,
)
def labels_of_wrong_form(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    if (
        train.y is None
        or case.start is not None
        or not any("the loss function raises" in each for each in case.crashes)
    ):
        return
    scores = output(case)
    if scores is None:
        return
    y = train.y[: len(scores)].to(scores.device)
    for words, change, code in FORMS:
        try:
            changed = change(y)
        except (RuntimeError, IndexError):
            continue
        lost = changed.is_floating_point() != y.is_floating_point() and bool(
            (changed.float().reshape(-1) != y.float().reshape(-1)).any()
        )
        value = None if lost else loss_for(case, scores, changed)
        if value is not None and math.isfinite(value):
            yield Seen(
                f"Targets {words}: they are {tuple(train.y.shape)} of {str(train.y.dtype).rpartition('.')[2]}, "
                f"outputs are {('n', *scores.shape[1:])}.".replace("'", ""),
                evidence=(Evidence("loss once changed", Number.of(value)),),
                code=code,
                sure=0.97,
            )
            return


@check(
    "softmax-over-one",
    what="a softmax over a single output",
    why="the softmax of one number is 1 whatever the number: the loss is 0, and no gradient comes",
    phase="start",
    needs=("start", "loss"),
    symptom="good",
    mend="Give the model two outputs, or keep one and use the binary cross-entropy.",
    code="loss_fn = nn.BCEWithLogitsLoss(); loss = loss_fn(model(x), y.float().reshape(-1, 1))",
    leads_to=("missing-classes", "labels-constant", "output-clipped", *POOR),
)
def softmax_over_one(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    if start.graph is None or start.output.dim() != 2 or start.output.shape[1] != 1 or 1 not in start.graph.axes:
        return
    if {"Softmax", "LogSoftmax"} & set(start.graph.tail):
        yield Seen(
            f"The model has one output, and the loss takes the softmax over it: the loss is {start.loss or 0:.3g} "
            "whatever the model says.",
            evidence=(Evidence("loss at the start", Number.of(start.loss or 0.0)),),
            sure=1.0,
        )


@check(
    "target-range",
    what="targets lie in another range than the loss or the model expects",
    why="the loss has its minimum elsewhere, or is so large or small that no usual learning rate fits",
    phase="start",
    needs=("train", "start", "loss"),
    symptom="unstable",
    mend="Bring targets into the range of the loss; measured values to mean 0 and deviation 1.",
    code="y = (y - mean) / std  # and back for what is reported",
    thresholds=(
        Threshold("targets over outputs at the start, root mean square", 100.0, "healthy set-ups lie below 10"),
        Threshold("root mean square of measured targets", 100.0, "ages and angles in degrees lie below"),
        Threshold("root mean square of measured targets, small", 1e-3, "its square is lost beside 1"),
    ),
    leads_to=("output-clipped", *POOR),
)
def target_range(case: Case, limits: Limits) -> Iterator[Seen]:
    train, start = case.train, case.start
    assert train is not None
    assert start is not None
    if train.y is None or start.graph is None or not bool(train.y.float().isfinite().all()):
        return
    y, loss = train.y.float(), start.graph.loss
    given = y if start.graph.target is None else start.graph.target.float()  # as the loss takes them
    low, high = float(given.min()), float(given.max())
    if loss in ("bce", "bce_logits"):
        if low < -1e-3 or high > 1 + 1e-3:
            signs = low >= -1.001 and low < 0
            yield Seen(
                f"The binary cross-entropy takes targets from 0 to 1; these go from {low:.4g} to {high:.4g}.",
                evidence=(Evidence("largest target", Number.of(high), limit="from 0 to 1"),),
                mend="Map -1 and 1 to 0 and 1."
                if signs
                else "Divide by the largest value, 255 for masks read as images.",
                code="y = (y + 1) / 2" if signs else f"y = y / {high:.0f}",
                sure=1.0,
            )
        return
    if loss == "soft_margin" and low >= 0:
        yield Seen(
            f"The margin loss takes targets of -1 and 1; these go from {low:.3g} to {high:.3g}, and 0 has no gradient.",
            evidence=(Evidence("smallest target", Number.of(low), limit="-1 and 1"),),
            mend="Map 0 and 1 to -1 and 1.",
            code="y = 2 * y - 1",
            sure=0.97,
        )
        return
    if not (loss in MEASURED or (not loss and train.targets == "values")) or start.loss is None:
        return
    size, out = float(given.square().mean().sqrt()), float(start.output.float().square().mean().sqrt())
    large = limits["root mean square of measured targets"]
    ratio = size / max(out, 1e-9)
    if size > large and ratio > limits["targets over outputs at the start, root mean square"]:
        yield Seen(
            f"Targets are large: {low:.4g} to {high:.4g}, {ratio:,.0f} times the model's first outputs.",
            severity="warning",
            evidence=(Evidence("root mean square of the targets", Number.of(size), limit="above 100"),),
            sure=0.9,
        )
    elif 0 < size < limits["root mean square of measured targets, small"] and ratio < 0.1:
        yield Seen(
            f"Targets are tiny: {low:.3g} to {high:.3g}; to answer 0 is right to {size:.1g} already.",
            severity="warning",
            evidence=(Evidence("root mean square of the targets", Number.of(size), limit="below .001"),),
            sure=0.85,
        )


@check(
    "targets-out-of-reach",
    what="the last activation cannot give the targets",
    why="outputs stop at the end of their range and their gradients vanish there",
    phase="start",
    needs=("train", "start", "loss"),
    symptom="slow",
    mend="Leave the last activation out, or bring the targets into its range.",
    code="model = model[:-1]  # a regression ends in a linear layer",
    thresholds=(Threshold("share of targets outside", 0.02, "rounding and a few odd values"),),
    leads_to=("target-range", "output-clipped", "start-dead", "saturated", *POOR),
)
def targets_out_of_reach(case: Case, limits: Limits) -> Iterator[Seen]:
    train, start = case.train, case.start
    assert train is not None
    assert start is not None
    graph = start.graph
    if graph is None or train.y is None or graph.loss not in (*MEASURED, ""):
        return
    if not graph.loss and train.targets != "values":
        return
    ends = _ends(start)
    if ends is None:
        return
    name, low, high = ends
    y = (train.y if graph.target is None or graph.target.shape[1:] != train.y.shape[1:] else graph.target).float()
    outside = (y < low - 0.01) | (y > high + 0.01)
    share = float(outside.float().mean())
    if share > limits["share of targets outside"]:
        yield Seen(
            f"The model ends in a {name}, which gives {low:g} to {high:g}; {share:.0%} of the targets lie outside "
            f"({float(y.min()):.3g} to {float(y.max()):.3g}).",
            evidence=(Evidence("share of targets outside", Number.of(share), limit="above .02"),),
            sure=0.97,
        )


def _ends(start: Start) -> tuple[str, float, float] | None:
    """The last activation and its range, where nothing but reshaping stands between it and the output."""
    assert start.graph is not None
    names = {"Sigmoid": ("sigmoid", 0.0, 1.0), "Tanh": ("tanh", -1.0, 1.0), "Relu": ("ReLU", 0.0, math.inf)}
    out = start.output.float()
    for each in start.graph.tail:
        if each in names:
            _, low, high = names[each]
            return names[each] if float(out.min()) >= low and float(out.max()) <= high else None
        if each in (*WEIGHTED, "Mul", "Add"):  # scaled on purpose
            return None
    return None


@check(
    "targets-broadcast",
    what="outputs (n, 1) and targets (n,) are paired each with each",
    why="every output is pulled towards all targets at once, so the model learns their mean",
    phase="start",
    needs=("train", "start", "loss"),
    symptom="flat",
    mend="Give outputs and targets one shape.",
    code="loss = loss_fn(model(x).squeeze(1), y)  # or y.unsqueeze(1)",
    cost="the loss of 64 pairs",
    leads_to=POOR,
)
def targets_broadcast(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    y, scores = start.y, start.output
    if y is None or start.loss is None or len(y) < 3 or y.shape == scores.shape or y.numel() != scores.numel():
        return
    graph = start.graph
    if graph is not None and graph.loss == "nll":
        return
    count = min(len(y), PAIRED)
    plain = loss_for(case, scores[:count], y[:count])
    each = [[loss_for(case, scores[i : i + 1], y[j : j + 1]) for j in range(count)] for i in range(count)]
    if plain is None or any(one is None for row in each for one in row):
        return
    table = torch.tensor(each)
    own, every = float(table.diagonal().mean()), float(table.mean())
    mean = math.isclose(plain, every, rel_tol=1e-3) and not math.isclose(plain, own, rel_tol=1e-2)
    added = math.isclose(plain, every * count**2, rel_tol=1e-3) and not math.isclose(plain, own * count, rel_tol=1e-2)
    if mean or added:
        yield Seen(
            f"Outputs are {tuple(scores.shape)} and targets {tuple(y.shape)}: the loss pairs each output with every "
            f"target ({plain:.4g} for {count} samples; paired one to one {own if mean else own * count:.4g}).",
            evidence=(Evidence("pairs", Number.of(y.numel() ** 2), limit=f"{y.numel()} are meant"),),
            sure=1.0,
        )


@check(
    "class-numbers-regressed",
    what="class numbers are learnt as if they were amounts",
    why="a 1 taken for a 7 counts 36 times as much as a 1 taken for a 2, though classes have no order",
    phase="start",
    needs=("train", "start", "loss"),
    symptom="slow",
    mend="Give the model one output a class and use the cross-entropy.",
    code="model = ... nn.Linear(features, classes); loss = F.cross_entropy(model(x), y.long())",
    thresholds=(
        Threshold(
            "neighbours' rounded mean right, over their commonest number", 0.7,
            "digits .2, clothes .4, CIFAR10 .5, shapes .67; ratings, counts and ages 1.02 to 1.3",
        ),
    ),
    cost="one table of distances",
    else_=("ratings or counts that have little to do with the inputs",),
    leads_to=("target-range", "targets-out-of-reach", *POOR),
)  # fmt: skip
def class_numbers_regressed(case: Case, limits: Limits) -> Iterator[Seen]:
    train, start = case.train, case.start
    assert train is not None
    assert start is not None
    if train.y is None or train.y.numel() != len(train) or start.output.numel() != len(start.output):
        return
    graph = start.graph
    if graph is None or graph.loss not in (*MEASURED, "") or not bool(train.x.float().isfinite().all()):
        return
    y = train.y.reshape(-1).double()
    whole = bool((y == y.round()).all()) and bool((y >= 0).all())
    classes = torch.unique(y)
    if not whole or not 3 <= len(classes) <= 50 or float(classes.max()) > 2 * len(classes) or len(y) < 200:
        return
    x = as_given(train.x)
    if float(x.std()) == 0:
        return
    votes = y[nearest(x, x, NEAR, same=True)].long()
    count, commonest = one_hot(votes, int(y.max()) + 1).sum(1).max(1)
    unsure = count <= 8  # where neighbours agree, mean and commonest are the same
    hit = float((commonest == y)[unsure].float().mean())
    if int(unsure.sum()) < 50 or hit == 0:
        return
    ratio = float((votes.double().mean(1).round() == y)[unsure].float().mean()) / hit
    limit = limits["neighbours' rounded mean right, over their commonest number"]
    yield Seen(
        f"Targets are the numbers of {len(classes)} classes, learnt as amounts: where neighbours differ, their mean is "
        f"right {ratio:.2f} times as often as their commonest number.",
        severity="warning" if ratio < limit else "note",
        evidence=(Evidence("mean over commonest number, share right", Number.of(ratio), limit=f"below {limit:g}"),),
        sure=0.85 if ratio < limit else 0.5,
    )


@check(
    "targets-are-inputs",
    what="each symbol of a sequence is to be predicted from itself",
    why="copying the input makes the loss 0, and nothing of the sequence is learnt",
    phase="start",
    needs=("start", "loss"),
    symptom="good",
    mend="Let the targets of a language model be the inputs moved by one.",
    code="x, y = tokens[:, :-1], tokens[:, 1:]",
    thresholds=(Threshold("share of the places", 0.99, "arithmetic; a run of equal symbols lies far below"),),
    else_=("a model whose forward hides or moves what it is to predict", "an autoencoder of symbols"),
    leads_to=("loss-at-start", "too-good", "leak-exact"),
)
def targets_are_inputs(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    target = None if start.graph is None else start.graph.target  # as the loss took it: moved within the loss or not
    x = start.x
    if target is None or x.dim() != 2 or x.is_floating_point() or target.is_floating_point():
        return
    if target.numel() != x.numel() or x.shape[1] < 4 or len(torch.unique(x)) < 4:
        return
    share = float((target.reshape(-1) == x.reshape(-1).to(target.device)).float().mean())
    if share >= limits["share of the places"]:
        yield Seen(
            f"In {share:.0%} of the places of a sequence the target is the very symbol that is given there.",
            severity="warning",
            evidence=(Evidence("share of the places", Number.of(share), limit="at least .99"),),
            sure=0.8,
        )
