"""Temperature scaling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from oracles.metrics_ranking import cross_entropy
from striate.core.errors import StriateError
from striate.metrics.temperature import fit_temperature, scaled

TABLES = st.lists(
    st.tuples(st.lists(st.floats(-6, 6), min_size=3, max_size=3), st.integers(0, 2)), min_size=2, max_size=12
)


def net(n: int, temperature: float, seed: int, k: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a net that would be calibrated if they were divided by the temperature."""
    rng = np.random.default_rng(seed)
    calm = rng.normal(size=(n, k)) * 2
    chances = np.exp(calm) / np.exp(calm).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > rng.random((n, 1))).argmax(1)
    return torch.from_numpy(calm * temperature), torch.from_numpy(labels)


@settings(max_examples=60)
@given(TABLES)
def test_no_other_temperature_has_a_lower_loss(rows: list[tuple[list[float], int]]) -> None:
    logits, labels = [row[0] for row in rows], [row[1] for row in rows]
    found = fit_temperature(torch.tensor(logits, dtype=torch.float64), torch.tensor(labels))
    assert float(found.loss_before) == pytest.approx(cross_entropy(logits, labels, 1.0), abs=1e-9)
    grid = [math.exp(step / 10) for step in range(-60, 61)]
    if found.value.value is None:
        assert found.value.why
        assert found.loss_after.value is None
        losses = [cross_entropy(logits, labels, each) for each in grid]
        falls = sorted(losses) in (losses, losses[::-1])
        # of extreme temperatures the losses differ by less than rounding
        assert falls or max(np.diff(losses).max() * -np.diff(losses).min(), 0.0) < 1e-12
        return
    best = cross_entropy(logits, labels, found.value.value)
    assert float(found.loss_after) == pytest.approx(best, abs=1e-9)
    assert all(best <= cross_entropy(logits, labels, each) + 1e-9 for each in grid)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0, 3.0, 40.0])
def test_it_is_the_minimum_that_scipy_finds(temperature: float) -> None:
    logits, labels = net(200, temperature, 3)
    theirs = minimize_scalar(
        lambda log: float(torch.nn.functional.cross_entropy(logits / math.exp(log), labels)),
        bounds=(math.log(temperature) - 2, math.log(temperature) + 2),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert float(fit_temperature(logits, labels).value) == pytest.approx(math.exp(theirs.x), rel=1e-6)


def test_two_classes_have_the_temperature_of_the_closed_form() -> None:
    # all gaps are 4 and 3 of 4 are right: 1 / (1 + exp(-4 / T)) = 3 / 4
    logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    assert float(fit_temperature(logits, torch.tensor([0, 0, 1, 1])).value) == pytest.approx(4 / math.log(3))


def test_the_interval_covers_the_true_temperature_in_about_95_of_100_draws() -> None:
    covered, draws = 0, 300
    for seed in range(draws):
        number = fit_temperature(*net(150, 2.0, seed)).value
        covered += (number.low or 0.0) <= 2.0 <= (number.high or 0.0)
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 300 draws: 0.013


def test_large_sets_go_in_parts_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = net(100, 2.0, 0)
    whole = fit_temperature(logits, labels)
    monkeypatch.setattr("striate.metrics.temperature.CELLS", 35)
    assert float(fit_temperature(logits, labels).value) == pytest.approx(float(whole.value), rel=1e-12)


def test_where_no_temperature_is_best_it_is_said() -> None:
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    right, wrong = fit_temperature(logits, torch.tensor([0, 0])), fit_temperature(logits, torch.tensor([1, 1]))
    flat = fit_temperature(torch.ones(3, 4), torch.tensor([0, 1, 2]))
    assert "nearer the temperature to 0" in right.value.why
    assert "hotter" in wrong.value.why
    assert "all equal" in flat.value.why
    for each in (right, wrong, flat):
        assert each.value.value is None
        assert each.loss_after.value is None
        assert each.loss_before.value is not None


def test_scaled_logits_keep_their_order_and_reach_the_loss_that_was_said() -> None:
    logits, labels = net(100, 3.0, 1)
    found = fit_temperature(logits, labels)
    after = scaled(logits, found)
    assert torch.equal(after.argmax(1), logits.argmax(1))
    assert float(torch.nn.functional.cross_entropy(after, labels)) == pytest.approx(float(found.loss_after))
    assert torch.equal(scaled(logits, 2.0), logits / 2)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (torch.tensor([[1.0, 0.0]]), torch.tensor([0]), "at least 2 images"),
        (torch.ones(3, 1), torch.zeros(3, dtype=torch.int64), "2 classes"),
        (torch.tensor([[1.0, 0.0], [math.nan, 0.0]]), torch.tensor([0, 1]), "row 1 are not finite"),
        (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 2]), "labels go from 0 to 2"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits: torch.Tensor, labels: torch.Tensor, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        fit_temperature(logits, labels)


def test_a_missing_or_impossible_temperature_scales_nothing() -> None:
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    with pytest.raises(StriateError, match="no temperature was fitted: all 2 labels"):
        scaled(logits, fit_temperature(logits, torch.tensor([0, 0])))
    with pytest.raises(StriateError, match="temperature is 0"):
        scaled(logits, 0.0)
