"""Occlusion maps: the slow float64 loop, planted nets, grids that cover everything, checks that can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oracles import inside_convolution as slow
from striate.core.errors import StriateError
from striate.inside.attribution.occlusion import grid, occlusion
from striate.nets.net import Net
from striate.nets.partial.partial import Partial
from striate.nets.passes import counting


class Corner(nn.Module):
    """Looks at the upper left 4 x 4 pixels alone: logits (4 x their mean, 0)."""

    def forward(self, images):
        seen = 4 * images[:, :, :4, :4].mean((1, 2, 3))
        return torch.stack([seen, torch.zeros_like(seen)], 1)


def planted():
    return Net(Corner(), channels=3, classes=2)


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize(("patch", "stride", "colour"), [(3, 2, (0.5,)), (4, 4, (0.1, 0.2, 0.9)), (5, 1, (0.0,))])
def test_equals_the_slow_loop(score, patch, stride, colour):
    rng = np.random.default_rng(3)
    image, weight, bias = rng.random((3, 8, 7)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    linear = rng.normal(size=(3, 4))
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module.append(nn.Linear(4, 3, bias=False))
    for parameter, value in zip(module.parameters(), (weight, bias, linear), strict=True):
        parameter.data = torch.from_numpy(value).float()

    def value(picture):
        scores = linear @ np.maximum(slow.convolve(picture, weight, bias), 0).mean(axis=(1, 2))
        return slow.probability(scores, 1) if score == "probability" else scores[1]

    filling = np.array(colour) if len(colour) == 3 else np.full(3, colour[0])
    expected = slow.occlusion(image, value, patch, stride, filling)
    found = occlusion(
        Net(module),
        torch.from_numpy(image).float()[None],
        torch.tensor([1]),
        patch=patch,
        stride=stride,
        baseline=colour,
        score=score,
    )
    assert np.abs(found.values[0].double().numpy() - expected).max() < 2e-6 * max(1, np.abs(expected).max())
    assert found.checks[0].holds


def test_finds_exactly_the_corner_that_a_planted_net_looks_at():
    maps = occlusion(planted(), torch.ones(1, 3, 16, 16), torch.tensor([0]), patch=4, stride=4)
    assert (maps.values[0, :4, :4] > 0.05).all()
    outside = maps.values[0].clone()
    outside[:4, :4] = 0
    assert not outside.any()


def test_drop_in_the_corner_is_the_closed_form():
    images = torch.ones(1, 3, 16, 16)
    options = {"patch": 4, "stride": 4, "baseline": 0.25}
    by_logit = occlusion(planted(), images, torch.tensor([0]), **options)
    assert by_logit.values[0, 0, 0].item() == pytest.approx(3, abs=1e-5)
    maps = occlusion(planted(), images, torch.tensor([0]), score="probability", **options)
    expected = torch.sigmoid(torch.tensor(4.0)) - torch.sigmoid(torch.tensor(1.0))
    assert maps.values[0, 0, 0].item() == pytest.approx(expected.item(), abs=1e-6)


def test_what_speaks_against_the_target_is_negative():
    options = {"patch": 4, "stride": 4, "score": "probability"}
    maps = occlusion(planted(), torch.ones(1, 3, 16, 16), torch.tensor([1]), **options)
    assert maps.signed
    assert (maps.values[0, :4, :4] < -0.05).all()


def test_mean_baseline_is_each_images_own_channel_means():
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    net = planted()
    options = {"patch": 4, "stride": 4, "score": "logit"}
    by_name = occlusion(net, images, torch.tensor([0, 0]), baseline="mean", **options)
    for i in range(2):
        means = tuple(images[i].mean((1, 2)).tolist())
        alone = occlusion(net, images[i : i + 1], torch.tensor([0]), baseline=means, **options)
        assert torch.allclose(by_name.values[i], alone.values[0], atol=1e-6)
    assert "channel means" in by_name.units


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), data=st.data())
def test_patches_lie_inside_and_cover_every_pixel(height, width, data):
    patch = data.draw(st.integers(1, min(height, width)))
    stride = data.draw(st.integers(1, patch))
    places = grid((height, width), patch, stride).places
    count = np.zeros((height, width), int)
    for top, left in places:
        assert 0 <= top <= height - patch
        assert 0 <= left <= width - patch
        count[top : top + patch, left : left + patch] += 1
    assert count.min() >= 1
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(("size", "patch", "stride"), [(224, 32, 16), (28, 4, 2), (32, 4, 2), (96, 14, 7), (8, 2, 1)])
def test_default_patch_is_about_a_seventh_and_moves_by_half(size, patch, stride):
    where = grid((size, size))
    assert where.patch == patch
    assert where.tops[1] - where.tops[0] == stride


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch": 17}, "patch is 17"),
        ({"patch": 0}, "patch is 0"),
        ({"patch": 4, "stride": 5}, "stride is 5"),
        ({"baseline": 1.5}, "baseline is 1.5"),
        ({"baseline": (0.1, 0.2)}, "one or 3"),
        ({"baseline": "black"}, "black"),
    ],
)
def test_what_cannot_be_is_said(options, said):
    with pytest.raises(StriateError, match=said.replace(".", r"\.")):
        occlusion(planted(), torch.ones(1, 3, 16, 16), torch.tensor([0]), **options)


@pytest.fixture(scope="module")
def deep():
    """A net large enough to be recomputed in part, with normalisation to fold."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = []
        for before, after in ((3, 16), (16, 32), (32, 32)):
            parts += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        module = nn.Sequential(*parts, nn.Flatten(), nn.Linear(32 * 64, 5)).train()
        module(torch.rand(8, 3, 64, 64))
    return Net(module.eval(), mean=0.5, std=0.2)


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_computed_in_part_is_what_is_computed_in_full(deep, score, monkeypatch):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    options = {"patch": 8, "stride": 5, "baseline": "mean", "score": score}
    with counting() as few:
        part = occlusion(deep, images, torch.tensor([1, 2]), **options)
    monkeypatch.setattr("striate.inside.attribution.occlusion.recomputed", lambda *args, **kwargs: None)
    with counting() as many:
        full = occlusion(deep, images, torch.tensor([1, 2]), **options)
    assert (part.values - full.values).abs().max() < 1e-5 * full.values.abs().max()
    assert "in part" in part.units
    assert "in part" not in full.units
    assert "in part" in part.checks[0].what
    assert all(check.residual.value < 1e-5 for check in part.checks)
    assert many.forward == 2 * (13 * 13 + 4)
    assert few.forward < 0.5 * many.forward


def test_the_check_fails_where_a_part_is_computed_wrongly(deep, monkeypatch):
    right = Partial.outputs
    monkeypatch.setattr(Partial, "outputs", lambda self, *a, **k: right(self, *a, **k) * 1.01)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    maps = occlusion(deep, image, torch.tensor([1]), patch=8, stride=5)
    assert not maps.checks[0].holds


class Neighbourly(nn.Module):
    """Its scores depend on the other images of the batch."""

    def forward(self, images):
        means = images.mean((1, 2, 3))
        return torch.stack([means - means.mean(), means.max().expand_as(means)], 1)


def test_the_check_fails_where_an_image_depends_on_its_neighbours():
    images = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    maps = occlusion(Net(Neighbourly(), channels=1, classes=2), images, torch.tensor([0]))
    assert not maps.checks[0].holds
