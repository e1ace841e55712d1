"""Intervals of proportions and means."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from oracles.metrics_figures import wilson_by_search
from striate.core.errors import StriateError
from striate.metrics.intervals import quantile_of_normal, square_and_add, wilson, wilson_bounds
from striate.metrics.mean import Mean, mean_interval
from striate.metrics.significance import difference


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_solve_the_score_equation(pair: tuple[int, int]) -> None:
    k, n = pair
    assert wilson_bounds(k, n) == pytest.approx(wilson_by_search(k, n, quantile_of_normal(0.95)), abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.booleans())
def test_wilson_agrees_with_scipy_with_and_without_continuity(pair: tuple[int, int], continuity: bool) -> None:
    k, n = pair
    theirs = binomtest(k, n).proportion_ci(0.95, "wilsoncc" if continuity else "wilson")
    assert wilson_bounds(k, n, continuity=continuity) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(
    st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.5, 0.999),
    st.booleans(),
)
def test_the_share_lies_in_its_interval_and_that_in_the_unit_interval(
    pair: tuple[int, int], level: float, continuity: bool
) -> None:
    k, n = pair
    low, high = wilson_bounds(k, n, level=level, continuity=continuity)
    assert 0 <= low <= k / n <= high <= 1


def test_a_known_interval_of_newcombe_1998() -> None:
    # Newcombe 1998, table I, 81 of 263 and 15 of 148: methods 3 and 4
    assert wilson_bounds(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_bounds(81, 263, continuity=True) == pytest.approx((0.2535, 0.3682), abs=5e-5)
    assert wilson_bounds(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_bounds(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    p, n = 0.9, 100
    covered = sum(
        math.comb(n, k) * p**k * (1 - p) ** (n - k)
        for k in range(n + 1)
        if wilson_bounds(k, n)[0] <= p <= wilson_bounds(k, n)[1]
    )
    assert 0.93 < covered < 0.97


def test_no_images_give_no_share_and_say_so() -> None:
    number = wilson(0, 0)
    assert number.value is None
    assert "0/0" in number.why


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0), (1, -1)])
def test_what_is_no_proportion_is_refused_with_its_numbers(k: int, n: int) -> None:
    with pytest.raises(StriateError, match=f"{k} of {n}"):
        wilson_bounds(k, n)


def test_a_level_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(StriateError, match=r"level is 95"):
        wilson_bounds(1, 2, level=95)


def test_the_difference_of_proportions_is_that_of_newcombe_1998() -> None:
    # Newcombe 1998 (independent proportions), table II, example a: 56/70 - 48/80, method 10
    number = difference(56, 70, 48, 80)
    assert (number.value, number.low, number.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_part_without_interval_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="interval"):
        square_and_add([wilson(0, 0)], [1.0])


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), min_size=1, max_size=6))
def test_a_mean_in_batches_is_that_of_all_values(batches: list[list[float]]) -> None:
    stream = Mean()
    for batch in batches:
        stream = stream.update(torch.tensor(batch, dtype=torch.float64))
    values = [value for batch in batches for value in batch]
    assert stream.n == len(values)
    if values:
        assert stream.mean == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-7)
    if len(values) > 1:
        expected = math.fsum((value - math.fsum(values) / len(values)) ** 2 for value in values)
        assert stream.squares == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_the_interval_of_a_mean_is_its_standard_error_times_the_normal_quantile() -> None:
    number = mean_interval(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    error = math.sqrt((1.5**2 + 0.5**2) * 2 / 3 / 4)
    assert number.value == 2.5
    assert (number.low, number.high) == pytest.approx((2.5 - 1.959964 * error, 2.5 + 1.959964 * error))


def test_a_mean_of_one_or_no_value_says_why_it_has_no_interval() -> None:
    assert mean_interval(torch.tensor([3.0])).low is None
    assert mean_interval(torch.tensor([3.0])).why
    assert mean_interval(torch.tensor([])).value is None


def test_a_mean_that_is_not_finite_has_no_value_but_a_reason() -> None:
    number = mean_interval(torch.tensor([1.0, math.inf]))
    assert number.value is None
    assert number.why
