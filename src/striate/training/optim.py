"""Optimizers by recipe: torch's own, on parameters sorted into decayed ones and spared ones."""

from __future__ import annotations

import torch
from torch import nn

from striate.core.errors import RunError

from .recipe import AdamW, Sgd


def build_optimizer(spec: Sgd | AdamW, module: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``spec`` over the parameters of ``module`` that ask for a gradient.

    Source: SGD with Nesterov's momentum as in Sutskever et al. 2013, section 2, in torch's form (the rate multiplies
    the velocity, not the gradient that enters it); AdamW is Loshchilov & Hutter 2019, algorithm 2, with the decay
    multiplied by the rate.

    Raises:
        RunError: No parameter can be trained.
    """
    decayed, spared = split_parameters(module, decay_all=spec.decay_all)
    groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, spec.weight_decay), (spared, 0.0))
        if parameters
    ]
    if not groups:
        raise RunError("the net has no parameter that asks for a gradient", accepted="a net with something to train")
    if isinstance(spec, Sgd):
        nesterov = spec.nesterov and spec.momentum > 0
        return torch.optim.SGD(groups, lr=spec.rate, momentum=spec.momentum, nesterov=nesterov, fused=True)
    betas = (spec.momentum, spec.second_momentum)
    return torch.optim.AdamW(groups, lr=spec.rate, betas=betas, eps=spec.epsilon, fused=True)


def split_parameters(module: nn.Module, *, decay_all: bool = False) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters that weight decay acts on, and those it spares: the ones with at most one axis."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    decayed = [each for each in parameters if decay_all or each.ndim > 1]
    spared = [each for each in parameters if not decay_all and each.ndim <= 1]
    return decayed, spared


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make ``rate`` the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
