"""Checks of optimizers: whose parameters they hold, and numbers of theirs that are rarely meant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from torch import Tensor, nn

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..course import invariant, parameters_of
from .wiring import fresh, weight_of, weighted

USUAL, USUAL_DECOUPLED = 5e-3, 0.3  # decays up to these are in use: where they take too much, the rate is too high


def _several(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _held(case: Case) -> dict[int, Tensor]:
    return {id(each): each for one in case.setup.optimizers for each in parameters_of(one)}


def _left_out(case: Case) -> dict[str, Tensor]:
    """Parameters that a gradient comes to, or would, and that no optimizer holds."""
    held = _held(case)
    start = case.start
    return {
        name: each
        for name, each in case.model.named_parameters()
        if each.requires_grad and id(each) not in held and (start is None or start.gradients.get(name) is not None)
    }


@check(
    "optimizer-foreign",
    what="the optimizer holds parameters of another model: one made before, or the layer that was replaced",
    why="its steps change weights that nothing uses",
    phase="start",
    needs=("optimizer",),
    symptom="flat",
    mend="Make the optimizer last: after the model is made, changed, copied and moved to its device.",
    code="optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)  # after the last change of the model",
    leads_to=(
        "optimizer-missing", "step-changes-nothing", "no-progress", "rate-too-low", "never-stepped", "plateau",
        "gradients-not-cleared", "loss-constant",
    ),
    else_=("a loss function with weights of its own, which the optimizer holds too",),
)  # fmt: skip
def optimizer_foreign(case: Case, limits: Limits) -> Iterator[Seen]:
    own = {id(each) for each in case.model.parameters()}
    inner = getattr(case.setup.loss_fn, "parameters", None)
    if callable(inner):
        own |= {id(each) for each in inner()}
    held = _held(case)
    foreign = [each for key, each in held.items() if key not in own]
    left = _left_out(case)
    if not foreign or not left:
        return
    count = sum(each.numel() for each in left.values())
    total = sum(each.numel() for each in case.model.parameters() if each.requires_grad)
    yield Seen(
        f"The optimizer holds {len(foreign)} of {len(held)} parameters that the model does not have, and "
        f"{_several(list(left))} of the model is held by none.",
        sure=1.0 if len(foreign) == len(held) else 0.9,
        evidence=(
            Evidence("share of the model's weights that no optimizer holds", Number.of(count / max(total, 1))),
            Evidence("parameters of another model in the optimizer", Number.of(len(foreign))),
        ),
    )


@check(
    "optimizer-missing",
    what="trainable parameters that no optimizer holds",
    why="they get gradients and never a step: that part of the model stays as it was drawn",
    phase="start",
    needs=("optimizer",),
    symptom="slow",
    mend="Give the optimizer all parameters, or say that the others are to stay: requires_grad_(False).",
    code="optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)",
    leads_to=("no-progress", "plateau"),
    else_=("another optimizer that was not shown to the doctor", "a trunk that is frozen by leaving it out"),
)
def optimizer_missing(case: Case, limits: Limits) -> Iterator[Seen]:
    left = _left_out(case)
    if not left:
        return
    count = sum(each.numel() for each in left.values())
    total = sum(each.numel() for each in case.model.parameters() if each.requires_grad)
    last = _last_layer(case)
    head = last is not None and last[0] in left and left[last[0]].numel() >= 200 and fresh(last[1])
    yield Seen(
        f"{len(left)} trainable parameters ({count / total:.0%} of the weights) are held by no optimizer: "
        + (f"{last[0]} among them, of the last layer, new as it is." if last and head else f"{_several(list(left))}."),
        severity="error" if head else "note" if case.setup.pretrained else "warning",
        sure=0.9,
        evidence=(Evidence("share of the trainable weights", Number.of(count / total), limit="above 0"),),
    )


def _last_layer(case: Case) -> tuple[str, nn.Module] | None:
    """Name of the weight of the layer that is called last, and the layer; None where no start tells."""
    layers = [] if case.start is None else weighted(case.start)
    if case.start is None or not layers:
        return None
    weight = weight_of(layers[-1])
    name = next((key for key, each in case.start.parameters.items() if each is weight), None)
    return None if name is None else (name, layers[-1].module)


@check(
    "optimizer-holds-twice",
    what="the same parameter stands in two places of the optimizers",
    why="it gets two steps where the others get one",
    phase="start",
    needs=("optimizer",),
    symptom="unstable",
    mend="Let each parameter stand in one group of one optimizer.",
    code="rest = [p for p in model.parameters() if all(p is not q for q in head)]",
)
def optimizer_holds_twice(case: Case, limits: Limits) -> Iterator[Seen]:
    counts = Counter(id(each) for one in case.setup.optimizers for each in parameters_of(one))
    names = [name for name, each in case.model.named_parameters() if counts[id(each)] > 1]
    if names:
        yield Seen(
            f"{len(names)} parameters are held twice: {_several(names)}.",
            severity="warning",
            evidence=(Evidence("parameters that are held twice", Number.of(len(names)), limit="above 0"),),
            sure=1.0,
        )


@check(
    "optimizer-maximizes",
    what="the optimizer was told to make the loss larger (maximize=True)",
    why="each step goes up instead of down",
    phase="start",
    needs=("optimizer",),
    symptom="unstable",
    mend="Leave maximize out, unless the loss is something to be made large.",
    code="optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # no maximize=True",
    leads_to=("diverged", "no-progress", "rate-too-high", "loss-sign", "loss-below-zero", "gradients-not-finite"),
)
def optimizer_maximizes(case: Case, limits: Limits) -> Iterator[Seen]:
    known = case.start is not None and case.start.graph is not None and bool(case.start.graph.loss)
    for one in case.setup.optimizers:
        if any(group.get("maximize") for group in one.param_groups):
            value = case.start.loss if case.start is not None else None
            falls = known and value is not None and value >= 0
            yield Seen(
                f"{type(one).__name__} has maximize=True: it makes the loss larger with each step.",
                severity="error" if falls else "note",
                sure=0.95 if falls else 0.5,
                evidence=() if value is None else (Evidence("loss before the first step", Number.of(value)),),
            )
            return


@check(
    "betas-odd",
    what="Adam's two running means have unusual, or exchanged, lengths",
    why="a first mean that is too long drags old gradients along; a second that is too short makes each step's size "
    "a matter of chance",
    phase="start",
    needs=("optimizer",),
    symptom="unstable",
    mend="Take Adam's own: .9 for the first mean, .999 for the second.",
    code="torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999))",
    source="Kingma & Ba 2015, algorithm 1",
    thresholds=(
        Threshold("first beta", 0.985, "in use are 0 to .95"),
        Threshold("second beta", 0.75, "in use are .9 (adversarial nets) to .9999"),
    ),
    leads_to=("diverged", "no-progress", "loss-spikes"),
)
def betas_odd(case: Case, limits: Limits) -> Iterator[Seen]:
    for one in case.setup.optimizers:
        for group in one.param_groups[:1]:
            betas = group.get("betas")
            if not isinstance(betas, (tuple, list)) or len(betas) < 2:
                continue
            first, second = float(betas[0]), float(betas[1])
            if first < limits["first beta"] and second > limits["second beta"]:
                continue
            swapped = first > second
            yield Seen(
                f"{type(one).__name__}'s betas are ({first:g}, {second:g})"
                + (": they look exchanged." if swapped else "; (.9, .999) is usual."),
                severity="warning",
                sure=0.9 if swapped else 0.7,
                evidence=(
                    Evidence("first beta", Number.of(first), limit="above .985 (in use are 0 to .95)"),
                    Evidence("second beta", Number.of(second), limit="below .75 (in use are .9 and more)"),
                ),
            )


def _roots(case: Case) -> tuple[float, float]:
    """Root mean square of the start's gradients and of the weights, over the matrices that have both."""
    assert case.start is not None
    g2 = w2 = n = 0.0
    for name, each in case.start.parameters.items():
        grad = case.start.gradients.get(name)
        if grad is not None and each.dim() > 1:
            g2 += float(grad.float().square().sum())
            w2 += float(each.detach().float().square().sum())
            n += each.numel()
    return (math.sqrt(g2 / n), math.sqrt(w2 / n)) if n else (0.0, 0.0)


@check(
    "epsilon-too-large",
    what="the small number that Adam adds to its divisor is larger than the gradients themselves",
    why="the division no longer brings gradients to one size: the step is the gradient times rate over epsilon",
    phase="start",
    needs=("optimizer", "start"),
    symptom="slow",
    mend="Leave eps at its default (1e-8), or look why gradients are so small.",
    code="torch.optim.AdamW(model.parameters(), lr=1e-3)  # eps stays 1e-8",
    source="Kingma & Ba 2015, section 2",
    thresholds=(Threshold("times the gradients' root mean square", 10.0, "healthy set-ups lie below 1e-4"),),
    leads_to=("rate-too-low", "no-progress"),
)
def epsilon_too_large(case: Case, limits: Limits) -> Iterator[Seen]:
    gradient, weight = _roots(case)
    for one in case.setup.optimizers:
        group = one.param_groups[0] if one.param_groups else {}
        eps = group.get("eps")
        if not isinstance(eps, (int, float)) or not invariant(one) or not math.isfinite(gradient) or gradient <= 0:
            continue
        if eps > limits["times the gradients' root mean square"] * gradient:
            step = float(group["lr"]) * gradient / eps / max(weight, 1e-12)
            yield Seen(
                f"{type(one).__name__}'s eps is {eps:g}, the gradients' root mean square only {gradient:.1e}.",
                severity="warning" if step < 1e-4 else "note",
                sure=0.85,
                evidence=(
                    Evidence("eps over the gradients' root mean square", Number.of(eps / gradient), limit="above 10"),
                    Evidence("share of the weights that a step changes", Number.of(step), limit="healthy about 1e-3"),
                ),
            )


@check(
    "momentum-too-high",
    what="a momentum so long that each gradient acts for hundreds of steps",
    why="a step of rate r acts like r / (1 - momentum): the loss swings, and answers late",
    phase="start",
    needs=("optimizer",),
    symptom="unstable",
    mend="Take a momentum of .9, or divide the rate by what a longer one multiplies it by.",
    code="torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)",
    source="Sutskever, Martens, Dahl & Hinton 2013, section 3",
    thresholds=(Threshold("momentum", 0.9925, "in use are .9 to .99"),),
    leads_to=("rate-too-high", "diverged", "no-progress", "loss-spikes"),
)
def momentum_too_high(case: Case, limits: Limits) -> Iterator[Seen]:
    for one in case.setup.optimizers:
        group = one.param_groups[0] if one.param_groups else {}
        momentum = group.get("momentum")
        if not isinstance(momentum, (int, float)) or momentum <= limits["momentum"] or group.get("dampening"):
            continue
        times = math.inf if momentum >= 1 else 1 / (1 - momentum)
        yield Seen(
            f"A momentum of {momentum:g} adds up {times:,.0f} gradients: the rate of {group['lr']:g} acts like "
            f"{group['lr'] * times:g}.",
            severity="warning" if momentum < 1 else "error",
            sure=0.85,
            evidence=(Evidence("momentum", Number.of(float(momentum)), limit="above .9925 (in use are .9 to .99)"),),
        )


@check(
    "weight-decay-too-large",
    what="weight decay pulls harder than the loss",
    why="weights shrink to nothing whatever the data say",
    phase="start",
    needs=("optimizer",),
    symptom="flat",
    mend="Take a smaller weight decay: 5e-4 for SGD, .01 to .1 for AdamW.",
    code="torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)",
    source="Loshchilov & Hutter 2019, section 2",
    thresholds=(
        Threshold("share of a weight that decay takes each step", 0.007, "half in 100 steps; in use is up to 2e-3"),
        Threshold("decay over gradient, by their norms", 0.5, "healthy set-ups lie below .1 at the start"),
    ),
    leads_to=("no-progress", "diverged", "plateau", "rate-too-high"),
)  # fmt: skip
def weight_decay_too_large(case: Case, limits: Limits) -> Iterator[Seen]:
    for one in case.setup.optimizers:
        decoupled = any("decoupled_weight_decay" in g and g["decoupled_weight_decay"] for g in one.param_groups)
        decoupled = decoupled or type(one).__name__ in ("AdamW", "Lion", "Muon")
        worst = max(one.param_groups, key=lambda g: float(g.get("weight_decay") or 0.0), default={})
        decay = float(worst.get("weight_decay") or 0.0)
        if decay <= 0:
            continue
        peak = max(float(worst.get(key) or 0.0) for key in ("lr", "initial_lr", "max_lr"))
        momentum = float(worst.get("momentum") or 0.0)
        summed = 1.0 if decoupled else 1 / max(1 - momentum, 1e-6)  # momentum adds up what is part of the gradient
        share = decay * peak * summed if decoupled or not invariant(one) else 0.0
        pull = 0.0 if decoupled or case.setup.pretrained else _pull(case, worst, decay)
        usual = USUAL_DECOUPLED if decoupled else USUAL
        if share > limits["share of a weight that decay takes each step"] and decay > usual:
            yield Seen(
                f"A weight decay of {decay:g} takes half of every weight each {math.log(2) / share:,.0f} steps "
                f"(rate {peak:g}).",
                severity="warning",
                sure=0.9,
                evidence=(
                    Evidence("share of a weight that each step takes", Number.of(share), limit="above .007"),
                    *((Evidence("decay over gradient", Number.of(pull)),) if pull else ()),
                ),
            )
        elif pull > limits["decay over gradient, by their norms"]:
            yield Seen(
                f"A weight decay of {decay:g} pulls {pull:.1f} times as hard as the loss before the first step.",
                severity="warning",
                sure=0.85,
                evidence=(Evidence("decay over gradient, by their norms", Number.of(pull), limit="above .5"),),
            )


def _pull(case: Case, group: dict[str, object], decay: float) -> float:
    """Norm of the decay over that of the start's gradient, for a group's parameters."""
    if case.start is None:
        return 0.0
    held = {id(each) for each in group["params"]}  # type: ignore[attr-defined]
    w2 = g2 = 0.0
    for name, each in case.model.named_parameters():
        grad = case.start.gradients.get(name)
        then = case.start.parameters.get(name)
        if id(each) in held and grad is not None and then is not None:
            w2 += float(then.detach().float().square().sum())
            g2 += float(grad.float().square().sum())
    return decay * math.sqrt(w2 / g2) if g2 > 0 and math.isfinite(g2) else 0.0


@check(
    "weight-decay-on-everything",
    what="a strong weight decay takes biases, and the scales of normalisation, along with the weights",
    why="they hold few numbers and need no restraint; scales that are pulled to nought weaken their layers",
    phase="start",
    needs=("optimizer",),
    symptom="cost",
    mend="Give what has one axis a group of its own without decay.",
    code="one = [p for p in model.parameters() if p.ndim < 2]; rest = [p for p in model.parameters() if p.ndim > 1]\n"
    'torch.optim.AdamW([{"params": rest}, {"params": one, "weight_decay": 0.0}], lr=1e-3, weight_decay=0.05)',
    source="He, Tong et al. 2019, Bag of tricks for image classification, section 3.1",
    thresholds=(Threshold("weight decay", 0.05, "AdamW's own .01 and SGD's 5e-4 are in use on everything"),),
)
def weight_decay_on_everything(case: Case, limits: Limits) -> Iterator[Seen]:
    names = {id(each): name for name, each in case.model.named_parameters() if each.dim() < 2}
    for group in (group for one in case.setup.optimizers for group in one.param_groups):
        decay = float(group.get("weight_decay") or 0.0)
        held = [names[id(each)] for each in group["params"] if id(each) in names]
        if decay >= limits["weight decay"] and len(held) > 1:
            yield Seen(
                f"A weight decay of {decay:g} is put on {len(held)} biases and scales too: {_several(held)}.",
                severity="note",
                sure=1.0,
                evidence=(Evidence("weight decay", Number.of(decay), limit="at least .05"),),
            )
            return
