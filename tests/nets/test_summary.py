from __future__ import annotations

import torch
from torch import nn

from striate.core.codec import from_json, to_json
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.payload import Summary
from striate.nets.summary import first_filters, summarise


def test_totals_of_resnet20_are_those_of_the_paper() -> None:
    summary = summarise(load_net("striate/resnet20", weights=False))
    assert summary.totals.parameters == summary.totals.trainable == 269_722
    # Three stages of six convolutions (the first of each new stage has half the inputs), the stem and the head.
    stem, head = 32 * 32 * 27 * 16, 640
    first = 6 * 32 * 32 * 144 * 16
    second = 16 * 16 * 144 * 32 + 5 * 16 * 16 * 288 * 32
    third = 8 * 8 * 288 * 64 + 5 * 8 * 8 * 576 * 64
    assert summary.totals.macs == stem + first + second + third + head
    assert (summary.size, summary.channels, summary.name) == ((32, 32), 3, "striate/resnet20")
    assert summary.sites[0].op == "conv2d"
    assert sum(row.parameters for row in summary.sites) == 269_722


def test_parameters_that_nothing_uses_and_frozen_ones_show_in_the_totals() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    module.register_parameter("unused", nn.Parameter(torch.zeros(10)))
    module[0].weight.requires_grad_(False)
    totals = summarise(Net(module), size=8).totals
    assert (totals.parameters, totals.trainable, totals.buffers) == (112 + 8 + 10, 4 + 8 + 10, 9)
    assert totals.activations == 2 * 4 * 6 * 6


def test_a_summary_goes_through_json_and_back() -> None:
    summary = summarise(load_net("striate/lenet5", weights=False))
    assert from_json(to_json(summary), Summary) == summary


def test_another_size_changes_shapes_and_costs_but_no_parameters() -> None:
    net = load_net("striate/small", weights=False)
    small, large = summarise(net, size=16), summarise(net, size=(32, 64))
    assert small.totals.parameters == large.totals.parameters
    assert small.totals.macs < large.totals.macs
    assert large.sites[0].shape == (24, 16, 32)


def test_first_filters_are_those_that_take_the_image() -> None:
    net = load_net("striate/small", weights=False)
    found = first_filters(net)
    assert found is not None
    assert (found[0], found[1].shape) == ("stem.conv", (24, 3, 5, 5))
    assert torch.equal(found[1], net.module.stem.conv.weight)
    assert not found[1].requires_grad
    templates = first_filters(load_net("striate/linear", weights=False))
    assert templates is not None
    assert templates[1].shape == (10, 1, 28, 28)
    assert first_filters(Net(nn.Sequential(nn.Conv2d(3, 2, 3)), size=8)) is not None
    assert (
        first_filters(Net(nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 2)), channels=3, size=8)) is None
    )
