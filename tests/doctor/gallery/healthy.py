"""Healthy set-ups: on none of them may the doctor raise a warning or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from doctor.gallery.bases import base
from doctor.gallery.plan import Plan

Vary = Callable[[Plan], None]


@dataclass(frozen=True)
class Healthy:
    """One healthy set-up: a base, varied."""

    name: str
    data: str
    net: str
    vary: Vary

    def plan(self, seed: int) -> Plan:
        """The plan, drawn from ``seed``."""
        plan = base(self.data, self.net, seed)
        self.vary(plan)
        return plan


def _as_is(plan: Plan) -> None:
    """Nothing varied."""


def _sgd(plan: Plan) -> None:
    plan.make_optimizers = lambda made: [torch.optim.SGD(made.parameters(), lr=0.05, momentum=0.9)]


def _adamw_warm_up(plan: Plan) -> None:
    plan.make_optimizers = lambda made: [torch.optim.AdamW(made.parameters(), lr=0.002, weight_decay=0.01)]
    plan.make_scheduler = lambda optimizer, steps: torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 10)
    )


def _one_cycle(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.005, total_steps=steps + 1
    )


def _clipped(plan: Plan) -> None:
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 5.0) and None


def _pixels(plan: Plan) -> None:
    low, high = plan.x.min(), plan.x.max()
    plan.x, plan.tx = (plan.x - low) / (high - low), (plan.tx - low) / (high - low)


def _three_classes(plan: Plan) -> None:
    keep, test = plan.y < 3, plan.ty < 3
    plan.x, plan.y, plan.tx, plan.ty = plan.x[keep], plan.y[keep], plan.tx[test], plan.ty[test]
    plan.epochs = 8


HEALTHY: tuple[Healthy, ...] = (
    Healthy("adam, mlp", "digits", "mlp", _as_is),
    Healthy("adam, cnn", "digits", "cnn", _as_is),
    Healthy("sgd with momentum", "digits", "cnn", _sgd),
    Healthy("adamw with warm-up", "digits", "mlp", _adamw_warm_up),
    Healthy("one cycle", "digits", "cnn", _one_cycle),
    Healthy("clipped", "digits", "cnn", _clipped),
    Healthy("pixels in [0, 1]", "digits", "mlp", _pixels),
    Healthy("three classes", "digits", "mlp", _three_classes),
    Healthy("adam, mlp", "FashionMNIST", "mlp", _as_is),
    Healthy("adam, cnn", "FashionMNIST", "cnn", _as_is),
    Healthy("sgd with momentum", "FashionMNIST", "cnn", _sgd),
    Healthy("one cycle", "FashionMNIST", "mlp", _one_cycle),
)
