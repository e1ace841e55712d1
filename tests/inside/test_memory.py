"""What methods and measures hold at once stays within the memory that they are given, whatever the number of images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.inside.attribution import METHODS
from striate.inside.faithfulness import MEASURES
from striate.nets.net import Net

from .live import LiveBytes

SIDE, COUNT = 32, 16
BUDGETS = (1 << 20, 3 << 20)
GIVEN = {"integrated_gradients": {"steps": 6}, "smooth_grad": {"samples": 6}, "var_grad": {"samples": 6}}
UNCHECKED = ("gradient", "gradient_x_input", "grad_cam", "integrated_gradients")  # a check may copy the net
WALKS = (*UNCHECKED, "guided_backprop", "deconvnet", "smooth_grad", "var_grad")
JUDGES = ("deletion", "insertion", "pixel_flipping", "road")


@pytest.fixture
def net():
    """Maps that weigh much and filters that weigh little."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(16, 24, 3, stride=2), nn.ReLU()]
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5))
    return Net(module.to(memory_format=torch.channels_last).eval(), size=SIDE)


@pytest.fixture
def images():
    return torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


def test_live_bytes_are_counted_exactly_through_a_backward_pass():
    leaf = torch.ones(1000, requires_grad=True)
    with LiveBytes() as live:
        made = (leaf * 2).exp()  # the product is let go where autograd does not need it: exp keeps its own result
        made.add(1).sum().backward()
    assert 2 * 4000 <= live.peak <= 4 * 4000
    with LiveBytes() as live:
        for _ in range(10):
            torch.zeros(1000)
    assert live.peak == 4000


@pytest.mark.parametrize("method", WALKS)
def test_the_maps_of_many_images_are_made_within_the_budget(method, net, images):
    run, options = METHODS.load(method), dict(GIVEN.get(method, {}))
    options |= {"check": False} if method in UNCHECKED else {}
    targets = torch.arange(COUNT) % 5
    run(net, images[:2], targets[:2], **options)  # the net's trace is found once, on one image
    for budget in BUDGETS:
        with LiveBytes() as live:
            maps = run(net, images, targets, memory=budget, **options)
        assert live.peak - 2 * maps.values.nbytes <= budget, budget  # the maps, in parts and together


@pytest.mark.parametrize("measure", JUDGES)
def test_maps_of_many_images_are_judged_within_the_budget(measure, net, images):
    options = {} if measure == "road" else {"steps": 12}
    maps, targets = images.sum(1), torch.arange(COUNT) % 5
    for budget in BUDGETS:
        with LiveBytes() as live:
            MEASURES.load(measure)(net, images, targets, maps, memory=budget, **options)
        assert live.peak <= budget + 16 * maps.nbytes, budget  # orders of all pixels as int64, another image of each
