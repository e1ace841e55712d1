"""Planted faults of rates, schedules, weight decay, batches and averaged weights."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _rate(times: float) -> Callable[[Plan], None]:
    """Multiplies the rate, as the finding says."""

    def mended(plan: Plan) -> None:
        make = plan.make_optimizers

        def made(model: nn.Module) -> list[torch.optim.Optimizer]:
            every = make(model)
            for each in every:
                for group in each.param_groups:
                    group["lr"] *= times
            return every

        plan.make_optimizers = made

    return mended


def _adam(plan: Plan, **options: object) -> None:
    plan.make_optimizers = lambda model: [torch.optim.AdamW(model.parameters(), lr=0.002, **options)]  # type: ignore[arg-type]


def _plain_adam(plan: Plan) -> None:
    _adam(plan)


@fault("adam-at-one", "rate-too-high", mend=_rate(0.001))
def adam_at_one(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=1.0)]


@fault("adam-at-a-third", "rate-too-high", mend=_rate(0.01))
def adam_at_a_third(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=0.3)]


@fault("sgd-at-twenty", "rate-too-high", mend=_rate(0.005))
def sgd_at_twenty(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=20.0, momentum=0.9)]


@fault("adam-at-a-millionth", "rate-too-low", mend=_rate(1000))
def adam_at_a_millionth(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=1e-6)]


@fault("sgd-at-a-hundred-thousandth", "rate-too-low", mend=_rate(10_000))
def sgd_at_a_hundred_thousandth(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=1e-5)]


@fault("rate-of-zero", "step-changes-nothing")
def rate_of_zero(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=0.0)]


def _per_epoch(plan: Plan) -> None:
    plan.scheduler_each = "epoch"


def _per_step(plan: Plan) -> None:
    plan.scheduler_each = "step"


@fault("step-decay-each-batch", "scheduler-each-step", mend=_per_epoch)
def step_decay_each_batch(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)


@fault("exponential-each-batch", "scheduler-each-step", "rate-collapsed", mend=_per_epoch)
def exponential_each_batch(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.ExponentialLR(optimizer, gamma=0.5)


@fault("cosine-of-epochs-each-batch", "scheduler-each-step", mend=_per_epoch)
def cosine_each_batch(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=plan.epochs)


@fault("decay-by-hand-too-fast", "rate-collapsed")
def decay_by_hand(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.LambdaLR(optimizer, lambda step: 0.4**step)


@fault("one-cycle-each-epoch", "scheduler-each-epoch", mend=_per_step)
def one_cycle_each_epoch(plan: Plan) -> None:
    plan.scheduler_each = "epoch"
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.005, total_steps=steps + 1
    )


@fault("scheduler-forgotten", "scheduler-never-stepped", mend=_per_step)
def scheduler_forgotten(plan: Plan) -> None:
    plan.scheduler_each = "never"
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)


@fault("warm-up-of-a-hundred-epochs", "warm-up-endless")
def warm_up_endless(plan: Plan) -> None:
    plan.make_scheduler = lambda optimizer, steps: lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / (200 * steps)
    )


@fault("weight-decay-of-ten", "weight-decay-too-large", before=True, mend=_plain_adam)
def weight_decay_of_ten(plan: Plan) -> None:
    _adam(plan, weight_decay=10.0)


@fault("weight-decay-in-adam", "weight-decay-too-large", before=True, mend=_plain_adam)
def weight_decay_in_adam(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=0.002, weight_decay=0.5)]


@fault("weight-decay-in-sgd", "weight-decay-too-large", before=True)
def weight_decay_in_sgd(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.2)]


@fault("momentum-of-999", "momentum-too-high", before=True)
def momentum_of_999(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.999)]


@fault("betas-exchanged", "betas-odd", before=True, mend=_plain_adam)
def betas_exchanged(plan: Plan) -> None:
    _adam(plan, betas=(0.999, 0.9))


@fault("second-beta-of-half", "betas-odd", before=True, mend=_plain_adam)
def second_beta_of_half(plan: Plan) -> None:
    _adam(plan, betas=(0.9, 0.5))


@fault("epsilon-of-ten", "epsilon-too-large", before=True, mend=_plain_adam)
def epsilon_of_ten(plan: Plan) -> None:
    _adam(plan, eps=10.0)


def _updated(plan: Plan) -> None:
    plan.average = AveragedModel(plan.model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    plan.after_step = lambda plan: plan.average.update_parameters(plan.model)  # type: ignore[union-attr]


@fault("average-forgotten", "average-never-updated", mend=_updated)
def average_forgotten(plan: Plan) -> None:
    plan.average = AveragedModel(plan.model)


@fault("average-without-copy", "average-is-the-model", mend=_updated)
def average_without_copy(plan: Plan) -> None:
    plan.average = plan.model


@fault("average-too-long", "average-lags", mend=_updated)
def average_too_long(plan: Plan) -> None:
    mean = copy.deepcopy(plan.model)
    plan.average = mean

    def after(plan: Plan) -> None:
        with torch.no_grad():
            for slow, fast in zip(mean.parameters(), plan.model.parameters(), strict=True):
                slow.lerp_(fast, 0.0001)

    plan.after_step = after


def _smaller(plan: Plan) -> None:
    plan.batch = 64


@fault("all-in-one-batch", "full-batch", "batch-too-large", mend=_smaller)
def all_in_one_batch(plan: Plan) -> None:
    plan.batch, plan.drop_last = len(plan.x), False
    plan.epochs = 6


def _larger(plan: Plan) -> None:
    plan.batch, plan.epochs = 32, 12


@fault("single-samples", "batch-of-one", nets=("mlp",), mend=_larger)
def single_samples(plan: Plan) -> None:
    plan.batch, plan.epochs = 1, 1
    plan.x, plan.y = plan.x[:300], plan.y[:300]
