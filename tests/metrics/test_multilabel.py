"""Images with any number of labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from oracles.metrics_multilabel import averages, ranking_figures
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.intervals import wilson
from striate.metrics.multilabel import Decided, label_figures, label_ranking
from striate.metrics.ranking import average_precision

Row = list[tuple[int, bool, bool]]
TABLES = st.integers(1, 4).flatmap(
    lambda k: st.lists(
        st.lists(st.tuples(st.integers(-2, 2), st.booleans(), st.booleans()), min_size=k, max_size=k),
        min_size=1,
        max_size=12,
    )
)


def parts(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scores, decided, true = (torch.tensor([[cell[at] for cell in row] for row in rows]) for at in range(3))
    return scores.to(torch.float64), decided.bool(), true.bool()


@settings(max_examples=80)
@given(TABLES)
def test_averages_are_those_of_the_loop_or_missing_with_a_reason(rows: list[Row]) -> None:
    _, decided, true = parts(rows)
    found, slow = label_figures(decided, true), averages(decided.tolist(), true.tolist())
    for name, expected in slow.items():
        average = getattr(found, name)
        ours: list[Number] = [average.precision, average.recall, average.f1]
        for at, number in enumerate(ours):
            if number.value is None:
                assert number.why.startswith("0/0"), name
                lines = (decided.any(), true.any(), (decided | true).any())
                assert expected is None or (name == "micro" and not lines[at])
            else:
                assert expected is not None
                assert number.value == pytest.approx(float(expected[at]), abs=1e-12), name
                assert number.low is None or number.low <= number.value <= (number.high or 0.0)


@settings(max_examples=50)
@given(TABLES)
def test_they_agree_with_scikit_learn_on_classes_and_images_that_have_a_label(rows: list[Row]) -> None:
    _, decided, true = parts(rows)
    any_label = decided | true
    if any_label.shape[1] < 2 or not any_label.any():
        return
    found = label_figures(decided, true)
    by_class, by_image = any_label.any(0), any_label.any(1)
    for name, ours, kept in (
        ("micro", found.micro, (slice(None), slice(None))),
        ("macro", found.macro, (slice(None), by_class)),
        ("weighted", found.weighted, (slice(None), by_class)),
        ("samples", found.samples, (by_image, slice(None))),
    ):
        pair = [each[kept[0]][:, kept[1]].numpy() for each in (true, decided)]
        if pair[0].shape[1] < 2:
            continue
        expected = theirs.precision_recall_fscore_support(*pair, average=name, zero_division=0.0)[:3]
        for number, value in zip((ours.precision, ours.recall, ours.f1), expected, strict=True):
            assert number.value is None or number.value == pytest.approx(value), name
    assert found.hamming_loss.value == pytest.approx(theirs.hamming_loss(true.numpy(), decided.numpy()))
    assert found.exact_match.value == pytest.approx(theirs.accuracy_score(true.numpy(), decided.numpy()))


@given(TABLES)
def test_every_class_has_its_table(rows: list[Row]) -> None:
    _, decided, true = parts(rows)
    for k, counts in enumerate(label_figures(decided, true).each):
        pairs = list(zip(decided[:, k].tolist(), true[:, k].tolist(), strict=True))
        expected = [pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))]
        assert [counts.tp, counts.fp, counts.fn, counts.tn] == expected


@settings(max_examples=80)
@given(TABLES)
def test_ranking_figures_are_those_of_the_loop_and_of_scikit_learn(rows: list[Row]) -> None:
    scores, _, true = parts(rows)
    found = label_ranking(scores, true)
    some = [ranking_figures(*pair) for pair in zip(scores.tolist(), true.tolist(), strict=True) if any(pair[1])]
    losses = [float(each[0]) for each in some if each[0] is not None]
    for number, values in (
        (found.ranking_loss, losses),
        (found.coverage_error, [float(each[1]) for each in some]),
        (found.label_ranking_precision, [float(each[2]) for each in some]),
    ):
        assert number.value == (pytest.approx(sum(values) / len(values)) if values else None)
        assert number.value is not None or number.why.startswith("0/0")
    kept, two_sided = true.any(1), true.any(1) & ~true.all(1)
    if true.shape[1] > 1:
        pair = [each[kept].numpy() for each in (true, scores)]
        if kept.any():
            assert found.coverage_error.value == pytest.approx(theirs.coverage_error(*pair))
            assert found.label_ranking_precision.value == pytest.approx(
                theirs.label_ranking_average_precision_score(*pair)
            )
        if two_sided.any():
            loss = theirs.label_ranking_loss(true[two_sided].numpy(), scores[two_sided].numpy())
            assert found.ranking_loss.value == pytest.approx(loss)


@given(TABLES)
def test_mean_average_precision_leaves_out_classes_without_images(rows: list[Row]) -> None:
    scores, _, true = parts(rows)
    found = label_ranking(scores, true).average_precision
    each = [average_precision(scores[:, k], true[:, k]) for k in range(true.shape[1])]
    assert list(found.each) == each
    values = [number.value for number in each if number.value is not None]
    assert found.macro.value == (pytest.approx(sum(values) / len(values)) if values else None)
    if true.any(0).all():
        expected = theirs.average_precision_score(true.numpy(), scores.numpy(), average="macro")
        assert found.macro.value == pytest.approx(expected)


@given(TABLES, st.integers(1, 5))
def test_batches_and_merged_parts_are_one_whole(rows: list[Row], size: int) -> None:
    _, decided, true = parts(rows)
    seen = Decided()
    for pair in zip(decided.split(size), true.split(size), strict=True):
        seen = seen.merge(Decided().update(*pair))
    assert seen.compute() == label_figures(decided, true)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "samples"])
def test_intervals_cover_the_truth_though_labels_of_an_image_hang_together(average: str) -> None:
    rng = np.random.default_rng(0)

    def draw(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        hard = rng.normal(size=(size, 1))
        true = (rng.normal(size=(size, 4)) + hard) > [0.2, 0.6, 1.0, 1.4]
        decided = true ^ (rng.random((size, 4)) < 0.25 / (1 + np.exp(-2 * hard)))
        return torch.from_numpy(decided), torch.from_numpy(true)

    truth = getattr(label_figures(*draw(400_000)), average)
    covered, draws = dict.fromkeys(("precision", "recall", "f1"), 0), 300
    for _ in range(draws):
        found = getattr(label_figures(*draw(150)), average)
        for name in covered:
            number: Number = getattr(found, name)
            covered[name] += (number.low or 0.0) <= float(getattr(truth, name)) <= (number.high or 0.0)
    assert all(0.9 <= each / draws <= 0.985 for each in covered.values()), covered  # binomial spread: 0.013


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "samples"])
def test_the_width_of_an_interval_is_that_of_leaving_out_one_image_after_the_other(average: str) -> None:
    rng, n = np.random.default_rng(1), 400
    true = torch.from_numpy(rng.random((n, 3)) < [0.7, 0.3, 0.2])
    decided = true ^ torch.from_numpy(rng.random((n, 3)) < [0.05, 0.2, 0.4])
    rows = torch.arange(n)
    without = [label_figures(decided[rows != row], true[rows != row]) for row in range(n)]
    for name in ("precision", "recall", "f1"):
        left = np.array([float(getattr(getattr(each, average), name)) for each in without])
        number: Number = getattr(getattr(label_figures(decided, true), average), name)
        error = math.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
        assert (number.high or 0.0) - float(number) == pytest.approx(1.96 * error, rel=0.03), name


def test_a_perfect_net_is_perfect_and_blind_scores_are_not() -> None:
    true = torch.tensor([[True, False, True], [False, True, False]])
    perfect, ranked = label_figures(true, true), label_ranking(true.double(), true)
    assert perfect.exact_match == wilson(2, 2)
    assert (perfect.micro.f1.value, perfect.samples.f1.value, perfect.hamming_loss.value) == (1.0, 1.0, 0.0)
    assert (ranked.ranking_loss.value, ranked.coverage_error.value) == (0.0, 1.5)
    assert ranked.label_ranking_precision.value == 1.0
    blind = label_ranking(torch.zeros(2, 3), true)
    assert (blind.ranking_loss.value, blind.coverage_error.value) == (1.0, 3.0)


def test_images_without_labels_are_left_out_and_counted() -> None:
    true = torch.tensor([[False, False], [True, False], [True, True]])
    found = label_ranking(torch.tensor([[1.0, 0.0]] * 3), true)
    assert found.ranking_loss.n == 1
    assert "2 images with no or all labels left out" in found.ranking_loss.why
    assert "1 image without labels left out" in found.coverage_error.why
    quiet = label_figures(torch.zeros(3, 2), torch.tensor([[0, 0], [1, 0], [0, 0]]))
    assert quiet.micro.precision.why == "0/0: no label was decided"
    assert "2 images without any label left out" in quiet.samples.f1.why
    assert "1 neither true nor decided left out" in quiet.macro.f1.why


def test_no_images_have_no_figures() -> None:
    empty = label_figures(torch.zeros(0, 3), torch.zeros(0, 3))
    assert empty == Decided().compute(3)
    assert all(number.value is None for number in (empty.micro.f1, empty.macro.f1, empty.samples.f1))
    assert (empty.exact_match.value, empty.hamming_loss.value) == (None, None)
    assert label_ranking(torch.zeros(0, 3), torch.zeros(0, 3)).ranking_loss.value is None


def test_what_are_no_tables_is_refused() -> None:
    with pytest.raises(StriateError, match=r"decisions have shape \(2, 3\) and truths \(2, 2\)"):
        label_figures(torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(StriateError, match=r"decisions hold 0\.5"):
        label_figures(torch.tensor([[0.5]]), torch.tensor([[1]]))
    with pytest.raises(StriateError, match="scores hold nan at row 0"):
        label_ranking(torch.tensor([[math.nan]]), torch.tensor([[1]]))
    with pytest.raises(StriateError, match="decisions have shape"):
        Decided().update(torch.zeros(1, 3), torch.zeros(1, 3)).update(torch.zeros(1, 2), torch.zeros(1, 2))
