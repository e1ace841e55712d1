"""Findings on slices, labels, single classes' confidence and thresholds."""

from __future__ import annotations

import shlex

import pytest
import torch
from torch import Tensor

from measure.tables import NAMES, answers, data_of, healthy, table_of
from striate.core.finding import Finding
from striate.measure.analysis import analyse
from striate.measure.findings import evaluation_findings
from striate.measure.operation import Costs
from striate.measure.payload import Evaluation
from striate.measure.table import Table

TWO = ("well", "ill")


def found(evaluation: Evaluation, check: str) -> list[Finding]:
    findings = evaluation_findings(evaluation, net="net", data="my data")
    for one in findings:
        assert shlex.split(one.command)[0] == "striate"
        assert one.seen.endswith(".")
        assert one.mend.endswith(".")
    return [one for one in findings if one.check == check]


def dark_failures(seed: int, n: int = 4000) -> tuple[Table, Tensor]:
    """A net that takes dark images for anything, and the brightness of all."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (n,), generator=generator)
    brightness = torch.rand(n, generator=generator).double()
    wrong = torch.rand(n, generator=generator) < torch.where(brightness < 0.1, 0.59, 0.068)
    shift = torch.randint(1, 10, (n,), generator=generator)
    predicted = torch.where(wrong, (labels + shift) % 10, labels)
    return table_of(answers(labels, predicted), labels), brightness


def test_a_weak_slice_is_told_with_its_numbers_and_a_mend() -> None:
    table, brightness = dark_failures(0)
    evaluation = analyse(table, data_of(table.labels), properties={"brightness": brightness})
    (one,) = found(evaluation, "weak-slice")
    assert evaluation.slices is not None
    row = evaluation.slices.rows[0]
    assert one.id == f"weak-slice/{row.name}"
    assert row.name.startswith("brightness below")
    words = f"{row.name}: {100 * float(row.accuracy):.1f} % right against {100 * float(row.rest):.1f} %"
    assert one.seen.startswith(words)
    assert one.evidence[0].number == row.accuracy
    assert "brightness" in one.mend
    assert one.severity == "error"
    assert one.sure > 0.999
    assert found(evaluation, "suspect-labels") == []  # its mistakes are no wrong labels


def test_weak_classes_are_told_once_and_not_as_slices() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (3000,), generator=generator)
    predicted = torch.where((labels == 3) & (torch.rand(3000, generator=generator) < 0.5), 4, labels)
    evaluation = analyse(table_of(answers(labels, predicted), labels), data_of(labels))
    assert evaluation.slices is not None
    assert [one.name for one in evaluation.slices.rows if one.weak] == ["class dog"]
    assert found(evaluation, "weak-slice") == []
    assert len(found(evaluation, "weak-class")) == 1


def test_wrong_labels_are_told_with_the_most_suspect_image() -> None:
    logits, labels = healthy(0, 3000, scale=12.0)
    generator = torch.Generator().manual_seed(5)
    wrong = torch.rand(3000, generator=generator) < 0.05
    labels = torch.where(wrong, (labels + torch.randint(1, 10, (3000,), generator=generator)) % 10, labels)
    evaluation = analyse(table_of(logits, labels), data_of(labels))
    (one,) = found(evaluation, "suspect-labels")
    first = evaluation.suspects[0]
    assert f"{first.name}, labelled {first.label_name}, which looks like {first.suggested_name}" in one.seen
    assert one.command == "striate check 'my data'"
    assert one.sure <= 0.5  # images unlike the training ones look the same
    assert evaluation.noise is not None
    assert one.evidence[0].number == evaluation.noise.rate


@pytest.mark.parametrize("seed", range(3))
def test_a_class_that_is_called_too_surely_is_told_apart_from_the_whole_net(seed: int) -> None:
    logits, labels = healthy(seed, 6000, scale=3.0)
    said = logits.argmax(1) == 4
    logits[said, 4] += 3.0  # only where it says elk
    evaluation = analyse(table_of(logits, labels), data_of(labels))
    (one,) = found(evaluation, "class-confidence")
    assert one.id == "class-confidence/elk"
    elk = evaluation.classes[4]
    assert float(elk.confidence) == pytest.approx(float(torch.softmax(logits.double(), 1)[said, 4].mean()))
    # a net that is too sure of all classes alike has one finding on all
    logits, labels = healthy(seed, 6000, scale=3.0)
    evenly = analyse(table_of(2.5 * logits, labels), data_of(labels))
    assert found(evenly, "class-confidence") == []
    assert len(found(evenly, "confidence")) == 1


def test_the_temperature_that_mends_is_told_with_what_it_leaves() -> None:
    (dev, dev_labels), (logits, labels) = healthy(0, 3000, scale=3.0), healthy(1, 3000, scale=3.0)
    table, data = table_of(2.5 * logits, labels), data_of(labels)
    evaluation = analyse(table, data, dev=table_of(2.5 * dev, dev_labels))
    (one,) = found(evaluation, "confidence")
    scaling = evaluation.calibration.scaling
    assert f"Divide the logits by {float(scaling.temperature):.2f} (fitted on dev, 3,000 images)" in one.mend
    assert [each.number.value for each in one.evidence[-2:] if each.number] == [
        scaling.temperature.value,
        scaling.ece.value,
    ]
    (plain,) = found(analyse(table, data), "confidence")
    assert "fitted on the dev split" in plain.mend


def test_a_threshold_that_saves_costs_is_told_only_where_costs_are_given() -> None:
    (dev, dev_labels), (logits, labels) = healthy(0, 4000, TWO, scale=1.0), healthy(1, 4000, TWO, scale=1.0)
    table, data, other = table_of(logits, labels, TWO), data_of(labels, TWO), table_of(dev, dev_labels, TWO)
    (one,) = found(analyse(table, data, dev=other, costs=Costs(1, 20)), "threshold")
    assert "calling ill from 0.0" in one.seen
    assert found(analyse(table, data, dev=other), "threshold") == []
    # chosen on the images themselves it would flatter
    assert found(analyse(table, data, costs=Costs(1, 20)), "threshold") == []
    assert found(analyse(table, data, dev=other, costs=Costs(1, 1)), "threshold") == []


def test_files_left_out_on_the_way_leave_a_table_of_the_others() -> None:
    logits, labels = healthy(0, 300)
    kept = torch.tensor([row for row in range(300) if row % 7])
    table = table_of(logits, labels).take(kept)
    evaluation = analyse(table, data_of(labels), properties={"brightness": torch.rand(len(kept)).double()})
    assert evaluation.n == len(kept)
    assert {one.row for one in evaluation.mistakes} <= set(kept.tolist())
    assert NAMES[0] == evaluation.names[0]
