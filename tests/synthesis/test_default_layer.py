from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.default_layer import default_layer


class Fire(nn.Module):
    """Two branches, joined."""

    def __init__(self, taken: int) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(taken, 4, 1), nn.Conv2d(taken, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x).relu(), self.three(x).relu()], 1)


def test_the_last_block_before_the_maps_shrink_for_the_last_time() -> None:
    module = nn.Sequential(
        Fire(3), nn.MaxPool2d(2), Fire(8), Fire(8), nn.MaxPool2d(2), Fire(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert default_layer(Net(module, size=16)) == "3.cat"
    assert default_layer(load_net("striate/resnet20.random"), 32) == "layer2.2.relu#1"


def test_a_chain_gives_its_last_activation_there_and_a_net_that_never_shrinks_one_at_two_thirds() -> None:
    assert default_layer(load_net("striate/lenet5.random")) == "relu2"
    same = nn.Sequential(*(each for _ in range(6) for each in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())))
    assert default_layer(Net(same, size=8)) == "7"


def test_without_maps_it_is_looked_for_in_two_thirds_of_the_net() -> None:
    assert default_layer(load_net("striate/mlp.random")) == "relu2"
    assert default_layer(Net(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), size=8)) == "1"


def test_a_net_without_layers_has_none() -> None:
    with pytest.raises(StriateError, match="has no layers; accepted: a net with at least one operation"):
        default_layer(Net(nn.Identity(), size=8, channels=3, classes=2))
