"""Two nets on the same images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from oracles.metrics_ranking import sign_test
from striate.core.errors import StriateError
from striate.metrics.paired import PairedCounts, mcnemar, paired_bootstrap, paired_difference

TABLES = st.tuples(*[st.integers(0, 40)] * 4)


@given(TABLES)
def test_the_chances_are_the_exact_sums_and_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    found = PairedCounts(*table).compute()
    exact, middle = sign_test(*table[:2])
    assert found.p == pytest.approx(float(exact), abs=1e-12)
    assert found.mid_p == pytest.approx(float(middle) if sum(table[:2]) else 1.0, abs=1e-12)
    if sum(table[:2]):
        assert found.p == pytest.approx(binomtest(table[0], sum(table[:2])).pvalue, abs=1e-9)


def test_the_airway_table_has_the_figures_of_fagerland_et_al() -> None:
    # Fagerland, Lydersen & Laake 2013, table 1: 1, 1, 7, 12; exact .070, mid-p .039
    found = PairedCounts(only_a=1, only_b=7, both=1, neither=12).compute()
    assert (found.p, found.mid_p) == pytest.approx((0.0703, 0.0391), abs=5e-5)
    # Newcombe's interval of this table: -.507 to -.026
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.507, -0.026), abs=5e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.integers(1, 9))
def test_images_are_counted_by_who_is_right_in_any_batches(pairs: list[tuple[bool, bool]], size: int) -> None:
    table = torch.tensor(pairs, dtype=torch.bool).view(-1, 2)
    a, b = table[:, 0], table[:, 1]
    whole = mcnemar(a, b)
    seen = PairedCounts()
    for part in zip(a.split(size), b.split(size), strict=True):
        seen = seen.merge(PairedCounts().update(*part))
    assert seen.compute() == whole
    cells = [pairs.count(kind) for kind in ((True, False), (False, True), (True, True), (False, False))]
    assert [whole.only_a, whole.only_b, whole.both, whole.neither] == cells
    if pairs:
        assert whole.difference.value == pytest.approx(float(a.double().mean() - b.double().mean()))
    else:
        assert whole.difference.value is None


@given(TABLES)
def test_exchanging_the_nets_turns_the_difference_round(table: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = table
    one, other = paired_difference(both, only_a, only_b, neither), paired_difference(both, only_b, only_a, neither)
    if one.value is not None and one.low is not None and one.high is not None:
        assert one.low <= one.value <= one.high
        assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.1, 0.1), (0.85, 0.06, 0.03, 0.06)])
def test_the_interval_of_the_difference_covers_the_truth_in_about_95_of_100_draws(
    shares: tuple[float, float, float, float],
) -> None:
    rng = np.random.default_rng(0)
    covered, draws = 0, 1000
    for both, only_a, only_b, neither in rng.multinomial(100, shares, size=draws):
        number = paired_difference(int(both), int(only_a), int(only_b), int(neither))
        covered += (number.low or 0.0) <= shares[1] - shares[2] <= (number.high or 0.0)
    assert 0.93 <= covered / draws <= 0.98  # binomial spread of 1,000 draws: 0.007


def test_the_bootstrap_of_a_difference_draws_images_in_pairs() -> None:
    rng = np.random.default_rng(0)
    hard = torch.from_numpy(rng.normal(size=400))
    a, b = hard + 0.1, hard + torch.from_numpy(rng.normal(size=400)) * 0.1
    number = paired_bootstrap(a, b, seed=0)
    error = float((a - b).std()) / 20
    assert number.value == pytest.approx(float((a - b).mean()))
    assert number.low == pytest.approx(float(number) - 1.96 * error, abs=0.2 * error)
    assert number.high == pytest.approx(float(number) + 1.96 * error, abs=0.2 * error)
    assert paired_bootstrap(a, b, seed=0) == number
    assert paired_bootstrap(a, b, seed=1) != number


def test_other_images_or_values_are_refused() -> None:
    with pytest.raises(StriateError, match="same images"):
        mcnemar(torch.ones(3), torch.ones(4))
    with pytest.raises(StriateError, match="same images"):
        paired_bootstrap(torch.ones(3), torch.ones(4), seed=0)
    with pytest.raises(StriateError, match=r"correct_b hold 0\.5"):
        mcnemar(torch.ones(1), torch.tensor([0.5]))
    with pytest.raises(StriateError, match="row 1 holds inf"):
        paired_bootstrap(torch.tensor([1.0, float("inf")]), torch.ones(2), seed=0)
