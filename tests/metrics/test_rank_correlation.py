"""Spearman's rho."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from striate.core.errors import StriateError
from striate.metrics.rank_correlation import rank_correlation

PAIRS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30)


@given(PAIRS)
def test_it_is_that_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(float(spearmanr(first, second).statistic), abs=1e-12)


def test_scales_do_not_count_and_an_end_is_one() -> None:
    assert rank_correlation([1, 2, 3], [0.1, 7.0, 1e9]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, -50]) == pytest.approx(-1)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(StriateError, match="2 and 3 numbers"):
        rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(StriateError, match="1 and 1 numbers"):
        rank_correlation([1], [1])
    with pytest.raises(StriateError, match="not finite"):
        rank_correlation([1, float("nan")], [1, 2])
