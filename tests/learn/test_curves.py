"""Learning curves: nested sizes, power laws that were planted, Ng's table of errors."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.data.load import load_splits
from striate.learn.curves.grow import nested, sizes_up_to
from striate.learn.curves.levers import bought, gaps_of, lever_of, mean_of, size_for
from striate.learn.curves.payload import Grown
from striate.learn.curves.power import fit_power
from striate.metrics.intervals import wilson


@pytest.fixture(scope="module")
def digits():
    return load_splits("digits").train


def test_a_smaller_choice_lies_inside_a_larger_one_in_the_shares_of_the_classes(digits) -> None:
    small, large = (set(nested(digits, size, seed=3).ids.tolist()) for size in (100, 400))
    assert small < large
    assert set(nested(digits, 100, seed=4).ids.tolist()) != small
    shares = torch.bincount(nested(digits, 400, seed=3).labels, minlength=10) / 400
    whole = torch.bincount(digits.labels, minlength=10) / len(digits)
    assert float((shares - whole).abs().max()) < 0.01


@pytest.mark.parametrize(
    ("size", "said"), [(0, "size is 0"), (10**6, "size is 1000000"), (5, "no image of 5 of its 10")]
)
def test_sizes_that_cannot_be_are_refused(digits, size: int, said: str) -> None:
    with pytest.raises(StriateError, match=said):
        nested(digits, size, seed=0)


def test_sizes_go_evenly_up_to_all() -> None:
    assert sizes_up_to(55_000, 10) == (1833, 4290, 10041, 23500, 55000)
    assert sizes_up_to(50, 10) == (50,)


SIZES = (100, 300, 1000, 3000, 10000)


def test_a_planted_power_law_is_found_exactly() -> None:
    errors = [0.03 + 2.0 * size**-0.5 for size in SIZES]
    law = fit_power(SIZES, errors, [10_000] * 5, ahead=(2.0,))
    assert float(law.exponent) == pytest.approx(0.5, rel=0.04)
    assert float(law.floor) == pytest.approx(0.03, abs=0.002)
    assert float(law.forecasts[-1].error) == pytest.approx(0.03 + 2.0 * 20_000**-0.5, abs=2e-4)
    assert size_for(law, 0.04) == pytest.approx((2.0 / 0.01) ** 2, rel=0.2)
    assert size_for(law, 0.02) is None


def test_intervals_of_forecasts_hold_the_truth_nineteen_times_in_twenty() -> None:
    torch.manual_seed(0)
    truth = torch.tensor([0.02 + 1.2 * size**-0.4 for size in SIZES], dtype=torch.float64)
    held = 0
    for draw in range(60):
        counts = torch.distributions.Binomial(2000, truth).sample()
        law = fit_power(SIZES, (counts / 2000).tolist(), [2000] * 5, seed=draw, ahead=(2.0,))
        error = law.forecasts[-1].error
        held += error.low <= 0.02 + 1.2 * 20_000**-0.4 <= error.high
    assert held >= 52


def test_two_sizes_give_no_law_and_say_so() -> None:
    law = fit_power((100, 200), (0.3, 0.2), (100, 100))
    assert law.exponent.value is None
    assert "needs 3" in law.why
    assert bought(law, 200) is None


def point(train: float, dev: float, test: float, between: float | None = None) -> Grown:
    n = 20_000
    train_, dev_, test_ = (wilson(round(each * n), n) for each in (train, dev, test))
    held = None if between is None else wilson(round(between * n), n)
    return Grown(1000, 0, 1, train_, held, dev_, test_, "run")


@pytest.mark.parametrize(
    ("human", "errors", "lever"),
    [
        (0.01, (0.10, None, 0.102, 0.104), "bias"),  # the lecture's: avoidable bias 9, variance .2, test gap .2
        (0.00, (0.01, 0.09, 0.10, 0.10), "variance"),
        (0.00, (0.01, 0.015, 0.10, 0.10), "mismatch"),
        (0.00, (0.005, None, 0.01, 0.08), "overfitted_dev"),
        (0.09, (0.09, None, 0.091, 0.091), "none"),
        (None, (0.10, None, 0.102, 0.104), "none"),
    ],
)
def test_the_widest_gap_names_the_lever(human, errors, lever: str) -> None:
    train, between, dev, test = errors
    gaps = gaps_of([point(train, dev, test, between)], human)
    assert lever_of(gaps) == lever
    assert ("bias" in {gap.name for gap in gaps}) == (human is not None)


def test_gaps_are_the_differences_of_the_table() -> None:
    gaps = {gap.name: float(gap.value) for gap in gaps_of([point(0.10, 0.102, 0.104)], 0.01)}
    assert gaps == pytest.approx({"bias": 0.09, "variance": 0.002, "overfitted_dev": 0.002}, abs=1e-9)


def test_the_spread_of_seeds_widens_a_mean() -> None:
    close = mean_of([Number(0.1, 0.09, 0.11, 100), Number(0.1, 0.09, 0.11, 100)])
    apart = mean_of([Number(0.05, 0.04, 0.06, 100), Number(0.15, 0.14, 0.16, 100)])
    assert close.high - close.low == pytest.approx(0.02)
    assert apart.high - apart.low > 0.15
