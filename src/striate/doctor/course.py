"""The course of a run in a few numbers: where its loss began and ended, how far its weights went, its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

import torch
from torch import Tensor, nn

from .case import Case

INVARIANT = (
    "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adafactor", "Rprop", "Lion",
    "LAMB", "Lamb", "LARS", "Lars", "Muon",
)  # fmt: skip


def begun(losses: Sequence[float]) -> float:
    """Where a loss began: the median of the first twentieth of its steps, at least three."""
    return median(losses[: max(3, len(losses) // 20)])


def ended(losses: Sequence[float]) -> float:
    """Where it ended: the median of the last eighth, at least five."""
    return median(losses[-max(5, len(losses) // 8) :])


def finite(losses: Sequence[float]) -> list[float]:
    """Those that are numbers."""
    return [each for each in losses if math.isfinite(each)]


def steps_an_epoch(case: Case) -> float | None:
    """Steps of the optimizer that one pass over the training data takes; None where that is not known."""
    if case.trace is None or not case.trace.steps or case.train is None or not case.train.total:
        return None
    batches = [each.batch * max(1, each.passes) for each in case.trace.steps if each.batch]
    if not batches:
        return None
    return max(1.0, case.train.total / median(batches))


def matrices(case: Case) -> list[str]:
    """Names of the parameters with two axes or more: the weights of convolutions and linear layers."""
    return [name for name, each in case.model.named_parameters() if each.dim() > 1]


def ratio(case: Case) -> float | None:
    """Median over layers, then over the steps that were looked into, of a step's change over the weights' norm."""
    if case.trace is None:
        return None
    names, found = set(matrices(case)), []
    for probe in case.trace.probes:
        values = [value for name, value in probe.ratios().items() if name in names and math.isfinite(value)]
        if values:
            found.append(median(values))
    return median(found) if found else None


def pairs(case: Case) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Each trainable parameter: its name, its value before the run and its value now; needs the start."""
    if case.start is None:
        return
    before = case.start.parameters
    for name, now in case.model.named_parameters():
        then = before.get(name)
        if now.requires_grad and then is not None and then.shape == now.shape:
            yield name, then.detach().to(now.device), now.detach()


def moved(case: Case) -> float | None:
    """Norm of all that changed in the trainable weights over their norm before; None without the start."""
    with torch.no_grad():
        far = size = 0.0
        for _, then, now in pairs(case):
            far += float((now.float() - then.float()).square().sum())
            size += float(then.float().square().sum())
    return math.sqrt(far / size) if size > 0 else None


def ignorance(case: Case) -> float | None:
    """The cross-entropy of one who gives every class the same chance, where that is the loss; else None."""
    graph = case.start.graph if case.start is not None else None
    return math.log(case.classes) if graph is not None and graph.loss == "nll" and case.classes > 1 else None


def knows(case: Case, loss: float) -> bool:
    """Whether a loss is that of a model that was trained already: far below that of one who does not know."""
    bound = ignorance(case)
    return case.setup.pretrained or (bound is not None and loss < 0.7 * bound)


def invariant(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer's step is the same when all gradients are multiplied by one number."""
    return type(optimizer).__name__.startswith(INVARIANT)


def rivals(case: Case) -> bool:
    """Whether several nets are trained against each other, so that no loss has to fall."""
    names = {name for name, _ in case.model.named_children()}
    return len(case.setup.optimizers) > 1 or bool(names & {"discriminator", "critic"}) or _through_another(case)


def _through_another(case: Case) -> bool:
    """Whether the loss goes through parameters that learn elsewhere, as a generator's goes through its judge."""
    if case.trace is None:
        return False
    known = {id(each) for each in case.model.parameters()}
    known |= {id(each) for one in case.setup.optimizers for each in parameters_of(one)}
    inner = getattr(case.setup.loss_fn, "parameters", None)
    known |= {id(each) for each in inner()} if callable(inner) else set()
    reached = [each.graph.reached for each in case.trace.probes if each.graph is not None]
    ours = [each for each in reached if not each.isdisjoint(known)]
    return bool(ours) and all(bool(each - known) for each in ours)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Every parameter that an optimizer holds, those of all groups."""
    return [each for group in optimizer.param_groups for each in group["params"]]
