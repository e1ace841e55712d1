"""Figures of a two-class table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, fbeta_score, jaccard_score, matthews_corrcoef

from oracles.metrics_figures import binary_figures
from striate.core.errors import StriateError
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


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("table", [(0.25, 0.1, 0.15, 0.5), (0.1, 0.02, 0.01, 0.87)])
def test_the_interval_of_f_beta_covers_it_in_about_95_of_100_draws(beta: float, table: tuple[float, ...]) -> None:
    rng = np.random.default_rng(7)
    truth = float(Counts(*(int(1e6 * share) for share in table)).f_beta(beta))
    covered, draws = 0, 600
    for cells in rng.multinomial(300, table, size=draws):
        number = Counts(*map(int, cells)).f_beta(beta)
        covered += (number.low or 0.0) <= truth <= (number.high or 0.0)
    assert 0.92 <= covered / draws <= 0.985  # binomial spread of 600 draws: 0.009


@given(TABLES, st.floats(0, 10))
def test_f_beta_lies_in_its_interval_whatever_the_table(table: tuple[int, int, int, int], beta: float) -> None:
    number = Counts(*table).f_beta(beta)
    if number.value is not None:
        assert number.low is not None
        assert 0 <= number.low <= number.value <= (number.high or 0.0) <= 1
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(StriateError, match="beta is"):
            Counts(*table).f_beta(wrong)


def test_f_beta_0_is_the_precision_and_a_large_one_nearly_the_recall() -> None:
    counts = Counts(tp=30, fp=10, fn=20, tn=40)
    assert counts.f_beta(0).value == counts.precision.value
    assert counts.f_beta(1000).value == pytest.approx(float(counts.recall), abs=1e-5)


@given(TABLES)
def test_informedness_markedness_and_jaccard_are_their_fractions(table: tuple[int, int, int, int]) -> None:
    counts = Counts(*table)
    slow = binary_figures(*table)
    for number, one, other in (
        (counts.informedness, slow["recall"], slow["specificity"]),
        (counts.markedness, slow["precision"], slow["negative_predictive_value"]),
    ):
        assert number.value == (None if one is None or other is None else pytest.approx(one + other - 1))
        assert number.value is not None or number.why.startswith("0/0")
    labels, predicted = vectors(*table)
    assert float(counts.jaccard.value or 0.0) == pytest.approx(jaccard_score(labels, predicted, zero_division=0.0))
    if counts.informedness.value is not None and counts.markedness.value is not None:
        product = counts.informedness.value * counts.markedness.value
        assert float(counts.matthews) ** 2 == pytest.approx(product, abs=1e-9)


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


@pytest.mark.parametrize(
    "name", ["matthews", "kappa", "f1", "balanced_accuracy", "informedness", "markedness", "positive_likelihood_ratio"]
)
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
