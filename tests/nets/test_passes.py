from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.passes import counting, input_gradient


def _net() -> Net:
    return Net(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)), mean=0.5, std=0.5)


def test_forward_passes_are_counted_in_images() -> None:
    net = _net()
    with counting() as passes:
        net(torch.rand(5, 1, 8, 8))
        net(torch.rand(2, 1, 8, 8))
    net(torch.rand(9, 1, 8, 8))
    assert (passes.forward, passes.backward) == (7, 0)


def test_nested_counters_all_count() -> None:
    net = _net()
    with counting() as outer:
        net(torch.rand(1, 1, 8, 8))
        with counting() as inner:
            net(torch.rand(2, 1, 8, 8))
    assert (outer.forward, inner.forward) == (3, 2)


def test_equal_nested_counters_stay_apart() -> None:
    net = _net()
    with counting() as outer:
        with counting() as inner:
            pass
        net(torch.rand(2, 1, 8, 8))
    assert (outer.forward, inner.forward) == (2, 0)


def test_a_backward_counts_once_a_run_of_autograd() -> None:
    net, images = _net(), torch.rand(5, 1, 8, 8, requires_grad=True)
    with counting() as passes:
        logits = net(images)
        torch.autograd.grad(logits[:, 0].sum() + logits.square().sum(), images, retain_graph=True)
        torch.autograd.grad(logits[:, 1].sum(), images)
    assert (passes.forward, passes.backward) == (5, 10)


def test_a_backward_through_a_read_site_counts_once_though_the_output_is_used_too() -> None:
    net, images = _net(), torch.rand(3, 1, 8, 8, requires_grad=True)
    with counting() as passes, net.look(read=["1"], stop=False) as see:
        seen = see(images)
        torch.autograd.grad(seen["1"].sum() + seen.output.sum(), images)
    assert (passes.forward, passes.backward) == (3, 3)


def test_a_pass_that_stops_early_and_its_backward_are_counted() -> None:
    net, images = _net(), torch.rand(3, 1, 8, 8, requires_grad=True)
    with counting() as passes, net.look(read=["0"]) as see:
        torch.autograd.grad(see(images)["0"].sum(), images)
    assert (passes.forward, passes.backward) == (3, 3)


def test_tracing_is_not_counted() -> None:
    net = _net()
    with counting() as passes:
        net.sites((8, 8))
    assert passes.forward == 0


def test_input_gradient_is_that_of_the_sum_and_leaves_no_grad() -> None:
    net, images = _net(), torch.rand(3, 1, 8, 8, requires_grad=True)
    gradient = input_gradient(net(images)[:, 2], images)
    alone = images.detach()[1:2].requires_grad_()
    torch.testing.assert_close(gradient[1:2], torch.autograd.grad(net(alone)[0, 2], alone)[0])
    assert images.grad is None
    assert all(each.grad is None for each in net.parameters())


def test_input_gradient_of_a_score_that_lacks_the_images_is_refused() -> None:
    images = torch.rand(1, 1, 8, 8, requires_grad=True)
    with pytest.raises(StriateError, match="does not depend on the images"):
        input_gradient(torch.ones(3), images)
    with pytest.raises(StriateError, match="does not depend on the images"):
        input_gradient(torch.ones(3, requires_grad=True), images)
    with pytest.raises(StriateError, match="requires_grad"):
        input_gradient(images.sum(), images.detach())
