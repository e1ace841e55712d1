"""Intervals by drawing images again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap as their_bootstrap

from striate.core.errors import StriateError
from striate.metrics import bootstrap as module
from striate.metrics.bootstrap import Method, Resampling, bootstrap, bootstrapped


def mean_of(values: torch.Tensor) -> module.Statistic:
    return lambda rows: values[rows].mean(1)


def test_the_same_seed_gives_the_same_interval_whatever_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.from_numpy(np.random.default_rng(0).exponential(size=37))
    once = bootstrap(mean_of(values), 37, seed=5)
    assert bootstrap(mean_of(values), 37, seed=5) == once
    assert bootstrap(mean_of(values), 37, seed=6) != once
    monkeypatch.setattr(module, "MEMORY", 8 * 37 * 7)
    assert bootstrap(mean_of(values), 37, seed=5) == pytest.approx(once, abs=1e-15)


@pytest.mark.parametrize(("method", "name"), [("percentile", "percentile"), ("bca", "BCa")])
def test_it_agrees_with_scipy_to_what_draws_leave(method: Method, name: str) -> None:
    values = np.random.default_rng(1).exponential(size=40)
    ours = bootstrap(mean_of(torch.from_numpy(values)), 40, seed=0, draws=80_000, method=method)
    theirs = their_bootstrap(
        (values,), np.mean, n_resamples=80_000, method=name, rng=np.random.default_rng(0)
    ).confidence_interval
    spread = values.std() / np.sqrt(40)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.08 * spread)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_of_a_skewed_mean_cover_it_in_about_95_of_100_draws(method: Method) -> None:
    rng = np.random.default_rng(3)
    covered, draws, n = 0, 250, 60
    for seed in range(draws):
        values = torch.from_numpy(rng.exponential(size=n))
        low, high = bootstrap(mean_of(values), n, seed=seed, draws=400, method=method)
        covered += low <= 1.0 <= high
    assert 0.89 <= covered / draws <= 0.985  # binomial spread of 250 draws: 0.014; both fall a little short at n = 60


def test_the_acceleration_of_a_mean_is_its_skewness_over_six_roots_of_n() -> None:
    values = torch.from_numpy(np.random.default_rng(0).exponential(size=150))
    off = values - values.mean()
    expected = float(off.pow(3).mean() / off.square().mean() ** 1.5) / (6 * 150**0.5)
    assert Resampling(150, 0).acceleration(mean_of(values)) == pytest.approx(expected, rel=1e-9)
    many = values.repeat(40)
    grouped = np.mean([Resampling(6000, seed).acceleration(mean_of(many)) for seed in range(8)])
    assert grouped == pytest.approx(expected * (150 / 6000) ** 0.5, rel=0.5)


def test_strata_keep_their_size_in_every_draw() -> None:
    strata = torch.tensor([2, 2, 2, 0, 0, 7])
    rows = Resampling(6, 0, strata=strata).rows(0, 200)
    drawn = strata[rows]
    assert rows.shape == (200, 6)
    assert [int((drawn == group).sum(1).unique()) for group in (2, 0, 7)] == [3, 2, 1]
    assert len(rows[:, 0].unique()) > 1


def test_strata_narrow_the_interval_of_a_mean_that_they_explain() -> None:
    strata = torch.arange(100) % 2
    values = strata.double() * 10 + torch.linspace(0, 1, 100, dtype=torch.float64)
    low, high = bootstrap(mean_of(values), 100, seed=0, strata=strata)
    wide = bootstrap(mean_of(values), 100, seed=0)
    assert low < float(values.mean()) < high
    assert high - low < 0.2 * (wide[1] - wide[0])


def test_a_statistic_without_spread_has_an_interval_of_no_width() -> None:
    assert bootstrap(lambda rows: torch.ones(len(rows)), 5, seed=0) == (1.0, 1.0)


def test_a_figure_comes_with_its_interval_or_says_why_not() -> None:
    values = torch.arange(30.0, dtype=torch.float64)
    number = bootstrapped(mean_of(values), 30, seed=0)
    assert number.low is not None
    assert number.low < float(number) == 14.5 < (number.high or 0.0)
    assert "1,000 bootstrap draws (bca)" in number.why
    assert bootstrapped(mean_of(values), 0, seed=0).value is None
    assert bootstrapped(mean_of(values), 1, seed=0).low is None


def test_a_statistic_that_some_draws_do_not_have_is_refused_with_their_number() -> None:
    rare = torch.tensor([1.0] + [0.0] * 9)

    def share(rows: torch.Tensor) -> torch.Tensor:
        return 1 / rare[rows].sum(1)

    with pytest.raises(StriateError, match=r"not finite in \d+ of 1000 draws"):
        bootstrap(share, 10, seed=0)
    assert bootstrap(share, 10, seed=0, strata=rare) == (1.0, 1.0)


def test_wrong_plans_are_refused() -> None:
    with pytest.raises(StriateError, match="method is 'basic'"):
        bootstrap(mean_of(torch.ones(3)), 3, seed=0, method="basic")  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="10 draws of 3"):
        bootstrap(mean_of(torch.ones(3)), 3, seed=0, draws=10)
    with pytest.raises(StriateError, match=r"strata have shape \(2,\)"):
        bootstrap(mean_of(torch.ones(3)), 3, seed=0, strata=torch.ones(2))
    with pytest.raises(StriateError, match=r"gave shape \(\)"):
        bootstrap(lambda rows: rows.double().mean(), 3, seed=0)
