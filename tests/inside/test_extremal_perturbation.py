"""Extremal perturbation: the smooth mask beside slow loops, the area, a planted place, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from oracles import inside_paths as slow
from striate.core.errors import StriateError
from striate.imageopt.canvas import Spread
from striate.imageopt.objective import ranked_area
from striate.inside.attribution.extremal_perturbation import extremal_perturbation
from striate.nets.net import Net


@pytest.mark.parametrize(("size", "cell", "width"), [((12, 8), 4, 5.0), ((5, 6), 1, 2.0)])
def test_the_smooth_mask_equals_loops(size, cell, width):
    spread = Spread(size, cell, width)
    free = torch.rand(1, *spread.cells, generator=torch.Generator().manual_seed(0))
    finer, reach = min(2, cell), 1 + math.ceil(width / cell)
    found = spread.coarse(free)[0].numpy()
    for y, x in np.ndindex(found.shape):
        place = ((y + 0.5) * cell / finer, (x + 0.5) * cell / finer)
        row, column = y // finer, x // finer
        heights = []
        for i in range(row - reach, row + reach + 1):
            for j in range(column - reach, column + reach + 1):
                inside = 0 <= i < spread.cells[0] and 0 <= j < spread.cells[1]
                number = float(free[0, i, j]) if inside else 0.0
                away = math.hypot(place[0] - (i + 0.5) * cell, place[1] - (j + 0.5) * cell)
                heights.append(number * math.exp(-2 * max(0.0, away / width - 0.5) ** 2))
        assert abs(found[y, x] - slow.smooth_max(np.array(heights), 0.05)) < 1e-5
    assert spread(free).shape == (1, *size)


def test_ranked_area_is_the_mean_squared_distance_from_that_share_of_ones():
    class Seen:
        images = torch.zeros(2, 1, 2, 4)
        rows = torch.arange(2)

        def __getitem__(self, site):
            return torch.tensor([[0.1, 1.0, 0.0, 0.7, 0.2, 0.0, 0.0, 0.9], [0, 1.0, 0, 0, 0, 1.0, 0, 0]]).view(2, 2, 4)

    found = ranked_area(lambda free: free, 0.25)(Seen())
    assert torch.allclose(found, torch.tensor([(0.01 + 0.49 + 0.04 + 0.01) / 8, 0.0]))


def test_the_place_that_counts_is_shown(photos):
    class Corner(nn.Module):
        def forward(self, images):
            value = (images[:, :, 2:6, 9:13] - 0.5).abs().mean((1, 2, 3))
            return 9 * torch.stack([value, -value], 1)

    maps = extremal_perturbation(Net(Corner(), channels=3, classes=2), photos, torch.zeros(4, dtype=torch.int64))
    inside = maps.values[:, 2:6, 9:13].sum((1, 2)) / maps.values.sum((1, 2))
    assert (inside > 3 * 16 / 256).all()
    assert maps.values.min() >= 0
    assert maps.values.max() <= 1
    assert all(check.holds for check in maps.checks)


def test_an_area_that_is_not_met_fails_the_check(net, photos):
    maps = extremal_perturbation(net, photos, torch.tensor([0, 3, 1, 4]), steps=1)
    assert not any(check.holds for check in maps.checks)
    left_out = extremal_perturbation(net, photos, torch.tensor([0, 3, 1, 4]), steps=1, check=False)
    assert left_out.values.equal(maps.values)
    assert all(check.holds is None for check in left_out.checks)


@pytest.mark.parametrize(
    ("options", "message"), [({"area": 0.0}, "area is 0"), ({"area": 1.0}, "area is 1"), ({"steps": 0}, "steps is 0")]
)
def test_what_makes_no_sense_is_refused(options, message, net, photos):
    with pytest.raises(StriateError, match=message):
        extremal_perturbation(net, photos, torch.tensor([0, 1, 2, 3]), **options)
