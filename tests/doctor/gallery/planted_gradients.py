"""Planted faults between backward and step, and of what the optimizers hold."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan, _backward, _step, _zero


def _cleared(plan: Plan) -> None:
    plan.clear = _zero


def _own(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.AdamW(model.parameters(), lr=1e-3)]


def _plain(plan: Plan) -> None:
    plan.backward, plan.before_step, plan.step = _backward, lambda plan: None, _step


def _scaled_step(scaler: torch.amp.GradScaler) -> Callable[[Plan], None]:
    def step(plan: Plan) -> None:
        scaler.step(plan.optimizers[0])
        scaler.update()

    return step


def _half(plan: Plan, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.float16):
        return plan.model(x)


@fault("gradients-not-cleared", mend=_cleared)
def gradients_not_cleared(plan: Plan) -> None:
    plan.clear = lambda plan: None


def _halved(plan: Plan) -> None:
    plan.backward = lambda plan, loss: (loss / 4).backward()


@fault("accumulated-unscaled", mend=_halved)
def accumulated_unscaled(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]
    plan.batch = 16
    plan.clear = lambda plan: _zero(plan) if plan.count % 4 == 0 else None
    plan.step = lambda plan: _step(plan) if plan.count % 4 == 3 else None


@fault("no-step", "never-stepped", mend=_plain)
def no_step(plan: Plan) -> None:
    plan.step = lambda plan: None


@fault("no-backward", "never-stepped", "step-changes-nothing", mend=_plain)
def no_backward(plan: Plan) -> None:
    plan.backward = lambda plan, loss: None


@fault("another-model-trained", "never-stepped")
def another_model_trained(plan: Plan) -> None:
    twin = copy.deepcopy(plan.model)
    used = torch.optim.Adam(twin.parameters(), lr=0.002)
    plan.forward = lambda plan, x: twin(x)
    plan.clear, plan.step = lambda plan: used.zero_grad(), lambda plan: used.step() and None
    plan.test_epoch = lambda loader: None  # type: ignore[method-assign]


@fault("optimizer-of-the-old-model", "optimizer-foreign", before=True, mend=_own)
def optimizer_of_the_old_model(plan: Plan) -> None:
    old = plan.model
    plan.model = copy.deepcopy(old)
    plan.make_optimizers = lambda model: [torch.optim.Adam(old.parameters(), lr=0.002)]


@fault("head-replaced-after-optimizer", "optimizer-foreign", before=True, mend=_own)
def head_replaced_after_optimizer(plan: Plan) -> None:
    made = torch.optim.Adam(plan.model.parameters(), lr=0.002)
    assert isinstance(plan.model, nn.Sequential)
    last = plan.model[-1]
    assert isinstance(last, nn.Linear)
    plan.model[-1] = nn.Linear(last.in_features, last.out_features)
    plan.make_optimizers = lambda model: [made]


@fault("only-the-head-in-the-optimizer", "optimizer-missing", before=True, mend=_own)
def only_the_head(plan: Plan) -> None:
    assert isinstance(plan.model, nn.Sequential)
    head = plan.model[-1]
    plan.make_optimizers = lambda model: [torch.optim.Adam(head.parameters(), lr=0.002)]


@fault("two-optimizers-one-model", "optimizer-holds-twice", before=True, mend=_own)
def two_optimizers(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [
        torch.optim.Adam(model.parameters(), lr=0.002),
        torch.optim.Adam(model[-1].parameters(), lr=0.002),  # type: ignore[index]
    ]


@fault("maximize", "optimizer-maximizes", before=True, mend=_own)
def maximize(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.Adam(model.parameters(), lr=0.002, maximize=True)]


@fault("cleared-before-step", "gradients-cleared-early", mend=_plain)
def cleared_before_step(plan: Plan) -> None:
    plan.before_step = _zero


@fault("negated-loss", "loss-sign", before=True, mend=lambda plan: setattr(plan, "loss_fn", nn.CrossEntropyLoss()))
def negated_loss(plan: Plan) -> None:
    plan.loss_fn = lambda output, y: -nn.functional.cross_entropy(output, y)


@fault("negated-backward", "loss-below-zero", mend=_plain)
def negated_backward(plan: Plan) -> None:
    plan.backward = lambda plan, loss: (-loss).backward()


@fault("one-minus-loss", "loss-sign", before=True, mend=lambda plan: setattr(plan, "loss_fn", nn.CrossEntropyLoss()))
def one_minus_loss(plan: Plan) -> None:
    plan.loss_fn = lambda output, y: 1 - nn.functional.cross_entropy(output, y)


@fault("summed-loss", "loss-reduction", before=True, mend=lambda plan: setattr(plan, "loss_fn", nn.CrossEntropyLoss()))
def summed_loss(plan: Plan) -> None:
    plan.loss_fn = nn.CrossEntropyLoss(reduction="sum")
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]


@fault(
    "summed-by-hand", "loss-reduction", before=True, mend=lambda plan: setattr(plan, "loss_fn", nn.CrossEntropyLoss())
)
def summed_by_hand(plan: Plan) -> None:
    plan.loss_fn = lambda output, y: -torch.log_softmax(output, 1)[torch.arange(len(y)), y].sum()
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05)]


@fault("loss-of-the-targets", "loss-constant", "step-changes-nothing")
def loss_of_one_output(plan: Plan) -> None:
    plan.loss_fn = lambda output, y: nn.functional.cross_entropy((output * 0).detach() + 0 * output, y)


def _usual_clip(plan: Plan) -> None:
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 2.0) and None


@fault("clipped-to-nothing", "clipping-always", mend=_usual_clip)
def clipped_to_nothing(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 0.005) and None


@fault("values-clipped-to-nothing", "clipping-always", mend=_usual_clip)
def values_clipped(plan: Plan) -> None:
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]
    plan.before_step = lambda plan: nn.utils.clip_grad_value_(plan.model.parameters(), 1e-5)


@fault("scaler-without-its-step", "gradients-still-scaled", mend=_plain)
def scaler_without_its_step(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu")
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)]
    plan.backward = lambda plan, loss: scaler.scale(loss).backward()


def _unscaled_first(plan: Plan) -> None:
    clip = plan.before_step
    scaler = plan.scaler  # type: ignore[attr-defined]

    def before(plan: Plan) -> None:
        scaler.unscale_(plan.optimizers[0])
        clip(plan)

    plan.before_step = before


@fault("clipped-while-scaled", "clipped-before-unscaling", mend=_unscaled_first)
def clipped_while_scaled(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu")
    plan.scaler = scaler  # type: ignore[attr-defined]
    plan.make_optimizers = lambda model: [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]
    plan.backward = lambda plan, loss: scaler.scale(loss).backward()
    plan.before_step = lambda plan: nn.utils.clip_grad_norm_(plan.model.parameters(), 1.0) and None
    plan.step = _scaled_step(scaler)


def _usual_scaler(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu")
    plan.backward = lambda plan, loss: scaler.scale(loss).backward()
    plan.step = _scaled_step(scaler)


@fault("scaler-grows-each-step", "amp-skips", mend=_usual_scaler)
def scaler_grows_each_step(plan: Plan) -> None:
    scaler = torch.amp.GradScaler("cpu", growth_interval=1)
    plan.forward = lambda plan, x: _half(plan, x).float()
    plan.backward = lambda plan, loss: scaler.scale(loss).backward()
    plan.step = _scaled_step(scaler)


@fault(
    "float16-without-scaler", "amp-unscaled", mend=lambda plan: setattr(plan, "forward", lambda plan, x: plan.model(x))
)
def float16_without_scaler(plan: Plan) -> None:
    plan.forward = lambda plan, x: _half(plan, x).float()


@fault("root-of-nothing", "gradients-became-nan")
def root_of_nothing(plan: Plan) -> None:
    for name, each in plan.model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(each)
    model = plan.model
    plan.loss_fn = lambda output, y: (
        nn.functional.cross_entropy(output, y) + 1e-4 * sum(each.square().sum().sqrt() for each in model.parameters())
    )


@fault("backward-twice", mend=_plain)
def backward_twice(plan: Plan) -> None:
    def backward(plan: Plan, loss: Tensor) -> None:
        loss.backward(retain_graph=True)
        loss.backward()

    plan.backward = backward


@fault("root-of-nothing-in-the-model", "gradients-not-finite", before=True)
def root_in_the_model(plan: Plan) -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / (1 + (x * 0).square().sum(1, keepdim=True).sqrt())

    plan.model = nn.Sequential(*plan.model, Scaled())  # type: ignore[misc]
