"""Curves, areas and thresholds of every class."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from measure.tables import NAMES, answers, healthy, table_of
from oracles.measure_figures import best_f1
from striate.core.errors import StriateError
from striate.measure.operation import Costs, operating
from striate.measure.ordering import DRAWN, ordered
from striate.metrics.ranking import auc_by_class, average_precision_by_class

TWO = ("well", "ill")


def test_areas_are_those_of_scikit_learn() -> None:
    logits, labels = healthy(0, 1500, scale=2.0)
    table = table_of(logits, labels)
    found, _ = ordered(table)
    p, truths = torch.softmax(logits.double(), 1).numpy(), torch.nn.functional.one_hot(labels, 10).numpy()
    for average, area, precision in (
        ("macro", found.macro_auc, found.macro_average_precision),
        ("weighted", found.weighted_auc, found.weighted_average_precision),
    ):
        assert area.value == pytest.approx(roc_auc_score(truths, p, average=average))
        assert precision.value == pytest.approx(average_precision_score(truths, p, average=average))
    for row, one in enumerate(found.classes):
        assert one.auc.value == pytest.approx(roc_auc_score(truths[:, row], p[:, row]))


@pytest.mark.parametrize("names", [NAMES[:3], NAMES])
def test_a_class_of_few_images_is_ranked_as_if_all_had_been_sorted(names: tuple[str, ...]) -> None:
    logits, labels = healthy(3, 400, names, scale=1.5)
    logits = logits.mul(4).round().div(4)  # with ties
    found, _ = ordered(table_of(logits, labels, names))
    p = logits.double() - torch.logsumexp(logits.double(), 1, keepdim=True)  # the same ties
    for theirs, ours, macro, weighted in (
        (auc_by_class(p, labels), [one.auc for one in found.classes], found.macro_auc, found.weighted_auc),
        (
            average_precision_by_class(p, labels),
            [one.average_precision for one in found.classes],
            found.macro_average_precision,
            found.weighted_average_precision,
        ),
    ):
        for one, other in zip([*ours, macro, weighted], [*theirs.each, theirs.macro, theirs.weighted], strict=True):
            assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)


def test_curves_have_few_points_and_go_from_nothing_to_all() -> None:
    logits, labels = healthy(1, 3000, scale=2.0)
    found, _ = ordered(table_of(logits, labels))
    for one in found.classes:
        assert 4 <= len(one.roc) <= 60
        assert 4 <= len(one.precision_recall) <= 60
        assert one.roc[0] == (0.0, 0.0)
        assert one.roc[-1] == (1.0, 1.0)
        assert list(one.roc) == sorted(one.roc)
        area = sum((x - u) * (y + v) / 2 for (u, v), (x, y) in zip(one.roc, one.roc[1:], strict=False))
        assert area == pytest.approx(one.auc.value, abs=0.02)


def test_of_many_classes_the_weakest_keep_their_points() -> None:
    names = tuple(f"class {row}" for row in range(DRAWN + 10))
    logits, labels = healthy(2, 2000, names, scale=2.0)
    found, _ = ordered(table_of(logits, labels, names))
    kept = [float(one.auc) for one in found.classes if one.roc]
    assert len(kept) == DRAWN
    assert max(kept) <= min(float(one.auc) for one in found.classes if not one.roc)


def test_the_best_threshold_of_a_class_is_that_of_all_thresholds_tried() -> None:
    logits, labels = healthy(4, 150, NAMES[:4], scale=1.5)
    table = table_of(logits, labels, NAMES[:4])
    _, thresholds = ordered(table)
    p = torch.softmax(logits.double(), 1)
    for row, one in enumerate(thresholds):
        f1, at = best_f1(p[:, row].tolist(), (labels == row).tolist())
        assert one.f1.value == pytest.approx(f1)
        assert one.threshold.value == pytest.approx(at)
        assert one.chosen_on == "the measured split"


def test_thresholds_of_dev_are_measured_on_the_table() -> None:
    names = NAMES[:3]
    dev, table = (table_of(*healthy(seed, 400, names, scale=1.5), names) for seed in (5, 6))
    _, own = ordered(dev)
    _, moved = ordered(table, dev)
    p = torch.softmax(table.logits.double(), 1)
    for row, (one, other) in enumerate(zip(own, moved, strict=True)):
        assert other.threshold.value == one.threshold.value
        called, truths = p[:, row] >= float(other.threshold), table.labels == row
        assert other.recall.value == pytest.approx(float((called & truths).sum() / truths.sum()))
        assert other.precision.value == pytest.approx(float((called & truths).sum() / called.sum()))
        assert other.chosen_on == "dev"


def test_a_class_without_images_has_no_figure_and_says_so() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    found, thresholds = ordered(table_of(answers(labels, labels), labels))
    assert found.classes[9].auc.value is None
    assert "no image of the class" in found.classes[9].auc.why
    assert "8 without the figure left out" in found.macro_auc.why
    assert thresholds[9].f1.value is None
    empty, _ = ordered(table_of(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64)))
    assert empty.macro_auc.value is None


def test_operating_points_are_chosen_on_dev_and_measured_on_the_table() -> None:
    dev, table = (table_of(*healthy(seed, 2000, TWO, scale=1.5), TWO) for seed in (0, 1))
    found = operating(table, dev, Costs(1, 9))
    assert found is not None
    assert (found.positive, found.chosen_on) == ("ill", "dev")
    half, cheap = found.points[:2]
    assert half.threshold.value == 0.5
    p = torch.softmax(table.logits.double(), 1)[:, 1]
    for one in found.points:
        assert one.true_positives + one.false_positives + one.false_negatives + one.true_negatives == 2000
        if one.threshold.value is not None:
            called, truths = p >= float(one.threshold), table.labels == 1
            assert one.true_positives == int((called & truths).sum())
            assert one.cost.value == pytest.approx((one.false_positives + 9 * one.false_negatives) / 2000)
    # drawn from their own probabilities: the cheapest threshold is near 1 / 10 (Elkan 2001)
    assert float(cheap.threshold) == pytest.approx(0.1, abs=0.06)
    assert float(cheap.cost) < float(half.cost)


def test_costs_need_two_classes_and_numbers_of_at_least_zero() -> None:
    table = table_of(*healthy(0, 50))
    assert operating(table, None, None) is None
    with pytest.raises(StriateError, match="10 classes"):
        operating(table, None, Costs(1, 2))
    with pytest.raises(StriateError, match="not both 0"):
        Costs(0, 0)
    with pytest.raises(StriateError, match="at least 0"):
        Costs(-1, 1)


def test_without_costs_none_is_computed_and_without_dev_it_is_said() -> None:
    found = operating(table_of(*healthy(0, 300, TWO, scale=1.5), TWO), None, None)
    assert found is not None
    assert found.chosen_on == "the measured split"
    assert all(one.cost.value is None for one in found.points)
