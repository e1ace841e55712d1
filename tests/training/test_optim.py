from __future__ import annotations

import pytest
import torch
from torch import nn

from oracles.train_rules import adamw, sgd
from striate.core.errors import RunError
from striate.training.optim import build_optimizer, set_rate, split_parameters
from striate.training.recipe import AdamW, Sgd

GRADIENT = [0.5, -1.0, 0.25, 0.75, -0.125, 2.0]
RATES = [0.1, 0.2, 0.3, 0.2, 0.1, 0.05]


def trained(spec, start):
    """A weight of one entry after the steps of GRADIENT at RATES, in float64."""
    net = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        net.weight.fill_(start)
    optimizer = build_optimizer(spec, net)
    for raw, rate in zip(GRADIENT, RATES, strict=True):
        set_rate(optimizer, rate)
        net.weight.grad = torch.full_like(net.weight, raw)
        optimizer.step()
    return net.weight.item()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_the_papers_with_decay_in_the_gradient(momentum, nesterov):
    spec = Sgd(0.1, momentum=momentum, nesterov=nesterov, weight_decay=0.01)
    expected = sgd(1.5, GRADIENT, RATES, momentum=momentum, nesterov=nesterov and momentum > 0, decay=0.01)
    assert trained(spec, 1.5) == pytest.approx(expected, rel=1e-12)


def test_adamw_is_the_papers_with_decay_apart_from_the_gradient():
    spec = AdamW(0.1, momentum=0.8, second_momentum=0.95, epsilon=1e-3, weight_decay=0.1)
    expected = adamw(1.5, GRADIENT, RATES, beta1=0.8, beta2=0.95, epsilon=1e-3, decay=0.1)
    assert trained(spec, 1.5) == pytest.approx(expected, rel=1e-12)


def test_weight_decay_spares_biases_and_normalisation():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    decayed, spared = split_parameters(net)
    assert [tuple(each.shape) for each in decayed] == [(2, 1, 3, 3), (3, 2)]
    assert len(spared) == 4
    assert all(each.ndim == 1 for each in spared)
    optimizer = build_optimizer(Sgd(0.1, weight_decay=0.3), net)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]
    everything = build_optimizer(AdamW(0.1, weight_decay=0.3, decay_all=True), net)
    assert [group["weight_decay"] for group in everything.param_groups] == [0.3]


def test_frozen_parameters_are_left_out():
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    optimizer = build_optimizer(Sgd(0.1), net)
    assert [each for group in optimizer.param_groups for each in group["params"]] == [net.weight]
    with pytest.raises(RunError, match="no parameter"):
        build_optimizer(Sgd(0.1), nn.Linear(2, 2).requires_grad_(False))
