"""DeepLIFT: against chains of multipliers written from the paper; its sum on nets with smooth functions and gates."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracles.inside_relevance import MEAN, STD, Skipping, deep_lift
from striate.core.errors import StriateError
from striate.inside.attribution import METHODS
from striate.nets.load import load_net
from striate.nets.net import Net

from .families import family_images, family_net

METHOD = METHODS.load("deep_lift")


def test_contributions_are_chains_of_multipliers():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    # A mean that differs from pixel to pixel: behind it a baseline of one colour has no ties in max pooling.
    mean = MEAN + 0.1 * torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(4))
    net = Net(Skipping().eval(), mean=mean, std=STD).double()
    targets = torch.tensor([0, 2, 3])
    named = torch.tensor([0.2, 0.9, 0.5]).view(3, 1, 1).expand(3, 3, 8, 8)
    for baseline, base in (((0.2, 0.9, 0.5), named), ("mean", images.mean((2, 3), keepdim=True).expand_as(images))):
        maps = METHOD(net, images, targets, baseline=baseline)
        for i in range(3):
            right = deep_lift(net.module, images[i], base[i], int(targets[i]), mean_image=mean.double()).sum(0)
            assert (maps.values[i] - right).abs().max() <= 1e-5 * right.abs().max()
            assert maps.checks[i].holds


@pytest.fixture(autouse=True)
def same_weights():
    """Nets drawn in these tests are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


@pytest.mark.parametrize("family", ["resnet18", "densenet", "mobilenet_v2"])
def test_on_nets_of_rectifiers_the_map_adds_up_to_the_rise(family):
    net, images = family_net(family).float(), family_images(family).float()
    assert METHOD(net, images, torch.tensor([3])).checks[0].holds


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"])
def test_on_nets_with_gates_the_map_adds_up_to_the_rise(name):
    net = load_net(f"torchvision/{name}.random")
    for each in net.modules():  # random weights alone let signals fade, and with them the test
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight)
    maps = METHOD(net, torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([3]))
    assert maps.checks[0].holds
    assert maps.values.any()


class Gate(nn.Module):
    def forward(self, x):
        return torch.stack([(x[:, 0] * x[:, 1]).sum((1, 2)), (x[:, 0] * x[:, 0]).sum((1, 2))], 1)


def test_a_product_is_shared_alike_in_both_orders():
    x = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    net = Net(Gate(), channels=2, classes=2)
    a, b = x[0, 0], x[0, 1]
    first = METHOD(net, x, torch.tensor([0]), baseline=(0.25, 0.5)).values[0]
    assert torch.allclose(first, (a - 0.25) * (b + 0.5) / 2 + (b - 0.5) * (a + 0.25) / 2, atol=1e-6)
    second = METHOD(net, x, torch.tensor([1]), baseline=(0.25, 0.5)).values[0]
    assert torch.allclose(second, a**2 - 0.25**2, atol=1e-6)


@pytest.mark.parametrize("function", [F.silu, F.gelu, torch.sigmoid, F.softplus, F.hardswish, torch.tanh, F.mish])
def test_a_function_of_one_number_gives_its_own_rise(function):
    class Alone(nn.Module):
        def forward(self, x):
            return function(4 * x - 2).sum((1, 2, 3), keepdim=True).flatten(1)

    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    values = METHOD(Net(Alone(), channels=1, classes=1), x, torch.tensor([0, 0]), baseline=0.3).values
    right = function(4 * x - 2) - function(torch.tensor(4 * 0.3 - 2))
    assert torch.allclose(values, right[:, 0], atol=1e-5)


def test_layer_normalisation_is_refused_by_name():
    net = Net(nn.Sequential(nn.Flatten(), nn.LayerNorm(48), nn.Linear(48, 3)), size=4)
    with pytest.raises(StriateError, match=r"is a layer normalisation.*gradient, occlusion"):
        METHOD(net, torch.rand(1, 3, 4, 4), torch.tensor([0]))
