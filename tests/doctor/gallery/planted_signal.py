"""Planted faults of the signal through an untrained model, and of its size."""

from __future__ import annotations

import torch
from torch import nn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _weighted(plan: Plan) -> list[nn.Module]:
    return [each for each in plan.model.modules() if isinstance(each, nn.Linear | nn.Conv2d)]


def _drawn_anew(plan: Plan) -> None:
    for each in _weighted(plan):
        nn.init.kaiming_normal_(each.weight)  # type: ignore[arg-type]
        if each.bias is not None:
            nn.init.zeros_(each.bias)  # type: ignore[arg-type]


@fault("weights-zero", "start-symmetric", before=True, mend=_drawn_anew)
def weights_zero(plan: Plan) -> None:
    for each in _weighted(plan):
        nn.init.zeros_(each.weight)  # type: ignore[arg-type]


@fault("weights-constant", "start-symmetric", before=True, mend=_drawn_anew)
def weights_constant(plan: Plan) -> None:
    for each in plan.model.parameters():
        nn.init.constant_(each, 0.01)


@fault("hidden-constant", "start-symmetric", before=True, mend=_drawn_anew)
def hidden_constant(plan: Plan) -> None:
    nn.init.constant_(_weighted(plan)[-2].weight, 0.02)  # type: ignore[arg-type]
    nn.init.constant_(_weighted(plan)[-1].weight, 0.02)  # type: ignore[arg-type]
    nn.init.zeros_(_weighted(plan)[-2].bias)  # type: ignore[arg-type]


@fault("units-dead", "start-dead", before=True, mend=_drawn_anew)
def units_dead(plan: Plan) -> None:
    nn.init.constant_(_weighted(plan)[-2].bias, -5.0)  # type: ignore[arg-type]


@fault("weights-too-large", "activations-exploding", before=True, mend=_drawn_anew)
def weights_too_large(plan: Plan) -> None:
    for each in _weighted(plan):
        nn.init.normal_(each.weight, std=10.0 if each.weight[0].numel() < 100 else 1.0)  # type: ignore


@fault("weights-too-small", "activations-vanishing", "gradients-vanishing", before=True, mend=_drawn_anew,
       nets=("mlp",))  # fmt: skip
def weights_too_small(plan: Plan) -> None:
    for each in _weighted(plan):
        nn.init.normal_(each.weight, std=0.0005)  # type: ignore[arg-type]


def _swap_activations(plan: Plan, make: type[nn.Module]) -> None:
    kinds = (nn.ReLU, nn.Sigmoid, nn.Tanh)
    plan.model = nn.Sequential(*[make() if isinstance(each, kinds) else each for each in plan.model])  # type: ignore[union-attr]


def _saturating(plan: Plan) -> None:
    _swap_activations(plan, nn.Tanh)
    for each in _weighted(plan):
        nn.init.normal_(each.weight, std=1.0)  # type: ignore[arg-type]


def _glorot(plan: Plan) -> None:
    for each in _weighted(plan):
        nn.init.xavier_uniform_(each.weight)  # type: ignore[arg-type]


@fault("tanh-saturated", "saturated", before=True, mend=_glorot, nets=("mlp",))
def tanh_saturated(plan: Plan) -> None:
    _saturating(plan)


def _deep(plan: Plan, activation: type[nn.Module], depth: int, *, norm: bool = False) -> None:
    inputs, classes = plan.x[0].numel(), int(plan.y.max()) + 1
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(inputs, 48), activation()]
    for _ in range(depth):
        layers += [nn.Linear(48, 48), *([nn.BatchNorm1d(48)] if norm else []), activation()]
    plan.model = nn.Sequential(*layers, nn.Linear(48, classes))


@fault("sigmoid-deep", "gradients-vanishing", "activations-vanishing", before=True, nets=("mlp",),
       mend=lambda plan: _deep(plan, nn.ReLU, 6, norm=True))  # fmt: skip
def sigmoid_deep(plan: Plan) -> None:
    _deep(plan, nn.Sigmoid, 6)


@fault("plain-too-deep", "gradients-vanishing", "activations-vanishing", before=True, nets=("mlp",))
def plain_too_deep(plan: Plan) -> None:
    _deep(plan, nn.ReLU, 18)


@fault("explodes-by-layer", "activations-exploding", "gradients-exploding", before=True, nets=("mlp",),
       mend=_drawn_anew)  # fmt: skip
def explodes_by_layer(plan: Plan) -> None:
    _deep(plan, nn.ReLU, 8)
    for each in _weighted(plan):
        nn.init.normal_(each.weight, std=0.6)  # type: ignore[arg-type]


@fault("bottleneck-of-one", "too-small", before=True)
def bottleneck_of_one(plan: Plan) -> None:
    layers = list(plan.model)  # type: ignore[arg-type]
    last = layers[-1]
    plan.model = nn.Sequential(*layers[:-1], nn.Linear(64, 1), nn.ReLU(), nn.Linear(1, last.out_features))


@fault("weight-not-finite", "output-nan", before=True, mend=_drawn_anew)
def weight_not_finite(plan: Plan) -> None:
    with torch.no_grad():
        _weighted(plan)[0].weight.view(-1)[3] = float("nan")  # type: ignore[operator,union-attr]
