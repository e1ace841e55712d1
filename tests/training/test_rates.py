"""The range test on least squares of known curvature, on a net, and what it says of both."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import striate as st
from striate.core.errors import StriateError
from striate.page.html import render_page
from striate.page.text import render_text
from striate.training.rates.sweep import SMOOTHING, range_test


def least_squares(curvatures, seed, *, noise=0.1, rows=16):
    """Steps of SGD on rows whose second moments are the curvatures, so that those of the loss are too."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor(curvatures, dtype=torch.float64).sqrt()
    weights = torch.ones(len(curvatures), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=1.0)

    def step(rate):
        # rows of orthogonal sets: the curvature of every batch is that of the whole
        features = torch.linalg.qr(torch.randn(rows, len(scale), generator=generator, dtype=torch.float64)).Q
        features = features * scale * math.sqrt(rows)
        errors = features @ weights - noise * torch.randn(rows, generator=generator, dtype=torch.float64)
        loss = errors.square().mean() / 2
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return float(loss.detach())

    return step


@pytest.mark.parametrize("highest", [0.5, 20.0, 1000.0])
def test_least_squares_diverges_within_a_factor_of_two_above_two_over_the_highest_curvature(highest):
    edge = 2 / highest
    for seed in range(3):
        step = least_squares([highest, highest / 5, highest / 50], seed)
        found = range_test(step, low=edge / 1000, high=1000 * edge, steps=300, seed=seed)
        assert edge < float(found.diverged) < 2 * edge
        assert float(found.steepest) < float(found.lowest) < float(found.diverged)
        assert len(found.rungs) < 300


def test_the_average_is_freed_of_its_start_and_the_rates_rise_by_one_factor():
    losses = iter([3.0, 1.0, 2.0, *[2.0] * 40])
    found = range_test(lambda _: next(losses), low=1e-3, high=1.0, steps=31)
    assert found.rungs[0].smooth == pytest.approx(3.0)
    weights = [SMOOTHING**2, SMOOTHING, 1]
    expected = sum(w * x for w, x in zip(weights, (3, 1, 2), strict=True)) / sum(weights)
    assert found.rungs[2].smooth == pytest.approx(expected)
    assert [found.rungs[at].rate for at in (0, 10, 30)] == pytest.approx([1e-3, 1e-2, 1.0])
    assert found.diverged.value is None


def test_a_loss_that_is_no_number_ends_the_sweep():
    found = range_test(lambda rate: math.nan if rate > 0.1 else 1.0, low=1e-3, high=10.0, steps=41)
    assert 0.1 < float(found.diverged) < 0.13
    assert all(math.isfinite(each.smooth) for each in found.rungs)


def test_nothing_of_a_net_is_changed_and_seeds_decide_all():
    net = st.Net(nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)), size=28)
    before, state = net.fingerprint(), torch.get_rng_state()
    few = {"net": net, "steps": 30, "seeds": 2, "batch": 32, "limit": 300, "quiet": True}
    first, second = st.find_rate("digits", **few), st.find_rate("digits", **few)
    assert net.fingerprint() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert first.result == second.result
    assert first.result.sweeps[0].rungs != first.result.sweeps[1].rungs
    found = first.result.suggested
    assert found.low <= found.value <= found.high
    text, page = render_text(first), render_page(first)
    assert "striate train digits" in text
    assert '<section id="rates"' in page


def test_rates_and_steps_that_make_no_sweep_are_told():
    for wrong in ({"low": 1.0, "high": 0.1}, {"low": 0.0}, {"steps": 3}):
        with pytest.raises(StriateError, match=r"rates from|steps is"):
            st.find_rate("digits", net="striate/linear", quiet=True, **wrong)
