"""How far confidence can be believed: by class, after one temperature, where the net may decline."""

from __future__ import annotations

import pytest
import torch

from measure.tables import NAMES, answers, healthy, table_of
from oracles.measure_figures import class_error
from striate.measure.confidence import ClassBins, calibration, risk, scaling


def test_calibration_by_class_is_that_of_slow_loops() -> None:
    logits, labels = healthy(0, 300, NAMES[:4], scale=2.0)
    found = calibration(table_of(logits, labels, NAMES[:4]), None, seed=0)
    p = torch.softmax(logits.double(), 1)
    expected = [class_error(p[:, k].tolist(), (labels == k).tolist(), 15) for k in range(4)]
    assert [one.value for one in found.classes] == pytest.approx(expected)
    assert found.classwise.value == pytest.approx(sum(expected) / 4)


def test_what_chance_makes_of_a_class_is_near_what_calibrated_nets_show() -> None:
    shown, said = [], []
    for seed in range(30):
        logits, labels = healthy(seed, 1000, NAMES[:3], scale=2.0)
        one = ClassBins.of(table_of(logits, labels, NAMES[:3])).errors()[0]
        shown.append(float(one))
        said.append(float(one.why.split("about ")[1].split(" ")[0]))
    assert sum(shown) / 30 == pytest.approx(sum(said) / 30, rel=0.1)


def test_the_parts_of_the_brier_score_add_up() -> None:
    logits, labels = healthy(1, 500, scale=2.0)
    found = calibration(table_of(logits, labels), None, seed=0)
    assert found.parts is not None
    total = float(found.parts.reliability) - float(found.parts.resolution)
    total += float(found.parts.uncertainty) + float(found.parts.within)
    assert total == pytest.approx(found.brier.value)


@pytest.mark.parametrize("factor", [0.5, 2.5])
def test_the_temperature_of_dev_mends_the_measured_split(factor: float) -> None:
    (dev, dev_labels), (logits, labels) = healthy(0, 2000, scale=3.0), healthy(1, 2000, scale=3.0)
    table = table_of(factor * logits, labels)
    before = calibration(table, None, seed=0)
    after = scaling(table, table_of(factor * dev, dev_labels), seed=0)
    assert after.temperature.low is not None
    assert after.temperature.low < factor < float(after.temperature.high or 0)
    assert float(after.ece) < 0.03 < 0.5 * float(before.ece)
    cool = torch.nn.functional.cross_entropy(table.logits.double() / float(after.temperature), labels)
    assert after.loss.value == pytest.approx(float(cool))
    assert after.fitted_on == "dev, 2,000 images"


def test_without_dev_there_is_no_temperature_and_the_reason_is_given() -> None:
    table = table_of(*healthy(0, 50))
    found = calibration(table, None, seed=0, no_dev="the dev split itself is measured").scaling
    assert found.temperature.value is None
    assert found.temperature.why == "the dev split itself is measured"
    labels = torch.arange(10).repeat(3)
    perfect = scaling(table, table_of(answers(labels, labels), labels), seed=0)
    assert perfect.temperature.value is None
    assert perfect.ece.value is None
    single = scaling(table, table.take([0]), seed=0)
    assert "too few" in single.temperature.why


def test_risk_is_the_share_wrong_of_the_surest() -> None:
    logits, labels = healthy(2, 1000, scale=2.0)
    table = table_of(logits, labels)
    found = risk(table)
    order = sorted(range(1000), key=lambda row: -float(table.confidence[row]))
    for one in found.at:
        surest = order[: round(one.coverage * 1000)]
        wrong = sum(not bool(table.correct[row]) for row in surest)
        assert one.risk.value == pytest.approx(wrong / len(surest))
        assert one.threshold == pytest.approx(float(table.confidence[surest[-1]]))
    assert len(found.points) <= 60
    assert found.points[-1] == (1.0, pytest.approx(1 - float(table.correct.double().mean())))
    assert 0 <= float(found.excess) <= float(found.aurc)


def test_nothing_is_known_of_no_images() -> None:
    empty = table_of(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64))
    assert risk(empty).at == ()
    assert risk(empty).aurc.value is None
    assert calibration(empty, None, seed=0).classwise.value is None
