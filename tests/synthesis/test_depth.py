"""Which layers show how a net goes, and how deep they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.depth import MOST, layers_of


def names(net: str, side: int) -> list[str]:
    return [layer.name for layer in layers_of(load_net(net), (side, side), ["all"])]


def test_all_goes_through_the_parts_of_a_net_and_ends_at_its_output() -> None:
    assert names("striate/small", 32) == ["stem", "stage1", "stage2", "stage3", "pool", "output"]
    assert names("striate/lenet5.random", 32) == ["relu1", "pool1", "relu2", "pool2", "relu3", "relu4", "output"]
    assert names("striate/resnet20.random", 32) == [
        "relu", "layer1.0", "layer1.1", "layer1", "layer2.0", "layer2.1", "layer2", "layer3.0", "layer3.1", "layer3",
        "mean", "output",
    ]  # fmt: skip


def test_of_many_parts_twelve_stand_at_even_steps_with_the_first_and_the_output() -> None:
    blocks = [nn.Sequential(nn.Conv2d(4 if k else 1, 4, 3, padding=1), nn.ReLU()) for k in range(20)]
    net = Net(nn.Sequential(*blocks, nn.Dropout(), nn.Flatten(), nn.Linear(256, 3)), size=8)
    found = layers_of(net, (8, 8), ["all"])
    assert len(found) == MOST
    assert (found[0].name, found[-2].name, found[-1].name) == ("0", "19", "output")
    steps = torch.tensor([layer.depth for layer in found]).diff()
    assert bool((steps > 0).all())
    assert float(steps.max()) < 0.15


def test_depth_is_the_share_of_operations_done_and_stride_the_pixels_between_units() -> None:
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 2, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)), size=8)
    first, second, last = layers_of(net, (8, 8), ["3", "0", "1", "0"])
    assert [first.depth, second.depth, last.depth] == [0.25, 0.5, 1.0]
    assert [first.stride, second.stride, last.stride] == [2.0, 2.0, 8.0]

    class Tokens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.unfold(x, 4, stride=4).transpose(1, 2).mul(2.0).mean(1)

    tokens = Net(Tokens(), channels=1, size=8, classes=16)
    assert [layer.stride for layer in layers_of(tokens, (8, 8), ["mul", "output"])] == [4.0, 8.0]


def test_a_layer_that_is_not_there_is_refused_with_the_nearest() -> None:
    net = load_net("striate/small")
    with pytest.raises(UnknownNameError, match=r"unknown site 'stage9'.*stage1"):
        layers_of(net, (32, 32), ["stage1", "stage9"])
    with pytest.raises(UnknownNameError, match="unknown site 'all'"):
        layers_of(net, (32, 32), ["all", "stem"])
    with pytest.raises(StriateError, match="no layer"):
        layers_of(net, (32, 32), [])
    with pytest.raises(StriateError, match="the image itself"):
        layers_of(net, (32, 32), ["input"])
