"""Figures of a two-class table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, fbeta_score, matthews_corrcoef

from oracles.metrics_figures import binary_figures
from striate.core.number import Number
from striate.metrics.binary import Counts

TABLES = st.tuples(*[st.integers(0, 200)] * 4).filter(any)
NAMES = sorted(binary_figures(1, 1, 1, 1))


def vectors(tp: int, fp: int, fn: int, tn: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([1, 0, 1, 0], [tp, fp, fn, tn]), np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])


@given(TABLES)
def test_every_figure_is_its_fraction_or_missing_with_a_reason(table: tuple[int, int, int, int]) -> None:
    counts = Counts(*table)
    for name, exact in binary_figures(*table).items():
        number = getattr(counts, name)
        assert number.value == (None if exact is None else pytest.approx(exact, abs=1e-12)), name
        assert number.value is not None or number.why


@given(TABLES)
def test_every_figure_lies_in_its_interval_or_says_why_it_has_none(table: tuple[int, int, int, int]) -> None:
    counts = Counts(*table)
    for name in [*NAMES, "kappa"]:
        number: Number = getattr(counts, name)
        if number.low is None or number.high is None:
            assert number.why, name
        elif number.value is not None:
            assert number.low <= number.value <= number.high, name


def test_the_tumour_example_has_the_figures_of_its_table() -> None:
    counts = Counts(tp=1, fp=1, fn=8, tn=90)
    expected = {
        "accuracy": 0.91,
        "precision": 0.5,
        "false_discovery_rate": 0.5,
        "recall": 0.1111,
        "false_negative_rate": 0.8889,
        "false_positive_rate": 0.0110,
        "specificity": 0.9890,
        "negative_predictive_value": 0.9184,
        "false_omission_rate": 0.0816,
        "positive_likelihood_ratio": 10.1111,
        "negative_likelihood_ratio": 0.8988,
        "diagnostic_odds_ratio": 11.25,
        "f1": 0.1818,
        "matthews": 0.2047,
        "prevalence": 0.09,
    }
    assert {name: round(float(getattr(counts, name)), 4) for name in expected} == expected
    assert Counts(tp=0, fp=0, fn=9, tn=91).accuracy.value == counts.accuracy.value


def test_f_beta_squares_beta_and_not_doubles_it() -> None:
    counts = Counts(tp=1, fp=1, fn=8, tn=90)
    assert [round(float(counts.f_beta(beta)), 4) for beta in (0.5, 1, 2)] == [0.2941, 0.1818, 0.1316]


@given(TABLES, st.floats(0.1, 10))
def test_f_beta_kappa_and_matthews_agree_with_scikit_learn(table: tuple[int, int, int, int], beta: float) -> None:
    counts = Counts(*table)
    labels, predicted = vectors(*table)
    assert float(counts.f_beta(beta).value or 0.0) == pytest.approx(
        fbeta_score(labels, predicted, beta=beta, zero_division=0.0)
    )
    if counts.matthews.value is not None:  # where it is 0/0 scikit-learn says 0
        assert counts.matthews.value == pytest.approx(matthews_corrcoef(labels, predicted), abs=1e-9)
    if counts.kappa.value is not None:
        assert counts.kappa.value == pytest.approx(cohen_kappa_score(labels, predicted), abs=1e-9)


@pytest.mark.parametrize("table", [(4, 1, 0, 0), (0, 0, 1, 4), (0, 5, 0, 5), (5, 0, 5, 0)])
def test_matthews_with_an_empty_margin_is_missing_and_neither_0_nor_minus_1(table: tuple[int, int, int, int]) -> None:
    number = Counts(*table).matthews
    assert number.value is None
    assert number.why.startswith("0/0")


def test_the_three_tables_of_the_lever_have_their_matthews() -> None:
    rows = {(4, 1, 0, 5): 0.8165, (4, 1, 1, 4): 0.6, (4, 0, 1, 1): 0.6325, (1, 0, 1, 4): 0.6325}
    for table, expected in rows.items():
        assert round(float(Counts(*table).matthews), 4) == expected


@pytest.mark.parametrize("name", ["matthews", "kappa", "f1", "balanced_accuracy", "positive_likelihood_ratio"])
def test_intervals_cover_the_truth_in_about_95_of_100_draws(name: str) -> None:
    rng = np.random.default_rng(5)
    shares, n, draws = np.array([0.25, 0.1, 0.15, 0.5]), 400, 600
    truth = float(getattr(Counts(*(int(1e6 * share) for share in shares)), name))
    covered = 0
    for table in rng.multinomial(n, shares, size=draws):
        number = getattr(Counts(*map(int, table)), name)
        covered += number.low <= truth <= number.high
    assert 0.92 <= covered / draws <= 0.98  # binomial spread of 600 draws: 0.009


def test_recall_and_precision_differ_where_slides_mix_them_up() -> None:
    counts = Counts(tp=1, fp=1, fn=8, tn=90)
    assert counts.recall.value == pytest.approx(1 / 9)
    assert counts.precision.value == 0.5
