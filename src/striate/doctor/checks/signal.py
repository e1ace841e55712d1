"""Checks of what flows through an untrained model: activations forwards, gradients back, the first loss."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..start import Layer, Start
from .outputs import cross_entropy
from .wiring import some, weight_of, weighted

SQUASHING = (nn.Tanh, nn.Sigmoid, nn.Hardtanh)


def usable(case: Case) -> Start | None:
    """The start, where inputs and outputs are finite: of others nothing can be said but that."""
    start = case.start
    if start is None or not bool(start.output.isfinite().all()) or not bool(start.x.isfinite().all()):
        return None
    return start


def scaled(start: Start) -> bool:
    """Whether inputs are of the size that initialisations are made for; others make every layer look wrong."""
    return start.x.is_floating_point() and float(start.x.float().square().mean().sqrt()) < 20


@check(
    "output-nan",
    what="the model gives NaN or infinity before the first step",
    why="no gradient of it is a number",
    phase="start",
    needs=("start",),
    symptom="nan",
    mend="Look at the first layer that gives it: a division by 0, a logarithm or root of what is not positive, weights "
    "that are not finite.",
    code="torch.autograd.set_detect_anomaly(True)",
    leads_to=("diverged", "gradients-became-nan", "gradients-not-finite", "loss-at-start", "capacity", "samples-mix"),
)
def output_nan(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    finite = bool(start.output.isfinite().all()) and bool(start.judged.isfinite().all())
    loss = start.loss is None or math.isfinite(start.loss)
    if (finite and loss) or not bool(start.x.isfinite().all()):
        return
    first = next((each.name for each in start.layers if not each.finite), "")
    bad = float((~start.output.isfinite()).float().mean())
    broken = [name for name, each in start.parameters.items() if not bool(each.isfinite().all())]
    where = f", first in the layer {first}" if first else ""
    where = f"; the weights {some(broken)} are not finite" if broken else where
    yield Seen(
        f"The untrained model gives numbers that are not finite ({bad:.0%} of its outputs){where}."
        if not finite
        else "The loss of the untrained model is not finite, its outputs are.",
        evidence=(Evidence("share of outputs that are not finite", Number.of(bad), limit="above 0"),),
        sure=1.0,
    )


@check(
    "start-symmetric",
    what="units begin with equal weights",
    why="equal units get equal gradients and stay equal for ever: a layer of many is worth one",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Draw weights at random; zeros are for biases.",
    code="nn.init.kaiming_normal_(layer.weight)",
    thresholds=(Threshold("share of a layer's units", 0.5, "healthy set-ups lie at 0"),),
    source="Goodfellow, Bengio & Courville 2016, section 8.4",
    leads_to=(
        "capacity", "gradients-vanishing", "activations-vanishing", "start-dead", "loss-at-start", "too-small",
        "activations-exploding", "gradients-exploding", "no-progress",
        "predictions-collapsed", "steps-too-few",
    ),
)  # fmt: skip
def start_symmetric(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    if start.graph is None:
        return
    found: dict[str, float] = {}
    names = {id(each): name for name, each in start.parameters.items()}
    layers = list({id(each.module): each for each in weighted(start)}.values())
    for each in layers:
        weight = weight_of(each)
        grad = start.gradients.get(names.get(id(weight), ""))
        if not weight.requires_grad or grad is None or len(weight) < 2 or weight.numel() / len(weight) < 2:
            continue
        rows = weight.detach().flatten(1).float()
        alike = twins(rows)
        if not bool(rows.any()):  # zeros are outgrown where their gradients differ; not so in the first layer
            alike = twins(grad.flatten(1).float()) if each is not layers[0] else 1.0
        elif each is layers[-1]:
            alike = 0.0  # classes get gradients of their own
        if alike >= limits["share of a layer's units"]:
            found[each.name] = alike
    if found:
        constant = {
            name for name, each in start.parameters.items() if each.dim() > 1 and float(each.detach().std()) == 0
        }
        yield Seen(
            f"{len(found)} of {len(layers)} layers ({some(list(found))}) begin with units of equal weights"
            + (f"; {some(sorted(constant))} hold one number throughout." if constant else "."),
            evidence=(
                Evidence("share of units with an equal twin", Number.of(max(found.values())), limit="at least .5"),
            ),
            sure=0.98,
        )


def twins(rows: Tensor) -> float:
    """Share of rows that equal another one up to rounding."""
    rows = rows[:512] / rows.abs().amax().clamp(min=1e-30)
    apart = torch.cdist(rows, rows, p=float("inf"))
    apart.fill_diagonal_(1.0)
    return float((apart.amin(1) < 1e-5).float().mean())


@check(
    "start-dead",
    what="units give 0 for every image before training begins",
    why="a ReLU that is never above 0 has no slope: it stays so",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Draw biases at 0 and weights by He et al.; bring inputs to mean 0 and deviation 1.",
    code="nn.init.zeros_(layer.bias); nn.init.kaiming_normal_(layer.weight)",
    thresholds=(Threshold("share of a layer's units", 0.8, "healthy set-ups lie below .57"),),
    cost="two passes forward with at most 31 samples",
    source="He et al. 2015, section 2.2; Lu et al. 2020, dying ReLU",
    leads_to=(
        "activations-vanishing", "gradients-vanishing", "capacity", "loss-at-start", "too-small", "no-progress",
        "steps-too-few",
    ),
)  # fmt: skip
def start_dead(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or start.graph is None:
        return
    limit = limits["share of a layer's units"]
    rectified = (nn.ReLU, nn.ReLU6, nn.Threshold)
    found = {each.name: each.dead for each in start.layers if isinstance(each.module, rectified) and each.shape[1] >= 8}
    if not found and start.wires is not None:  # F.relu: counted on fewer samples
        calls = [each for each in start.wires.calls if each.dead is not None and each.shape[1] >= 8]
        found = {f"activation {at + 1}": each.dead for at, each in enumerate(calls) if each.dead is not None}
    dead = {name: share for name, share in found.items() if share >= limit}
    if dead:
        worst = max(dead, key=lambda name: dead[name])
        yield Seen(
            f"In {len(dead)} of {len(found)} ReLU layers most units give 0 for every image "
            f"({worst}: {dead[worst]:.0%}).",
            evidence=(Evidence(f"dead units in {worst}", Number.of(dead[worst]), limit="at least .8"),),
            sure=0.9,
            mend="Prepare inputs as when these weights were trained (size, order of colours, mean, deviation); look "
            "that every weight was loaded." if case.setup.pretrained else None,
            code="" if case.setup.pretrained else None,
        )  # fmt: skip


@check(
    "saturated",
    what="tanh or sigmoid units begin at their limits",
    why="there the slope is nearly 0: no gradient passes",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Draw smaller weights (Glorot & Bengio 2010), and bring inputs to mean 0 and deviation 1.",
    code="nn.init.xavier_uniform_(layer.weight)",
    thresholds=(
        Threshold("share of a layer's values beyond .97", 0.4, "healthy set-ups lie below .05"),
    ),
    source="Glorot & Bengio 2010, section 3.1",
    leads_to=("gradients-vanishing", "gradients-exploding", "activations-exploding", "loss-at-start", "capacity"),
)  # fmt: skip
def saturated(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or not scaled(start) or case.setup.pretrained:
        return
    found = {}
    last = start.layers[-1] if start.layers else None
    for each in start.layers:
        if type(each.module) in SQUASHING and each is not last:
            value = each.values
            full = 2 * value - 1 if isinstance(each.module, nn.Sigmoid) else value
            found[each.name] = float((full.abs() > 0.97).float().mean())
    high = {name: share for name, share in found.items() if share >= limits["share of a layer's values beyond .97"]}
    if high:
        worst = max(high, key=lambda name: high[name])
        yield Seen(
            f"{high[worst]:.0%} of the values of {worst} lie beyond .97 of its range before training.",
            evidence=(Evidence("share beyond .97", Number.of(high[worst]), limit="at least .4"),),
            sure=0.9,
        )


def grown(layers: list[Layer]) -> list[tuple[str, float]]:
    """Names and sizes (root mean square) of what weighted layers give, in their order."""
    return [(each.name, math.hypot(each.mean, each.std)) for each in layers if each.finite]


@check(
    "activations-exploding",
    what="activations grow from layer to layer",
    why="scores are so large from the start that the softmax is certain and wrong, and steps throw the weights about",
    phase="start",
    needs=("start",),
    symptom="unstable",
    mend="Draw weights with the deviation sqrt(2 / inputs) (He et al. 2015), or put norms between layers.",
    code="nn.init.kaiming_normal_(layer.weight)",
    thresholds=(
        Threshold("largest layer's activations, in sizes of the input", 100.0, "healthy set-ups lie below 9"),
    ),
    source="He et al. 2015, section 2.2",
    else_=("weights that were trained before: say so (pretrained=True)",),
    leads_to=("loss-at-start", "gradients-exploding", "diverged", "rate-too-high", "capacity", "too-small",
              "gradients-vanishing", "saturated", "start-dead"),
)  # fmt: skip
def activations_exploding(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or not scaled(start) or case.setup.pretrained:  # trained weights may grow far, as VGG's do
        return
    sizes = grown(weighted(start))
    size = float(start.x.float().square().mean().sqrt())
    if not sizes or size <= 0 or start.graph is None:
        return
    name, largest = max(sizes, key=lambda pair: pair[1])
    ratio = largest / max(size, 0.1)
    if ratio >= limits["largest layer's activations, in sizes of the input"]:
        yield Seen(
            f"Activations are {ratio:,.0f} times as large as the input in {name}.",
            evidence=(Evidence("size of activations over that of the input", Number.of(ratio), limit="at least 100"),),
            sure=0.9,
        )


@check(
    "activations-vanishing",
    what="activations shrink from layer to layer",
    why="the scores are the same for every image, so nothing in the image can be told by them",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Draw weights with the deviation sqrt(2 / inputs) (He et al. 2015), or put norms between layers.",
    code="nn.init.kaiming_normal_(layer.weight)",
    thresholds=(
        Threshold("deviation of the scores between images, in sizes of the input", 1e-4, "healthy ones: above .0007"),
    ),
    source="He et al. 2015, section 2.2; Glorot & Bengio 2010",
    leads_to=("gradients-vanishing", "capacity", "too-small", "no-progress", "predictions-collapsed", "start-dead"),
)
def activations_vanishing(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or start.graph is None or start.output.dim() < 2 or len(start.x) < 4:
        return
    layers = weighted(start)
    if len(layers) < 2 or zero_head(layers[-1]):
        return
    size = float(start.x.float().std(0).square().mean().sqrt()) if start.x.is_floating_point() else 0.0
    apart = float(start.output.float().std(0).square().mean().sqrt())
    if size <= 0:
        return
    ratio = apart / size
    if ratio < limits["deviation of the scores between images, in sizes of the input"]:
        yield Seen(
            f"The scores of different images differ by {apart:.1g}: through {len(layers)} layers what tells images "
            "apart has vanished.",
            evidence=(
                Evidence("deviation between images, in sizes of the input", Number.of(ratio), limit="below .0001"),
            ),
            sure=0.9,
        )


def zero_head(last: Layer) -> bool:
    """Whether the last layer begins at 0, as some do on purpose."""
    return not bool(weight_of(last).detach().any())


def slopes(start: Start) -> list[tuple[str, float]]:
    """Gradient over weight (norms) of each layer's weight that learns, first layer first."""
    names = {id(each): name for name, each in start.parameters.items()}
    out: dict[str, float] = {}
    for each in weighted(start):
        name = names.get(id(weight_of(each)), "")
        grad = start.gradients.get(name)
        norm = float(weight_of(each).detach().float().norm())
        if grad is not None and norm > 0:
            out.setdefault(each.name, float(grad.float().norm()) / norm)
    return list(out.items())


@check(
    "gradients-vanishing",
    what="gradients fade on their way to the first layers",
    why="the first layers hardly move while the last ones learn: deep layers are wasted",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Add skip connections or norms, use ReLU in place of sigmoid or tanh, and draw weights by He et al. 2015.",
    code="x = x + self.block(x)  # nn.BatchNorm2d between convolution and activation",
    thresholds=(
        Threshold("first layer's gradient over weight, in those of the largest layer", 1e-3, "healthy: above .009"),
    ),
    source="Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010; He et al. 2016",
    leads_to=("capacity", "too-small", "no-progress", "rate-too-low"),
)
def gradients_vanishing(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or not scaled(start):
        return
    found = slopes(start)
    layers = weighted(start)
    if len(found) < 3 or zero_head(layers[-1]):
        return
    first = max(value for _, value in found[: max(1, len(found) // 4)])
    name, largest = max(found, key=lambda pair: pair[1])
    ratio = first / largest if largest > 0 else 0.0
    if 0 < ratio < limits["first layer's gradient over weight, in those of the largest layer"]:
        yield Seen(
            f"The gradient of the first layers is {ratio:.1g} times that of {name}, each over its weights "
            f"({len(layers)} layers).",
            severity="warning" if ratio > 1e-5 else "error",
            evidence=(Evidence("gradient of the first layers over the largest", Number.of(ratio), limit="below .001"),),
            sure=0.85,
        )


@check(
    "gradients-exploding",
    what="gradients grow on their way to the first layers",
    why="a step that suits the last layers throws the first ones about",
    phase="start",
    needs=("start", "loss"),
    symptom="unstable",
    mend="Draw weights with the deviation sqrt(2 / inputs), put norms between layers, clip the gradient's norm.",
    code="nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    thresholds=(Threshold("gradient over weight", 3_000.0, "healthy set-ups lie below 250, most below 10"),),
    source="Pascanu, Mikolov & Bengio 2013, section 2",
    leads_to=("diverged", "rate-too-high"),
)
def gradients_exploding(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or not scaled(start) or start.graph is None or start.loss is None:
        return
    found = slopes(start)
    if len(found) < 2 or (start.graph.loss in ("mse", "l1") and start.loss > 100) or start.graph.reduction == "sum":
        return  # targets of another scale, or sums over the batch: not the signal's fault
    name, largest = max(found, key=lambda pair: pair[1])
    if largest >= limits["gradient over weight"]:
        yield Seen(
            f"The gradient of {name} is {largest:,.0f} times as large as its weights.",
            evidence=(Evidence("gradient over weight", Number.of(largest), limit="at least 3000"),),
            sure=0.85,
        )


@check(
    "loss-at-start",
    what="the first loss is not that of a model that knows nothing",
    why="the model begins by being certain and wrong, and spends its first steps on unlearning that",
    phase="start",
    needs=("start", "loss", "classes", "labels"),
    symptom="slow",
    mend="Look at the scale of inputs and of the last layer's weights; a model that knows nothing has the loss ln K.",
    code="nn.init.normal_(model.fc.weight, std=0.01)",
    thresholds=(
        Threshold("times ln K", 8.0, "healthy set-ups lie between .9 and 1.6, MnasNet at 5.5"),
        Threshold("times ln K, for a note", 2.5, "healthy set-ups lie between .9 and 1.6"),
        Threshold("times ln K, at least", 0.3, "healthy untrained set-ups do not lie below .8"),
    ),
    source="the cross-entropy of K equal probabilities",
    else_=("a model that was trained before: say so (pretrained=True)", "labels of a class that is rare"),
    leads_to=("diverged",),
    consequence=True,
)
def loss_at_start(case: Case, limits: Limits) -> Iterator[Seen]:
    start = usable(case)
    if start is None or start.loss is None or start.graph is None or not cross_entropy(start):
        return
    if start.graph.loss != "nll" or start.graph.reduction == "sum" or case.setup.pretrained:
        return
    classes = start.output.shape[1]
    chance = math.log(classes)
    ratio = start.loss / chance
    evidence = (
        Evidence("first loss", Number.of(start.loss)),
        Evidence(f"loss of {classes} equal probabilities", Number.of(chance)),
    )
    if ratio >= limits["times ln K, for a note"]:
        yield Seen(
            f"The first loss is {start.loss:.3g}; a model that knows nothing of {classes} classes has {chance:.3g}.",
            severity="warning" if ratio >= limits["times ln K"] else "note",
            evidence=evidence,
            sure=0.8,
        )
    elif 0 <= ratio < limits["times ln K, at least"]:
        yield Seen(
            f"The first loss is {start.loss:.3g}, far below the {chance:.3g} of a model that knows nothing.",
            severity="note",
            mend="Was the model trained before? Then say so. Otherwise see whether the label is among the inputs.",
            evidence=evidence,
            sure=0.7,
        )
