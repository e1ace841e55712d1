"""ROC, area under it, precision against recall, average precision, class by class."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from oracles.metrics_ranking import average_precision as slow_average_precision
from oracles.metrics_ranking import delong_error, share_of_pairs, table_at
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.ranked import Ranked
from striate.metrics.ranking import (
    auc,
    auc_by_class,
    average_precision,
    average_precision_by_class,
    precision_recall,
    roc_curve,
)
from striate.metrics.scored import BinnedScores, Scored

TABLES = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=40)
Pairs = list[tuple[int, bool]]


def vectors(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([float(pair[0]) for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def lists(pairs: Pairs) -> tuple[list[float], list[bool]]:
    return [float(pair[0]) for pair in pairs], [pair[1] for pair in pairs]


def sides(pairs: Pairs) -> tuple[int, int]:
    hits = sum(pair[1] for pair in pairs)
    return hits, len(pairs) - hits


@given(TABLES)
def test_the_area_is_the_share_of_rightly_ordered_pairs_and_that_of_scikit_learn(pairs: Pairs) -> None:
    number, (positives, negatives) = auc(*vectors(pairs)), sides(pairs)
    if positives and negatives:
        assert number.value == pytest.approx(float(share_of_pairs(*lists(pairs))), abs=1e-12)
        assert number.value == pytest.approx(theirs.roc_auc_score(*reversed(lists(pairs))), abs=1e-12)
        assert roc_curve(*vectors(pairs)).area == pytest.approx(number.value, abs=1e-12)
    else:
        assert number.value is None
        assert number.why.startswith("0/0: no image of")


@given(TABLES)
def test_the_interval_of_the_area_is_delongs_on_the_scale_of_log_odds(pairs: Pairs) -> None:
    number, counts = auc(*vectors(pairs)), sides(pairs)
    if number.low is None or number.high is None:
        assert number.why
        return
    assert min(counts) >= 2
    area = float(number)
    half = 1.959963984540054 * delong_error(*lists(pairs)) / (area * (1 - area))
    odds = math.log(area / (1 - area))
    assert (number.low, number.high) == pytest.approx([1 / (1 + math.exp(-odds - side * half)) for side in (-1, 1)])


@given(TABLES)
def test_the_roc_curve_counts_at_every_threshold_as_scikit_learn_does(pairs: Pairs) -> None:
    curve, (positives, negatives) = roc_curve(*vectors(pairs)), sides(pairs)
    if not (positives and negatives):
        assert curve.why
        assert len(curve.thresholds) == 0
        assert math.isnan(curve.area)
        return
    fpr, tpr, thresholds = theirs.roc_curve(*reversed(lists(pairs)), drop_intermediate=False)
    assert np.allclose(curve.thresholds, thresholds)
    assert np.allclose(curve.false_positive_rate, fpr)
    assert np.allclose(curve.true_positive_rate, tpr)
    for threshold, one, other in zip(thresholds, curve.false_positive_rate, curve.true_positive_rate, strict=True):
        tp, fp, fn, tn = table_at(*lists(pairs), threshold)
        assert (float(one), float(other)) == pytest.approx((fp / (fp + tn), tp / (tp + fn)))


@given(TABLES)
def test_precision_and_recall_are_those_of_every_threshold(pairs: Pairs) -> None:
    curve = precision_recall(*vectors(pairs))
    if not sides(pairs)[0]:
        assert curve.why
        assert math.isnan(curve.area)
        return
    precision, recall, thresholds = theirs.precision_recall_curve(*reversed(lists(pairs)))
    assert np.allclose(curve.thresholds.flip(0), thresholds)
    assert np.allclose(curve.precision.flip(0), precision[:-1])
    assert np.allclose(curve.recall.flip(0), recall[:-1])
    steps = curve.recall.diff(prepend=torch.zeros(1))
    assert float((steps * curve.precision).sum()) == pytest.approx(curve.area)


@given(TABLES)
def test_average_precision_is_that_of_the_loop_and_of_scikit_learn(pairs: Pairs) -> None:
    number = average_precision(*vectors(pairs))
    if not sides(pairs)[0]:
        assert number.value is None
        assert number.why.startswith("0/0: no image of the class")
        return
    assert number.value == pytest.approx(slow_average_precision(*lists(pairs)), abs=1e-12)
    assert number.value == pytest.approx(theirs.average_precision_score(*reversed(lists(pairs))), abs=1e-12)
    assert number.low is None or number.low <= number.value <= (number.high or 0.0)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=15).filter(lambda p: sides(p)[0]))
def test_the_influence_of_an_image_is_the_derivative_by_its_weight(pairs: Pairs) -> None:
    scores, truths = lists(pairs)
    exact, known = vectors(pairs)
    ranked = Ranked.of(exact.double(), known)
    by_hit, by_miss = ranked.share_influence(ranked.hits, by_hit=True)
    moved = torch.where(known, by_hit[ranked.group], by_miss[ranked.group])
    for row in range(len(pairs)):
        ends = []
        for step in (1e-5, -1e-5):
            weights = [1.0] * len(pairs)
            weights[row] += step
            ends.append(slow_average_precision(scores, truths, weights))
        assert float(moved[row]) == pytest.approx((ends[0] - ends[1]) / 2e-5 * len(pairs), abs=1e-5)


@pytest.mark.parametrize("figure", [auc, average_precision])
@pytest.mark.parametrize(("n", "share"), [(60, 0.5), (150, 0.2)])
def test_intervals_cover_the_truth_in_about_95_of_100_draws(
    figure: Callable[[torch.Tensor, torch.Tensor], Number], n: int, share: float
) -> None:
    rng = np.random.default_rng(2)

    def draw(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        truths = rng.random(size) < share
        return torch.from_numpy(rng.normal(size=size) + 1.2 * truths), torch.from_numpy(truths)

    truth, covered, draws = float(figure(*draw(400_000))), 0, 400
    for _ in range(draws):
        number = figure(*draw(n))
        assert number.low is not None
        assert number.high is not None
        covered += number.low <= truth <= number.high
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 400 draws: 0.011


def classes(n: int, k: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += 1.0
    return torch.softmax(torch.from_numpy(logits), 1), torch.from_numpy(labels)


@pytest.mark.parametrize("k", [3, 5])
def test_averages_over_classes_agree_with_scikit_learn(k: int) -> None:
    scores, labels = classes(80, k)
    area, precise = auc_by_class(scores, labels), average_precision_by_class(scores, labels)
    hot = np.eye(k)[labels.numpy()]
    for name, ours in (("macro", area.macro), ("weighted", area.weighted)):
        assert float(ours) == pytest.approx(
            theirs.roc_auc_score(labels, scores.numpy(), multi_class="ovr", average=name)
        )
    for name, ours in (("macro", precise.macro), ("weighted", precise.weighted)):
        assert float(ours) == pytest.approx(theirs.average_precision_score(hot, scores.numpy(), average=name))
    assert [float(each) for each in area.each] == pytest.approx(
        [float(auc(scores[:, c], labels == c)) for c in range(k)]
    )


def test_two_classes_with_opposite_scores_have_one_area() -> None:
    scores, labels = classes(50, 2)
    area = auc_by_class(scores, labels)
    assert float(area.each[0]) == pytest.approx(float(area.each[1]))
    assert float(area.macro) == pytest.approx(float(auc(scores[:, 1], labels == 1)))


def test_classes_without_images_are_left_out_of_averages_and_said() -> None:
    scores, labels = classes(60, 4)
    wide = torch.cat([scores, torch.rand(60, 2, dtype=torch.float64)], 1)
    narrow = auc_by_class(scores, labels)
    padded = auc_by_class(wide, labels)
    assert float(padded.macro) == pytest.approx(float(narrow.macro))
    assert float(padded.weighted) == pytest.approx(float(narrow.weighted))
    assert "2 without the figure left out" in padded.macro.why
    assert padded.each[5].value is None
    one = auc_by_class(scores, torch.zeros(60, dtype=torch.int64))
    assert one.macro.value is None
    assert one.weighted.why.startswith("0/0")
    empty = average_precision_by_class(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert empty.macro.value is None


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_of_averages_cover_the_truth_in_about_95_of_100_draws(weighted: bool) -> None:
    rng = np.random.default_rng(4)

    def draw(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = rng.choice(3, size, p=[0.5, 0.3, 0.2])
        logits = rng.normal(size=(size, 3))
        logits[np.arange(size), labels] += np.array([2.0, 1.0, 0.3])[labels]
        return torch.from_numpy(logits), torch.from_numpy(labels)

    def figure(size: int) -> Number:
        found = auc_by_class(*draw(size))
        return found.weighted if weighted else found.macro

    truth, covered, draws = float(figure(200_000)), 0, 300
    for _ in range(draws):
        number = figure(150)
        covered += (number.low or 0.0) <= truth <= (number.high or 0.0)
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 300 draws: 0.013


@given(TABLES, st.integers(4, 12))
def test_a_thinned_curve_keeps_its_ends_and_its_area_within_what_it_says(pairs: Pairs, most: int) -> None:
    roc, precise = roc_curve(*vectors(pairs)), precision_recall(*vectors(pairs))
    if not roc.why:
        thin = roc.thin(most)
        assert len(thin.thresholds) <= most
        assert thin.area == pytest.approx(roc.area, abs=1 / most + 1e-12)
        assert (float(thin.true_positive_rate[0]), float(thin.true_positive_rate[-1])) == (0.0, 1.0)
    if not precise.why:
        sparse = precise.thin(most)
        assert len(sparse.thresholds) <= most
        assert sparse.area == precise.area
        points = torch.stack([precise.recall, precise.precision], 1)
        kept = torch.stack([sparse.recall, sparse.precision], 1)
        gaps = (points[:, None] - kept[None]).abs().sum(2).amin(1)
        assert float(gaps.max()) <= precise.way / (most // 2) + 1e-12


def test_points_on_a_straight_line_go_first_and_the_area_stays() -> None:
    truths = torch.tensor([True, True, True, False, False, False])
    curve = roc_curve(torch.arange(6.0).flip(0), truths)
    assert curve.thin(4).false_positive_rate.tolist() == [0.0, 0.0, 1.0]
    assert curve.thin(4).area == curve.area == 1.0


def test_two_hundred_points_draw_a_long_curve() -> None:
    rng = np.random.default_rng(0)
    truths = torch.from_numpy(rng.random(50_000) < 0.3)
    curve = roc_curve(torch.from_numpy(rng.normal(size=50_000)) + truths, truths)
    assert curve.thin().area == pytest.approx(curve.area, abs=2e-4)


@given(TABLES, st.integers(1, 9))
def test_batches_and_merged_parts_are_one_whole(pairs: Pairs, size: int) -> None:
    scores, truths = vectors(pairs)
    seen, binned = Scored(), BinnedScores.empty(16)
    chances = torch.sigmoid(scores)
    for start in range(0, len(pairs), size):
        part = slice(start, start + size)
        seen = seen.merge(Scored().update(scores[part], truths[part]))
        binned = binned.merge(BinnedScores.empty(16).update(chances[part], truths[part]))
    assert auc(*seen.compute()) == auc(scores, truths)
    assert binned.compute() == BinnedScores.empty(16).update(chances, truths).compute()


@given(TABLES, st.integers(1, 20))
def test_binning_moves_the_area_by_no_more_than_its_bound(pairs: Pairs, bins: int) -> None:
    scores, truths = vectors(pairs)
    chances = torch.sigmoid(scores)
    binned = BinnedScores.empty(bins).update(chances, truths)
    exact, ours = auc(chances, truths), binned.compute()
    if exact.value is None:
        assert ours.value is None
        assert math.isnan(binned.bound)
    else:
        assert abs(float(ours) - exact.value) <= binned.bound + 1e-12
        assert ours.low is None or ours.low <= float(ours)


def test_nothing_seen_gives_nothing() -> None:
    assert auc(*Scored().compute()).value is None
    assert average_precision(*Scored().compute()).value is None


@pytest.mark.parametrize("figure", [auc, average_precision, roc_curve, precision_recall])
@pytest.mark.parametrize(
    ("scores", "truths", "words"),
    [
        (torch.tensor([0.1, math.nan]), torch.tensor([True, False]), "nan at row 1"),
        (torch.tensor([math.inf, 0.0]), torch.tensor([True, False]), "inf at row 0"),
        (torch.tensor([0.1, 0.2]), torch.tensor([True]), r"shape \(2,\) and truths \(1,\)"),
        (torch.zeros(2, 2), torch.zeros(2, 2), r"two vectors"),
        (torch.tensor([0.1, 0.2]), torch.tensor([2, 0]), "truths hold 2"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    figure: Callable[..., object], scores: torch.Tensor, truths: torch.Tensor, words: str
) -> None:
    with pytest.raises(StriateError, match=words):
        figure(scores, truths)


def test_wrong_tables_bins_and_points_are_refused() -> None:
    with pytest.raises(StriateError, match="labels go from 5 to 5"):
        auc_by_class(torch.zeros(1, 3), torch.tensor([5]))
    with pytest.raises(StriateError, match=r"not in \[0, 1\]"):
        BinnedScores.empty().update(torch.tensor([1.5]), torch.tensor([True]))
    with pytest.raises(StriateError, match="bins is 0"):
        BinnedScores.empty(0)
    with pytest.raises(StriateError, match="8 bins and 16"):
        BinnedScores.empty(8).merge(BinnedScores.empty(16))
    with pytest.raises(StriateError, match="most is 3"):
        roc_curve(torch.tensor([0.1, 0.2]), torch.tensor([True, False])).thin(3)
