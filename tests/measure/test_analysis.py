"""From a table to every figure."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support, top_k_accuracy_score
from sklearn.metrics import confusion_matrix as their_matrix

from measure.tables import NAMES, answers, data_of, healthy, table_of
from striate.core.codec import dumps, from_json
from striate.core.errors import StriateError
from striate.measure.analysis import analyse
from striate.measure.payload import Evaluation
from striate.measure.table import Table


@pytest.fixture(scope="module")
def case() -> tuple[Table, Evaluation]:
    logits, labels = healthy(0, 3000, scale=3.0)
    table = table_of(logits, labels)
    return table, analyse(table, data_of(labels))


def test_the_figures_are_those_of_scikit_learn(case: tuple[Table, Evaluation]) -> None:
    table, found = case
    labels, predicted = table.labels.numpy(), table.predicted.numpy()
    p = torch.softmax(table.logits.double(), 1).numpy()
    assert found.accuracy.value == pytest.approx(accuracy_score(labels, predicted))
    assert found.top5.value == pytest.approx(top_k_accuracy_score(labels, p, k=5))
    assert found.loss.value == pytest.approx(log_loss(labels, p))
    assert np.array_equal(np.array(found.confusion), their_matrix(labels, predicted))
    for average in ("micro", "macro", "weighted"):
        theirs = precision_recall_fscore_support(labels, predicted, average=average)[:3]
        ours = getattr(found.averages, average)
        assert [ours.precision.value, ours.recall.value, ours.f1.value] == pytest.approx(theirs)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted)
    assert [one.precision.value for one in found.classes] == pytest.approx(precision)
    assert [one.recall.value for one in found.classes] == pytest.approx(recall)
    assert [one.f1.value for one in found.classes] == pytest.approx(f1)
    assert [one.support for one in found.classes] == support.tolist()
    assert found.chance.value == pytest.approx(np.bincount(labels).max() / len(labels))


def test_the_parts_of_an_evaluation_fit_together(case: tuple[Table, Evaluation]) -> None:
    _, found = case
    assert found.n == sum(map(sum, found.confusion)) == sum(each.n for each in found.calibration.bins)
    assert [one.name for one in found.classes] == list(found.names) == list(NAMES)
    for row, one in enumerate(found.classes):
        assert one.support == sum(found.confusion[row])
        assert one.predicted == sum(line[row] for line in found.confusion)
        assert one.true_positives == found.confusion[row][row]
        assert one.true_positives + one.false_positives + one.false_negatives + one.true_negatives == found.n
    for each in found.calibration.bins:
        if each.confidence.value is not None:
            assert each.low < each.confidence.value <= each.high


def test_an_evaluation_is_read_back_from_its_json(case: tuple[Table, Evaluation]) -> None:
    _, found = case
    assert from_json(json.loads(dumps(found)), Evaluation) == found


def test_mistakes_are_the_most_confident_first_and_at_most_200(case: tuple[Table, Evaluation]) -> None:
    table, found = case
    wrong = (~table.correct).nonzero()[:, 0].tolist()
    expected = sorted(wrong, key=lambda row: (-float(table.confidence[row]), row))[:200]
    assert len(wrong) > 200
    assert [one.row for one in found.mistakes] == expected
    first = found.mistakes[0]
    p = torch.softmax(table.logits[first.row].double(), 0)
    assert first.label == int(table.labels[first.row])
    assert first.predicted == int(p.argmax()) != first.label
    assert (first.confidence, first.probability) == pytest.approx((float(p.max()), float(p[first.label])))
    assert first.name == data_of(table.labels).name_of(first.row)


def test_below_six_classes_there_is_no_top_five() -> None:
    logits, labels = healthy(0, 50, NAMES[:5])
    found = analyse(table_of(logits, labels, NAMES[:5]), data_of(labels, NAMES[:5]))
    assert found.top5.value is None
    assert "5 classes" in found.top5.why


def test_a_label_that_was_held_impossible_has_no_finite_loss_and_it_is_said() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.tensor([[0.0, -math.inf], [0.0, -math.inf]])
    found = analyse(table_of(logits, labels, NAMES[:2]), data_of(labels, NAMES[:2]))
    assert found.loss.value is None
    assert "1 labels were given probability 0" in found.loss.why


def test_a_perfect_net_and_one_image_are_fine() -> None:
    labels = torch.arange(10).repeat(5)
    found = analyse(table_of(answers(labels, labels), labels), data_of(labels))
    assert found.accuracy.value == 1.0
    assert found.mistakes == ()
    single = analyse(table_of(answers(labels[:1], labels[:1]), labels[:1]), data_of(labels[:1]))
    assert single.n == 1
    assert json.loads(dumps(single))["loss"]["low"] is None


def test_a_class_without_images_or_predictions_has_figures_that_say_so() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    found = analyse(table_of(answers(labels, labels), labels), data_of(labels))
    jay = found.classes[9]
    assert (jay.support, jay.predicted) == (0, 0)
    assert jay.recall.value is None
    assert jay.recall.why.startswith("0/0")
    assert found.averages.macro.f1.value == 1.0
    assert "8 absent" in found.averages.macro.f1.why


def test_a_table_of_other_data_is_refused() -> None:
    logits, labels = healthy(0, 20)
    with pytest.raises(StriateError, match="20 predictions for data of 19"):
        analyse(table_of(logits, labels), data_of(labels[:19]))
    with pytest.raises(StriateError, match="the data that the table was made of"):
        analyse(table_of(logits, labels), data_of((labels + 1) % 10))


def test_slices_of_a_large_table_give_the_figures_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = healthy(1, 500)
    whole = analyse(table_of(logits, labels), data_of(labels))
    monkeypatch.setattr("striate.measure.table.SLICE", 370)
    parts = analyse(table_of(logits, labels), data_of(labels))
    assert parts.loss.value == pytest.approx(whole.loss.value)
    assert parts.calibration.brier.value == pytest.approx(whole.calibration.brier.value)
    assert parts.top5 == whole.top5
    assert parts.calibration.bins == whole.calibration.bins


def test_ten_thousand_images_of_ten_classes_take_at_most_three_cpu_seconds() -> None:
    logits, labels = healthy(0, 10_000)
    table, data = table_of(logits, labels), data_of(labels)
    begun = time.process_time()
    analyse(table, data)
    assert time.process_time() - begun < 3.0  # takes about 0.05
