"""Intervals over images: the draws, and what is taken from them."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch

from striate.metrics.image_intervals import drawn_figures, image_draws, interval_over_images, over

NORMAL = NormalDist()
GRID = torch.tensor([NORMAL.inv_cdf((k + 0.5) / 40_000) for k in range(40_000)], dtype=torch.float64)


@pytest.mark.parametrize("bias", [-0.4, 0.0, 0.5])
def test_draws_that_are_normal_and_biased_are_moved_back_by_twice_their_bias(bias: float) -> None:
    number = interval_over_images(2.0, 2.0 + bias + GRID, 50)
    assert (number.low, number.high) == pytest.approx((2 - bias - 1.96, 2 - bias + 1.96), abs=0.01)
    assert number.why == "95 % by bootstrap over 50 images"


def test_a_draw_is_as_many_images_with_replacement_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.cat(list(image_draws(7, seed=5, draws=300)))
    assert whole.shape == (300, 7)
    assert bool((whole.sum(1) == 7).all())
    assert float(whole.mean()) == 1
    assert float(whole.var()) == pytest.approx(6 / 7, abs=0.08)  # binomial: 7 trials of 1 in 7
    monkeypatch.setattr("striate.metrics.image_intervals._CELLS", 20)
    parts = list(image_draws(7, seed=5, draws=300))
    assert len(parts) == 150
    assert torch.equal(torch.cat(parts), whole)


def test_figures_of_draws_are_those_of_the_counts_put_together_again() -> None:
    counts = torch.tensor([[1, 2], [0, 5], [4, 4]])
    found = drawn_figures(counts, lambda sums: over(sums[:, :1], sums[:, 1:]), seed=0, draws=100)
    for times, ratio in zip(next(image_draws(3, seed=0, draws=100)).tolist(), found[:, 0].tolist(), strict=True):
        above, below = (sum(n * row[k] for n, row in zip(times, counts.tolist(), strict=True)) for k in (0, 1))
        assert ratio == pytest.approx(above / below)
    assert drawn_figures(counts[:1], lambda sums: sums, seed=0).shape == (0, 2)


def test_what_has_no_interval_says_why() -> None:
    draws = 1 + GRID
    missing = draws.clone()
    missing[:3000] = torch.nan
    reasons = {
        "one image": interval_over_images(1.0, draws, 1),
        "0/0 in 3000 of 40000": interval_over_images(1.0, missing, 9),
        "all bootstrap draws give one value": interval_over_images(1.0, torch.ones(100).double(), 9),
        "lie on one side": interval_over_images(9.0, draws, 9),
    }
    for words, number in reasons.items():
        assert number.low is None
        assert number.value is not None
        assert words in number.why
    missing[600:] = draws[600:]
    assert interval_over_images(1.0, missing, 9).why.endswith("600 of 40000 draws 0/0 and left out")
    nothing = interval_over_images(float("nan"), draws, 9, why="0/0: nothing there")
    assert (nothing.value, nothing.why) == (None, "0/0: nothing there")
