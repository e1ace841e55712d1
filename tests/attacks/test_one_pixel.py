from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from oracles.attack_exact import best_pixel
from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.nets.net import Net


def linear_net(size: int, seed: int) -> Net:
    """Its classes have weights of mean 0, so that none leads everywhere."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, 4)).double()
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(module[1].weight.shape, generator=generator, dtype=torch.float64)
    module[1].weight.data = weight - weight.mean(1, keepdim=True)
    module[1].bias.data.zero_()
    return Net(module, channels=3, size=size, classes=4).double()


def test_one_pixel_fools_where_and_only_where_some_pixel_can() -> None:
    net = linear_net(12, 0)
    x = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = net(x).argmax(1)
    weight, bias = net.module[1].weight.detach().view(4, 3, 12, 12).numpy(), np.zeros(4)
    exact = [best_pixel(x[k].numpy(), weight, bias, int(y[k])) for k in range(16)]
    found = attack(net, x, y, method="one_pixel", norm=0, radius=1, steps=20)
    assert found.success.tolist() == [lead > 0 for lead in exact]
    assert 3 <= int(found.success.sum()) <= 13
    assert bool((found.distances["0"] <= 1).all())
    lead = found.output.clone().scatter(1, y[:, None], -torch.inf).amax(1) - found.output.gather(1, y[:, None])[:, 0]
    for k in (~found.success).nonzero()[:, 0].tolist():
        assert float(lead[k]) <= exact[k] + 1e-9


def test_more_pixels_fool_more_and_stay_as_many() -> None:
    net = linear_net(12, 3)
    x = torch.rand(12, 3, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = net(x).argmax(1)
    counts = []
    for pixels in (1, 3, 5):
        found = attack(net, x, y, method="one_pixel", norm=0, radius=pixels, steps=6)
        assert float(found.distances["0"].max()) <= pixels
        counts.append(int(found.success.sum()))
    assert counts[0] < counts[1] <= counts[2]


def test_an_image_that_the_first_generation_fools_costs_one_generation() -> None:
    net = linear_net(12, 0)
    x = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = net(x).argmax(1)
    found = attack(net, x, y, method="one_pixel", norm=0, radius=30, steps=3)
    assert found.success.all()
    # no pass for the verdict: the search has seen what it kept; two of four images show whether outputs are random
    assert found.passes["forward"] == 16 + 16 * 400 + 2 * 4


def test_another_norm_than_the_count_of_pixels_is_refused() -> None:
    net = linear_net(12, 0)
    x = torch.full((1, 3, 12, 12), 0.5, dtype=torch.float64)
    with pytest.raises(StriateError, match="norm is inf; accepted: 0"):
        attack(net, x, net(x).argmax(1), method="one_pixel", radius=0.1)
