"""The confusion matrix, kappa, averages over classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, fbeta_score, matthews_corrcoef, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as their_matrix

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.averages import (
    ClassAverage,
    macro_average,
    macro_f_beta,
    micro_average,
    weighted_average,
    weighted_f_beta,
)
from striate.metrics.binary import Counts
from striate.metrics.confusion import Confusion, confusion_matrix, kappa, matthews, one_against_rest

PAIRS = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)
    )
)


def split(pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    table = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
    return table[:, 0], table[:, 1]


@given(PAIRS)
def test_rows_are_labels_and_columns_predictions_as_in_scikit_learn(given_: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    ours = confusion_matrix(labels, predicted, classes)
    assert np.array_equal(ours.numpy(), their_matrix(labels, predicted, labels=range(classes)))


@given(PAIRS, st.integers(1, 7))
def test_batches_and_merged_parts_count_as_one_whole(given_: tuple[int, list[tuple[int, int]]], size: int) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    left = right = Confusion.empty(classes)
    for number, (some, others) in enumerate(zip(labels.split(size), predicted.split(size), strict=True)):
        if number % 2:
            left = left.update(some, others)
        else:
            right = right.update(some, others)
    assert torch.equal(left.merge(right).compute(), confusion_matrix(labels, predicted, classes))


def test_an_update_gives_a_new_state_and_leaves_the_old_one() -> None:
    state = Confusion.empty(2)
    state.update(torch.tensor([0]), torch.tensor([1]))
    assert int(state.compute().sum()) == 0


def test_one_against_rest_adds_up_to_all_images() -> None:
    matrix = torch.tensor([[5, 1, 0], [2, 7, 1], [0, 0, 4]])
    assert one_against_rest(matrix)[1] == (7, 1, 3, 9)
    assert all(sum(each) == 20 for each in one_against_rest(matrix))


@pytest.mark.parametrize(
    ("labels", "predicted", "words"),
    [
        (torch.tensor([0, 3]), torch.tensor([0, 1]), "labels go from 0 to 3"),
        (torch.tensor([0, 1]), torch.tensor([0, -1]), "predictions go from -1"),
        (torch.tensor([0, 1]), torch.tensor([0]), r"shape \(2,\) and predictions \(1,\)"),
        (torch.tensor([0.0, 1.0]), torch.tensor([0, 1]), "labels are torch.float32"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_its_value(
    labels: torch.Tensor, predicted: torch.Tensor, words: str
) -> None:
    with pytest.raises(StriateError, match=words):
        confusion_matrix(labels, predicted, 3)


@given(PAIRS)
def test_kappa_agrees_with_scikit_learn(given_: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    number = kappa(confusion_matrix(labels, predicted, classes))
    if number.value is None:
        assert len(set(labels.tolist()) | set(predicted.tolist())) == 1
    else:
        assert number.value == pytest.approx(cohen_kappa_score(labels, predicted), abs=1e-9)


def test_kappa_and_its_error_are_those_of_fleiss_cohen_and_everitt() -> None:
    # Fleiss, Cohen & Everitt 1969, table 1 (n = 200): kappa .429, standard error .054
    number = kappa(torch.tensor([[106, 10, 4], [22, 28, 10], [2, 12, 6]]))
    assert round(float(number), 3) == 0.429
    assert (float(number.high or 0) - float(number)) / 1.959964 == pytest.approx(0.054, abs=5e-4)


def test_no_images_have_no_kappa() -> None:
    assert kappa(torch.zeros(3, 3, dtype=torch.int64)).why.startswith("0/0")


@given(PAIRS)
def test_matthews_of_many_classes_agrees_with_scikit_learn(given_: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    number = matthews(confusion_matrix(labels, predicted, classes))
    if number.value is None:
        assert number.why.startswith("0/0")
        assert min(len(set(labels.tolist())), len(set(predicted.tolist()))) == 1
    else:
        assert number.value == pytest.approx(matthews_corrcoef(labels, predicted), abs=1e-9)
        assert number.low is None or number.low <= number.value <= (number.high or 0.0)


@given(st.tuples(*[st.integers(0, 50)] * 4))
def test_matthews_of_two_classes_is_that_of_the_two_class_table(table: tuple[int, int, int, int]) -> None:
    tp, fp, fn, tn = table
    whole, one = matthews(torch.tensor([[tn, fp], [fn, tp]])), Counts(*table).matthews
    for name in ("value", "low", "high"):
        mine, theirs = getattr(whole, name), getattr(one, name)
        assert mine == (None if theirs is None else pytest.approx(theirs, abs=1e-9))


@pytest.mark.parametrize("figure", [matthews, kappa])
def test_intervals_of_the_whole_matrix_cover_the_truth_in_about_95_of_100_draws(
    figure: Callable[[torch.Tensor], Number],
) -> None:
    rng = np.random.default_rng(8)
    shares = rng.random((4, 4)) + 3 * np.eye(4)
    shares /= shares.sum()
    truth = float(figure(torch.from_numpy((shares * 1e9).astype(np.int64))))
    covered, draws = 0, 400
    for cells in rng.multinomial(300, shares.ravel(), size=draws):
        number = figure(torch.from_numpy(cells).view(4, 4))
        covered += (number.low or -1.0) <= truth <= (number.high or 1.0)
    assert 0.92 <= covered / draws <= 0.985  # binomial spread of 400 draws: 0.011


def figures(average: ClassAverage) -> tuple[float, float, float]:
    return float(average.precision), float(average.recall), float(average.f1)


@given(PAIRS)
def test_averages_agree_with_scikit_learn_absent_classes_left_out(given_: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    matrix = confusion_matrix(labels, predicted, classes)
    for name, ours in (("micro", micro_average), ("macro", macro_average), ("weighted", weighted_average)):
        theirs = precision_recall_fscore_support(labels, predicted, average=name, zero_division=0.0)[:3]
        assert figures(ours(matrix)) == pytest.approx(theirs, abs=1e-12), name


@given(PAIRS, st.floats(0, 6))
def test_averaged_f_beta_agrees_with_scikit_learn(given_: tuple[int, list[tuple[int, int]]], beta: float) -> None:
    classes, pairs = given_
    labels, predicted = split(pairs)
    matrix = confusion_matrix(labels, predicted, classes)
    for name, ours in (("macro", macro_f_beta), ("weighted", weighted_f_beta)):
        theirs = fbeta_score(labels, predicted, beta=beta, average=name, zero_division=0.0)
        assert float(ours(matrix, beta)) == pytest.approx(theirs, abs=1e-12), name
    assert macro_f_beta(matrix, 1.0) == macro_average(matrix).f1


@pytest.mark.parametrize("average", [macro_f_beta, weighted_f_beta])
def test_intervals_of_averaged_f_beta_cover_the_truth_in_about_95_of_100_draws(
    average: Callable[[torch.Tensor, float], Number],
) -> None:
    rng = np.random.default_rng(3)
    shares = rng.random((4, 4)) + 3 * np.eye(4)
    shares /= shares.sum()
    truth = float(average(torch.from_numpy((shares * 1e9).astype(np.int64)), 2.0))
    covered, draws = 0, 400
    for cells in rng.multinomial(500, shares.ravel(), size=draws):
        number = average(torch.from_numpy(cells).view(4, 4), 2.0)
        covered += (number.low or 0.0) <= truth <= (number.high or 0.0)
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 400 draws: 0.011
    with pytest.raises(StriateError, match=r"beta is -1\.0"):
        average(torch.eye(2, dtype=torch.int64), -1.0)


@pytest.mark.parametrize("average", [macro_f_beta, weighted_f_beta])
@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_the_width_of_its_interval_is_that_of_leaving_out_one_image_after_the_other(
    average: Callable[[torch.Tensor, float], Number], beta: float
) -> None:
    matrix = torch.tensor([[90, 5, 25], [10, 60, 2], [40, 1, 30]])
    n = int(matrix.sum())
    total = squares = 0.0
    for cell in range(9):
        less = matrix.clone()
        less.view(-1)[cell] -= 1
        moved, times = float(average(less, beta)), int(matrix.view(-1)[cell])
        total, squares = total + times * moved, squares + times * moved * moved
    error = ((n - 1) / n * (squares - total * total / n)) ** 0.5
    number = average(matrix, beta)
    assert (number.high or 0.0) - float(number) == pytest.approx(1.96 * error, rel=0.02)


def test_the_macro_average_says_which_classes_it_leaves_out_or_counts_as_0() -> None:
    matrix = torch.tensor([[5, 5, 0, 0], [0, 9, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    precision = macro_average(matrix).precision
    assert "1 absent from labels and predictions left out" in precision.why
    assert "1 never predicted, with precision 0" in precision.why
    assert float(precision) == pytest.approx((5 / 6 + 9 / 15 + 0) / 3)


def test_macro_f1_is_the_mean_of_f1_and_not_the_f1_of_means() -> None:
    matrix = torch.tensor([[9, 1], [40, 50]])
    one, other = 2 * 9 / (10 + 49), 2 * 50 / (90 + 51)
    assert float(macro_average(matrix).f1) == pytest.approx((one + other) / 2)


@pytest.mark.parametrize("average", [macro_average, weighted_average])
@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_intervals_of_averages_cover_the_truth_in_about_95_of_100_draws(
    average: Callable[[torch.Tensor], ClassAverage], name: str
) -> None:
    rng = np.random.default_rng(3)
    shares = rng.random((4, 4)) + 3 * np.eye(4)
    shares /= shares.sum()
    truth = float(getattr(average(torch.from_numpy((shares * 1e9).astype(np.int64))), name))
    covered, draws = 0, 400
    for cells in rng.multinomial(500, shares.ravel(), size=draws):
        number = getattr(average(torch.from_numpy(cells).view(4, 4)), name)
        covered += number.low <= truth <= number.high
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 400 draws: 0.011


def test_averages_of_no_images_are_missing() -> None:
    assert macro_average(torch.zeros(2, 2, dtype=torch.int64)).f1.value is None
