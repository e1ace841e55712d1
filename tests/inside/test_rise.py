"""RISE: its expectation on a linear model, its masks, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from oracles import inside_paths as slow
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.inside.attribution.rise import Masks, enlargement, rise
from striate.nets.net import Net


class Sum(nn.Module):
    """A weighted sum of the pixels, far from zero, and its negative."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images):
        value = (images[:, 0] * self.weight).sum((1, 2)) + 30
        return torch.stack([value, -value], 1)


def test_of_a_linear_model_it_is_unbiased():
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    net, image = Net(Sum(weight), channels=1, classes=2), torch.full((1, 1, 8, 8), 0.75)
    expected = slow.rise_of_linear((weight * (0.75 - 0.25)).double().numpy(), 2, 0.3, slow.enlarge_loops(3, 4), 4)
    maps = torch.stack(
        [
            rise(net, image, torch.tensor([0]), samples=500, cells=2, shown=0.3, baseline=0.25, seed=seed).values[0]
            for seed in range(20)
        ]
    ).double()
    error = maps.std(0) / 20**0.5
    assert (((maps.mean(0) - torch.from_numpy(expected)) / error).abs() < 4.5).all()
    assert error.norm() < 0.1 * np.linalg.norm(expected)


def test_masks_are_in_range_with_the_mean_that_was_asked_for():
    draw = Masks((12, 18), cells=4, shown=0.3, count=3000, rng=Rng(0, "rise"), ids=torch.tensor([9]))
    masks = draw.of(torch.arange(3000))
    assert masks.shape == (3000, 12, 18)
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6
    assert (masks.mean(0) - 0.3).abs().max() < 0.05
    assert not masks[0].equal(masks[1])


@pytest.mark.parametrize(("cells", "step"), [(3, 4), (8, 5), (2, 1)])
def test_enlargement_equals_loops(cells, step):
    assert np.allclose(enlargement(cells, step).numpy(), slow.enlarge_loops(cells, step), atol=1e-6)


def test_the_place_that_counts_is_found(photos):
    class Corner(nn.Module):
        def forward(self, images):
            value = (images[:, :, 2:6, 9:13] - 0.5).abs().mean((1, 2, 3))
            return 9 * torch.stack([value, -value], 1)

    maps = rise(Net(Corner(), channels=3, classes=2), photos, torch.zeros(4, dtype=torch.int64), samples=600)
    for values, check in zip(maps.values, maps.checks, strict=True):
        row, column = divmod(int(values.argmax()), 16)
        assert 2 <= row < 6
        assert 9 <= column < 13
        assert check.holds


def test_a_constant_score_gives_zero_whatever_its_size(photos):
    class Constant(nn.Module):
        def forward(self, images):
            return torch.full((len(images), 2), 7.0) + 0 * images.sum()

    maps = rise(Net(Constant(), channels=3, classes=2), photos[:1], torch.tensor([0]), samples=50)
    assert maps.values.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 3}, "samples is 3"),
        ({"shown": 0.0}, "shown is 0"),
        ({"cells": 17}, "cells is 17"),
        ({"baseline": -1}, "baseline is -1"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message, net, photos):
    with pytest.raises(StriateError, match=message):
        rise(net, photos, torch.tensor([0, 1, 2, 3]), **options)
