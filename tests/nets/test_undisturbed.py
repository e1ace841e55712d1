from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed


def _net() -> Net:
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(72, 3)))
    net.module[1].eval()  # a frozen part in a training net
    net.module[4].weight.requires_grad_(False)
    return net


def test_modes_gradients_and_flags_come_back() -> None:
    net = _net()
    gradient = torch.ones_like(net.module[0].weight)
    net.module[0].weight.grad = gradient
    with undisturbed(net):
        assert not any(each.training for each in net.modules())
        assert not any(each.requires_grad for each in net.parameters())
        net.train()
        net.zero_grad()
    assert [each.training for each in net.module] == [True, False, True, True, True]
    assert net.training
    assert net.module[0].weight.grad is gradient
    assert [each.requires_grad for each in net.module[4].parameters()] == [False, True]


def test_buffers_come_back_by_value_and_identity() -> None:
    net = _net()
    mean = net.module[1].running_mean
    with undisturbed(net):
        net.module[1].running_mean.add_(3.0)
        net.module[1].num_batches_tracked = torch.tensor(7)
    assert net.module[1].running_mean is mean
    assert torch.equal(mean, torch.zeros(2))
    assert int(net.module[1].num_batches_tracked) == 0


def test_hooks_added_inside_are_gone_and_those_before_stay() -> None:
    net = _net()
    net.module[0].register_forward_hook(lambda *_: None)
    with undisturbed(net):
        for module in net.modules():
            module.register_forward_hook(lambda *_: None)
            module.register_full_backward_hook(lambda *_: None)
            module.register_forward_pre_hook(lambda *_: None)
    assert [len(each._forward_hooks) for each in net.module] == [1, 0, 0, 0, 0]
    assert not any(each._forward_pre_hooks or each._backward_hooks for each in net.modules())


def test_an_exception_changes_nothing_of_this() -> None:
    net = _net()
    with pytest.raises(ZeroDivisionError), undisturbed(net):
        net.module[1].running_mean.add_(3.0)
        raise ZeroDivisionError
    assert net.module[0].training
    assert torch.equal(net.module[1].running_mean, torch.zeros(2))


def test_nested_blocks_restore_what_each_found() -> None:
    net = _net()
    with undisturbed(net):
        with undisturbed(net):
            pass
        assert not net.training
        assert not any(each.requires_grad for each in net.parameters())
    assert net.training


def test_the_last_thread_out_restores_what_the_first_found() -> None:
    net = _net()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with undisturbed(net):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with undisturbed(net):
        thread.start()
        assert entered.wait(10)
    assert not net.training, "the other thread is still looking"
    leave.set()
    thread.join()
    assert net.training
    assert net.module[0].weight.requires_grad
