"""Optimizers by recipe, on parameters sorted into decayed ones and spared ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from striate.core.errors import RunError

from .optimizers import specs
from .optimizers.heavy_ball import HeavyBall
from .optimizers.lion import Lion
from .optimizers.muon import Muon, hidden_matrices
from .optimizers.specs import Optimizer

Groups = list[dict[str, Any]]


def build_optimizer(spec: Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``spec`` over the parameters of ``module`` that ask for a gradient.

    torch's own where it has it, fused where it has that (one pass over the weights instead of several).

    Raises:
        RunError: No parameter can be trained.
    """
    decayed, spared = split_parameters(module, decay_all=spec.decay_all)
    groups: Groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, spec.weight_decay), (spared, 0.0))
        if parameters
    ]
    if not groups:
        raise RunError("the net has no parameter that asks for a gradient", accepted="a net with something to train")
    if getattr(spec, "decay", "plain") == "decoupled":
        groups = [{**group, "weight_decay": 0.0, "decoupled": group["weight_decay"]} for group in groups]
    optimizer = _built(spec, groups, module)
    if any(group.get("decoupled") for group in optimizer.param_groups):
        optimizer.register_step_pre_hook(_shrink)
    return optimizer


def _built(spec: Optimizer, groups: Groups, module: nn.Module) -> torch.optim.Optimizer:  # noqa: PLR0911
    optim = torch.optim
    match spec:
        case specs.Sgd(form="inside"):
            return HeavyBall(groups, lr=spec.rate, momentum=spec.momentum, nesterov=spec.nesterov)
        case specs.Sgd():
            share = 1.0 - spec.momentum if spec.form == "mean" else 1.0  # the mean is that share of the sum
            scaled = [{**group, "share": share} for group in groups]
            nesterov = spec.nesterov and spec.momentum > 0
            rate = spec.rate * share
            return optim.SGD(scaled, lr=rate, momentum=spec.momentum, nesterov=nesterov, fused=True)
        case specs.AdamW() | specs.Adam():
            kind = optim.AdamW if isinstance(spec, specs.AdamW) else optim.Adam
            betas = (spec.momentum, spec.second_momentum)
            return kind(groups, lr=spec.rate, betas=betas, eps=spec.epsilon, fused=True)
        case specs.Adagrad():
            return optim.Adagrad(groups, lr=spec.rate, eps=spec.epsilon, fused=_on_cpu(module) or None)
        case specs.Adadelta():
            return optim.Adadelta(groups, lr=spec.rate, rho=spec.momentum, eps=spec.epsilon)
        case specs.RmsProp():
            return optim.RMSprop(
                groups, lr=spec.rate, alpha=spec.second_momentum, momentum=spec.momentum, eps=spec.epsilon
            )
        case specs.Lion():
            return Lion(groups, lr=spec.rate, betas=(spec.momentum, spec.second_momentum))
        case specs.Muon():
            return _muon(spec, groups, module)
        case specs.Lbfgs():
            return optim.LBFGS(
                [each for group in groups for each in group["params"]],
                lr=spec.rate,
                max_iter=spec.iterations,
                history_size=spec.history,
                line_search_fn="strong_wolfe" if spec.line_search else None,
            )


def _muon(spec: specs.Muon, groups: Groups, module: nn.Module) -> Muon:
    hidden = {id(each) for each in hidden_matrices(module)}
    sorted_out: Groups = []
    for group in groups:
        for orthogonal in (True, False):
            members = [each for each in group["params"] if (id(each) in hidden) is orthogonal]
            share = 1.0 if orthogonal else spec.other_rate / spec.rate
            if members:
                sorted_out.append({**group, "params": members, "orthogonal": orthogonal, "share": share})
    optimizer = Muon(
        sorted_out, lr=spec.rate, momentum=spec.momentum, nesterov=spec.nesterov, iterations=spec.iterations
    )
    set_rate(optimizer, spec.rate)
    return optimizer


def split_parameters(module: nn.Module, *, decay_all: bool = False) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters that weight decay acts on, and those it spares: the ones with at most one axis."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    decayed = [each for each in parameters if decay_all or each.ndim > 1]
    spared = [each for each in parameters if not decay_all and each.ndim <= 1]
    return decayed, spared


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make ``rate``, or a group's ``share`` of it, the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


@torch.no_grad()
def _shrink(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Decoupled decay, before the step: w = w - rate decay w, by the whole rate whatever a group's share."""
    for group in optimizer.param_groups:
        for weight in (each for each in group["params"] if each.grad is not None and group["decoupled"]):
            weight.mul_(1.0 - group["lr"] / group.get("share", 1.0) * group["decoupled"])


def _on_cpu(module: nn.Module) -> bool:
    return all(each.device.type == "cpu" for each in module.parameters())
