from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.inside.fields.effective import effective_field, fit_gaussian
from striate.inside.fields.empirical import empirical_field
from striate.inside.fields.partly import in_part
from striate.inside.fields.slide import whole_passes
from striate.inside.units.layers import unit_layer
from striate.nets.net import Net
from striate.nets.passes import counting


def flat(side, *, layers=1, size=41):
    """Convolutions of one channel whose weights are all one."""
    parts = [nn.Conv2d(1, 1, side, padding=side // 2, bias=False) for _ in range(layers)]
    for each in parts:
        nn.init.ones_(each.weight)
    return Net(nn.Sequential(*parts).double(), classes=1, channels=1, size=size, outputs="other")


def test_the_effective_field_of_stacked_boxes_is_the_binomial_kernel() -> None:
    net, layers = flat(3, layers=6), 6
    layer = unit_layer(net, (41, 41), "5")
    found = effective_field(net, torch.rand(2, 1, 41, 41, dtype=torch.float64), layer)
    row = [1.0]
    for _ in range(layers):  # trinomial coefficients
        row = [sum(row[max(0, k - 2) : k + 1]) for k in range(len(row) + 2)]
    kernel = torch.zeros(41, dtype=torch.float64)
    kernel[14:27] = torch.tensor(row, dtype=torch.float64) / 3**layers
    assert torch.allclose(found.map, kernel[:, None] * kernel, atol=1e-12)
    held = [float(kernel[20 - r : 21 + r].sum()) ** 2 for r in range(7)]
    assert found.side == 2 * next(r for r, share in enumerate(held) if share >= 0.9545) + 1
    assert found.side < layer.field[0].size == 13
    assert found.sigma == pytest.approx((math.sqrt(layers * 2 / 3),) * 2, rel=0.05)
    assert found.r2 > 0.999


def test_a_gaussian_is_found_again_off_the_middle() -> None:
    rows, columns = torch.arange(30.0).double(), torch.arange(40.0).double()
    mass = torch.exp(-0.5 * ((rows - 12.3) / 2.5) ** 2)[:, None] * torch.exp(-0.5 * ((columns - 25.1) / 6.0) ** 2)
    sigma, r2 = fit_gaussian(mass)
    assert sigma == pytest.approx((2.5, 6.0), abs=1e-6)
    assert r2 == pytest.approx(1.0)


@pytest.mark.parametrize("side", [5, 9])
def test_occluders_find_the_side_of_an_evenly_weighted_field(side) -> None:
    net = flat(side, size=21)
    layer = unit_layer(net, (21, 21), "0")
    images = torch.zeros(2, 1, 21, 21, dtype=torch.float64)
    found = empirical_field(net, images, layer, 0, [layer.middle()] * 2, patch=5, stride=1)
    assert found.side == pytest.approx(side, abs=2)
    assert float(found.map[0].max()) == 0.0  # beyond the theoretical field nothing moves the unit
    assert found.images == 2


def test_the_loop_over_occluders_can_be_replaced() -> None:
    net = flat(9)
    layer = unit_layer(net, (41, 41), "0")
    image, asked = torch.zeros(1, 1, 41, 41, dtype=torch.float64), []

    def convolved(net, image, slide):
        corners, cover = slide.corners, slide.cover
        asked.append(len(corners))
        values = [torch.zeros(1, dtype=torch.float64)]
        for top, left in corners.tolist():
            whole = image.clone()[0]
            for y in range(cover.shape[1]):
                for x in range(cover.shape[2]):
                    if 0 <= top + y < 41 and 0 <= left + x < 41:
                        whole[top + y, left + x] = cover[0, y, x]
            values.append(whole[16:25, 16:25].sum()[None])
        return torch.stack(values)

    plain, other = (
        empirical_field(net, image, layer, 0, [layer.middle()], patch=5, stride=2, occluded=each)
        for each in (None, convolved)
    )
    assert asked
    assert torch.allclose(plain.map, other.map, atol=1e-12)


def test_a_layer_without_a_window_has_no_field_to_measure() -> None:
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), channels=1, size=8)
    with pytest.raises(StriateError, match="whole image"):
        empirical_field(net, torch.zeros(1, 1, 8, 8), unit_layer(net, (8, 8), "1"), 0, [0])


def test_occluders_computed_in_part_give_what_whole_passes_give() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 4),
        )  # fmt: skip
    net = Net(module, channels=3, size=64).eval()
    image = Rng(1, "image").uniform(torch.arange(1), (3, 64, 64))
    layer = unit_layer(net, (64, 64), "5")
    for place in (layer.middle(), 0, layer.places - 1):  # at the corners the occluder is clipped
        maps, passes = [], []
        for each in (whole_passes(1 << 28), in_part(1 << 28)):
            with counting() as spent:
                maps.append(empirical_field(net, image, layer, 3, [place], patch=11, stride=2, occluded=each).map)
            passes.append(spent.forward)
        assert torch.allclose(maps[0], maps[1], atol=1e-5)
        assert float(maps[0].max()) == 1.0
        assert passes[1] < passes[0] / 2
