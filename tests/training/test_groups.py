"""Groups of parameters: their share of the rate, and when they thaw."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.errors import RunError
from striate.training.groups import Group, divide, thaw
from striate.training.optim import build_optimizer, set_rate
from striate.training.recipe import AdamW, Sgd


def one_step(net: nn.Sequential, optimizer: torch.optim.Optimizer, done: float, rate: float) -> None:
    set_rate(optimizer, rate)
    thaw(optimizer, done)
    optimizer.zero_grad()
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()


def test_plain_sgd_moves_each_group_by_its_share_of_the_rate() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    start = [each.detach().clone() for each in net.parameters()]
    optimizer = build_optimizer(Sgd(rate=1.0, momentum=0.0, weight_decay=0.0), net)
    divide(optimizer, [Group(tuple(net[0].parameters()), share=0.25)])
    one_step(net, optimizer, 0.0, 0.1)
    for before, after, share in zip(start, net.parameters(), (0.25, 0.25, 1.0, 1.0), strict=True):
        assert after.grad is not None
        assert torch.allclose(after, before - 0.1 * share * after.grad, atol=1e-7)


@pytest.mark.parametrize("spec", [Sgd(rate=1.0, weight_decay=0.1), AdamW(rate=1.0, weight_decay=0.1)])
def test_a_group_stays_bit_for_bit_until_it_thaws(spec: Sgd | AdamW) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    first, last = net[0].weight.detach().clone(), net[1].weight.detach().clone()
    optimizer = build_optimizer(spec, net)
    divide(optimizer, [Group(tuple(net[0].parameters()), share=0.5, thaw=0.5)])
    for done in (0.0, 0.25):
        one_step(net, optimizer, done, 0.1)
    assert torch.equal(net[0].weight, first)
    assert not torch.equal(net[1].weight, last)
    one_step(net, optimizer, 0.5, 0.1)
    assert not torch.equal(net[0].weight, first)


def test_every_parameter_keeps_its_decay() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    optimizer = build_optimizer(Sgd(rate=1.0, weight_decay=0.1), net)
    before = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    divide(optimizer, [Group(tuple(net[0].parameters()), share=0.25)])
    after = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    assert before == after


def test_a_group_that_never_thaws_is_refused() -> None:
    with pytest.raises(RunError, match="thaw"):
        Group((), thaw=1.0)
