"""Exact tests of counts."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact

from oracles.metrics_figures import binomial_tail as exact_tail
from oracles.metrics_figures import fisher_lower as exact_fisher
from oracles.metrics_ranking import adjusted_false_discovery
from striate.core.errors import StriateError
from striate.metrics.significance import benjamini_hochberg, binomial_tail, difference, fisher_lower, holm

SHARE = st.integers(0, 120).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SHARE, st.integers(0, 50))
def test_the_binomial_tail_is_the_exact_sum(pair: tuple[int, int], fiftieths: int) -> None:
    k, n = pair
    p = Fraction(fiftieths, 50)
    assert binomial_tail(k, n, float(p)) == pytest.approx(exact_tail(k, n, p), rel=1e-9, abs=1e-300)


@given(SHARE, SHARE)
def test_fishers_test_is_the_exact_sum_and_that_of_scipy(one: tuple[int, int], other: tuple[int, int]) -> None:
    (k, n), (other_k, other_n) = one, other
    ours = fisher_lower(k, n, other_k, other_n)
    assert ours == pytest.approx(exact_fisher(k, n, other_k, other_n), rel=1e-9)
    table = [[k, n - k], [other_k, other_n - other_k]]
    if n and other_n:
        assert ours == pytest.approx(fisher_exact(table, alternative="less").pvalue, rel=1e-6)


def test_the_lady_who_tasted_tea() -> None:
    # Fisher 1935: all 4 of 4 right has the chance 1 / 70
    assert fisher_lower(0, 4, 4, 4) == pytest.approx(1 / 70)


def test_holm_corrects_as_in_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_an_empty_group_has_no_difference() -> None:
    assert difference(0, 0, 3, 5).value is None


def test_what_are_no_counts_is_refused() -> None:
    with pytest.raises(StriateError, match="5 of 3"):
        binomial_tail(5, 3, 0.5)
    with pytest.raises(StriateError, match="1 of 2 against 4 of 3"):
        fisher_lower(1, 2, 4, 3)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_benjamini_and_hochberg_correct_as_the_procedure_rejects_and_as_scipy_has_it(chances: list[float]) -> None:
    ours = benjamini_hochberg(chances)
    assert ours == pytest.approx(adjusted_false_discovery(chances))
    if chances:
        assert ours == pytest.approx(false_discovery_control(chances).tolist())
    assert all(one <= other + 1e-12 for one, other in zip(ours, holm(chances), strict=True))
