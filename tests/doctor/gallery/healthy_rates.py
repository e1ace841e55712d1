"""Healthy set-ups: optimizers and schedules in common use."""

from __future__ import annotations

import torch
from torch import Tensor, optim

from doctor.gallery.plan import Plan
from doctor.gallery.varied import Vary, healthy

schedules = optim.lr_scheduler


@healthy("adam", "mlp", digits=0.8, FashionMNIST=0.6, CIFAR10=0.25)
def adam(plan: Plan) -> None:
    """As the base is."""


@healthy("adam", "cnn", digits=0.85, FashionMNIST=0.6, CIFAR10=0.25)
def adam_cnn(plan: Plan) -> None:
    """As the base is."""


def _with(made: type[optim.Optimizer], epochs: int = 4, **options: object) -> Vary:
    def vary(plan: Plan) -> None:
        plan.make_optimizers = lambda model: [made(model.parameters(), **options)]  # type: ignore[call-arg, arg-type]
        plan.epochs = epochs

    return vary


sgd = healthy("sgd", "mlp", digits=0.8, FashionMNIST=0.6)(_with(optim.SGD, 6, lr=0.1))
momentum = healthy("sgd with momentum", "cnn", digits=0.85, FashionMNIST=0.6)(_with(optim.SGD, lr=0.05, momentum=0.9))
nesterov = healthy("sgd with nesterov", "cnn", digits=0.85)(_with(optim.SGD, lr=0.03, momentum=0.9, nesterov=True))
adamw = healthy("adamw", "cnn", digits=0.85, FashionMNIST=0.6)(_with(optim.AdamW, lr=0.002, weight_decay=0.05))
rmsprop = healthy("rmsprop", "mlp", digits=0.8, FashionMNIST=0.6)(_with(optim.RMSprop, lr=0.001))
adagrad = healthy("adagrad", "mlp", digits=0.8)(_with(optim.Adagrad, lr=0.02))
adadelta = healthy("adadelta", "cnn", digits=0.8)(_with(optim.Adadelta, lr=1.0))
nadam = healthy("nadam", "mlp", digits=0.8)(_with(optim.NAdam, lr=0.002))
radam = healthy("radam", "mlp", digits=0.8)(_with(optim.RAdam, 6, lr=0.004))
adamax = healthy("adamax", "mlp", digits=0.8)(_with(optim.Adamax, lr=0.004))
amsgrad = healthy("adam with amsgrad", "cnn", digits=0.85)(_with(optim.Adam, lr=0.002, amsgrad=True))


@healthy("lbfgs with a closure", "mlp", digits=0.8)
def lbfgs(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [
        optim.LBFGS(model.parameters(), lr=0.8, max_iter=4, history_size=8, line_search_fn="strong_wolfe")
    ]
    plan.batch, plan.epochs = 512, 6

    def turn(plan: Plan, x: Tensor, y: Tensor) -> None:
        def closure() -> Tensor:
            plan.clear(plan)
            loss = plan.loss_fn(plan.forward(plan, x), y)
            plan.backward(plan, loss)
            return loss

        plan.optimizers[0].step(closure)

    plan.turn = turn


@healthy("adamw with warm-up", "mlp", digits=0.8, FashionMNIST=0.6)
def warm_up(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01)]
    plan.make_scheduler = lambda each, steps: schedules.LambdaLR(each, lambda step: min(1.0, (step + 1) / 10))


@healthy("warm-up, then cosine", "cnn", digits=0.85, CIFAR10=0.25)
def warm_up_cosine(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [optim.AdamW(model.parameters(), lr=0.004, weight_decay=0.01)]
    plan.make_scheduler = lambda each, steps: schedules.SequentialLR(
        each,
        [schedules.LinearLR(each, 0.01, total_iters=steps // 10), schedules.CosineAnnealingLR(each, steps)],
        [steps // 10],
    )


@healthy("one cycle", "cnn", digits=0.85, FashionMNIST=0.6)
def one_cycle(plan: Plan) -> None:
    plan.make_scheduler = lambda each, steps: schedules.OneCycleLR(each, max_lr=0.005, total_steps=steps + 1)


@healthy("cosine to nearly zero", "mlp", digits=0.8, FashionMNIST=0.6)
def cosine(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]
    plan.make_scheduler = schedules.CosineAnnealingLR


@healthy("a tenth after each third", "cnn", digits=0.85)
def step_down(plan: Plan) -> None:
    plan.epochs, plan.scheduler_each = 6, "epoch"
    plan.make_optimizers = lambda model: [optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]
    plan.make_scheduler = lambda each, steps: schedules.StepLR(each, 2, 0.1)


@healthy("exponential", "mlp", digits=0.8, FashionMNIST=0.6)
def exponential(plan: Plan) -> None:
    plan.scheduler_each = "epoch"
    plan.make_scheduler = lambda each, steps: schedules.ExponentialLR(each, 0.7)


@healthy("reduced on a plateau", "cnn", digits=0.85)
def plateau(plan: Plan) -> None:
    plan.epochs, plan.scheduler_each = 6, "plateau"
    plan.make_scheduler = lambda each, steps: schedules.ReduceLROnPlateau(each, patience=0, factor=0.3)


@healthy("linear to zero", "cnn", digits=0.85)
def linear(plan: Plan) -> None:
    plan.make_scheduler = lambda each, steps: schedules.LinearLR(each, 1.0, 0.0, total_iters=steps)


@healthy("two groups of rates", "cnn", digits=0.85)
def two_groups(plan: Plan) -> None:
    def made(model: torch.nn.Module) -> list[optim.Optimizer]:
        weights = [each for each in model.parameters() if each.dim() > 1]
        rest = [each for each in model.parameters() if each.dim() <= 1]
        return [optim.AdamW([{"params": weights, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}], 0.002)]

    plan.make_optimizers = made


@healthy("an optimizer for trunk and one for head", "cnn", digits=0.85)
def two_optimizers(plan: Plan) -> None:
    def made(model: torch.nn.Module) -> list[optim.Optimizer]:
        trunk, head = model[:-1], model[-1]  # type: ignore[index]
        return [optim.SGD(trunk.parameters(), 0.05, momentum=0.9), optim.Adam(head.parameters(), 0.002)]

    plan.make_optimizers = made
