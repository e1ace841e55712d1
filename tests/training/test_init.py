from __future__ import annotations

import torch
from torch import nn

from striate.training.init import he_normal, seeded


def drawn(seed, name="a", step=0):
    with seeded(seed, name, step=step):
        return torch.rand(4).tolist()


def test_draws_hang_on_seed_name_and_step_alone():
    torch.manual_seed(1)
    first = drawn(0)
    torch.manual_seed(2)
    assert drawn(0) == first
    assert len({tuple(drawn(*each)) for each in [(0,), (1,), (0, "b"), (0, "a", 1)]}) == 4


def test_the_global_generator_goes_on_as_if_nothing_had_been():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn(0)
    assert torch.equal(torch.rand(3), expected)


def test_he_normal_has_variance_two_over_fan_in():
    net = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(300, 400), nn.BatchNorm2d(3))
    with seeded(0, "he"):
        he_normal(net)
    for layer, fan_in in ((net[0], 16 * 9), (net[1], 300)):
        count = layer.weight.numel()
        share = layer.weight.double().pow(2).mean().item() * fan_in / 2
        assert abs(share - 1) < 5 * (2 / count) ** 0.5  # the mean of squares of n normals has variance 2 / n
        assert not layer.bias.any()
    assert torch.equal(net[2].weight, torch.ones(3))
