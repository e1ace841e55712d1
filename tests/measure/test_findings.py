"""What an evaluation gives to say: planted weaknesses are found, healthy nets are left in peace."""

from __future__ import annotations

import re
import shlex

import pytest
import torch
from torch import Tensor

from measure.tables import NAMES, answers, data_of, healthy, table_of
from striate.core.finding import Finding
from striate.measure.analysis import analyse
from striate.measure.findings import evaluation_findings
from striate.measure.table import Table

# verbs and options that a command may use
VERBS = {"evaluate": {"--split"}, "examine": {"--out"}}


def findings_of(logits: Tensor, labels: Tensor, names: tuple[str, ...] = NAMES) -> tuple[Finding, ...]:
    evaluation = analyse(table_of(logits, labels, names), data_of(labels, names))
    found = evaluation_findings(evaluation, net="striate/small", data="my data")
    for one in found:
        assert one.id.startswith(f"{one.check}/")
        assert 0 <= one.sure <= 1
        assert one.seen.endswith(".")
        assert re.search(r"\d", one.seen)
        assert one.evidence[0].number is not None
        assert one.mend
        verb, net, data, *options = shlex.split(one.command)[1:]
        assert (net, data) == ("striate/small", "my data")
        assert {each for each in options if each.startswith("--")} <= VERBS[verb]
    return found


def checks(found: tuple[Finding, ...]) -> set[str]:
    return {one.check for one in found}


def mistaken(seed: int, n: int, rate: float, *, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Labels, and predictions of which a share is another class, evenly."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    wrong = torch.rand(n, generator=generator) < rate
    shift = torch.randint(1, classes, (n,), generator=generator)
    return labels, torch.where(wrong, (labels + shift) % classes, labels)


@pytest.mark.parametrize(
    ("n", "classes", "scale"),
    [(10_000, 10, 6.0), (1000, 10, 6.0), (500, 2, 4.0), (2000, 3, 3.0), (3000, 100, 8.0), (2000, 10, 20.0)],
)
def test_a_healthy_net_is_left_in_peace_in_20_draws(n: int, classes: int, scale: float) -> None:
    names = tuple(f"class {number}" for number in range(classes))
    for seed in range(20):
        assert findings_of(*healthy(seed, n, names, scale=scale), names) == (), seed


@pytest.mark.parametrize("seed", range(5))
def test_a_weak_class_is_found_with_the_class_it_is_taken_for(seed: int) -> None:
    labels, predicted = mistaken(seed, 4000, 0.05)
    dogs = (labels == 3).nonzero()[:, 0]
    predicted[dogs[: len(dogs) // 4]] = 2
    (weak,) = [one for one in findings_of(answers(labels, predicted), labels) if one.check == "weak-class"]
    assert weak.id == "weak-class/dog"
    assert weak.severity == "warning"
    assert weak.sure > 0.999
    assert "called cat" in weak.seen
    recall = float((predicted[dogs] == 3).double().mean())
    assert f"dog: {100 * recall:.1f} %" in weak.seen
    assert weak.evidence[0].number is not None
    assert weak.evidence[0].number.value == pytest.approx(recall)


def test_weak_classes_are_shown_weakest_first_and_the_rest_is_counted() -> None:
    labels, predicted = mistaken(0, 20_000, 0.02, classes=10)
    for row, share in enumerate((0.2, 0.25, 0.3, 0.35, 0.4, 0.45)):
        rows = (labels == row).nonzero()[:, 0]
        predicted[rows[: int(share * len(rows))]] = 9
    found = [one for one in findings_of(answers(labels, predicted), labels) if one.check == "weak-class"]
    assert found[0].id == "weak-class/fox"
    assert len(found) <= 5


@pytest.mark.parametrize("seed", range(5))
def test_a_pair_that_is_taken_for_each_other_is_found(seed: int) -> None:
    labels, predicted = mistaken(seed, 5000, 0.05)
    for one, other in ((4, 5), (5, 4)):
        rows = (labels == one).nonzero()[:, 0]
        predicted[rows[: len(rows) // 6]] = other
    pairs = [one for one in findings_of(answers(labels, predicted), labels) if one.check == "confused-pair"]
    assert [one.id for one in pairs] == ["confused-pair/elk+fox"]
    assert pairs[0].severity == "warning"
    assert "taken for each other" in pairs[0].seen


@pytest.mark.parametrize(("factor", "kind"), [(2.0, "overconfident"), (0.4, "underconfident")])
@pytest.mark.parametrize("seed", range(5))
def test_confidence_that_is_too_high_or_too_low_is_found(factor: float, kind: str, seed: int) -> None:
    logits, labels = healthy(seed, 3000, scale=3.0)
    found = findings_of(factor * logits, labels)
    assert [one.id for one in found] == [f"confidence/{kind}"]
    assert "expected calibration error" in found[0].seen


def test_a_net_at_chance_is_an_error_and_nothing_else_is_said_of_its_parts() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (1000,), generator=generator)
    found = findings_of(torch.randn(1000, 10, generator=generator), labels)
    assert [(one.id, one.severity) for one in found] == [("at-chance/accuracy", "error")]


def test_a_net_that_finds_rare_images_at_no_gain_in_accuracy_is_not_at_chance() -> None:
    labels = torch.zeros(2000, dtype=torch.int64)
    labels[:40] = 1
    predicted = labels.clone()
    predicted[:8] = 0  # 32 of 40 found
    predicted[100:135] = 1  # 35 false alarms
    assert "at-chance" not in checks(findings_of(answers(labels, predicted, 2), labels, NAMES[:2]))


def test_one_answer_to_everything_is_an_error() -> None:
    labels = torch.arange(10).repeat(20)
    found = findings_of(answers(labels, torch.full_like(labels, 7)), labels)
    assert [one.id for one in found if one.severity == "error"] == ["one-answer/hen"]
    assert "All 200 images are called hen" in found[0].seen


def test_a_class_that_is_never_predicted_is_an_error_and_not_called_weak_as_well() -> None:
    labels, predicted = mistaken(0, 3000, 0.04)
    predicted[predicted == 6] = 1
    found = findings_of(answers(labels, predicted), labels)
    assert found[0].id == "never-predicted/gnu"
    assert found[0].severity == "error"
    assert "called bee" in found[0].seen
    assert "weak-class/gnu" not in {one.id for one in found}


def test_a_rare_class_that_is_never_predicted_may_be_luck() -> None:
    labels, predicted = mistaken(0, 1000, 0.3, classes=9)
    labels[0], predicted[0] = 9, 0
    assert "never-predicted" not in checks(findings_of(answers(labels, predicted), labels))


@pytest.mark.parametrize("shift", [[1, 0, 2, 3, 4, 5, 6, 7, 8, 9], [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]])
def test_labels_in_another_order_are_found(shift: list[int]) -> None:
    labels, predicted = mistaken(0, 1000, 0.1)
    found = findings_of(answers(labels, torch.tensor(shift)[predicted]), labels)
    assert found[0].id == "permuted-labels/classes"
    assert found[0].severity == "error"
    whole = float((labels == predicted).double().mean())
    assert f"{100 * whole:.1f} % would be right" in found[0].seen


def test_classes_without_images_are_a_note() -> None:
    labels, predicted = mistaken(0, 2000, 0.05, classes=8)
    found = findings_of(answers(labels, predicted), labels)
    assert ("absent-class/classes", "note") in {(one.id, one.severity) for one in found}
    (absent,) = [one for one in found if one.check == "absent-class"]
    assert "2 of 10 classes have no image here (ibis, jay)" in absent.seen


def test_few_images_are_a_note_and_many_are_not() -> None:
    labels, predicted = mistaken(0, 100, 0.2)
    assert "few-images" in checks(findings_of(answers(labels, predicted), labels))
    labels, predicted = mistaken(0, 3000, 0.2)
    assert "few-images" not in checks(findings_of(answers(labels, predicted), labels))


def test_other_names_in_the_net_are_a_note_but_for_spelling() -> None:
    logits, labels = healthy(0, 2000)
    for names, expected in (
        (("Ant", "BEE", *NAMES[2:]), set()),
        (("wasp", *NAMES[1:]), {"class-names"}),
        ((), set()),
    ):
        table = table_of(logits, labels)
        table = Table(table.logits, labels, table.ids, table.rows, NAMES, "key", names)
        evaluation = analyse(table, data_of(labels))
        found = evaluation_findings(evaluation, net="n", data="d")
        assert checks(found) == expected
        if found:
            assert "'wasp' there and 'ant' here" in found[0].seen
            assert found[0].severity == "note"


def test_names_of_which_none_agrees_are_a_warning() -> None:
    logits, labels = healthy(0, 2000)
    table = table_of(logits, labels)
    strangers = tuple(f"other {name}" for name in NAMES)
    table = Table(table.logits, labels, table.ids, table.rows, NAMES, "key", strangers)
    (found,) = evaluation_findings(analyse(table, data_of(labels)), net="n", data="d")
    assert (found.check, found.severity) == ("class-names", "warning")


def test_one_image_is_told_in_the_singular() -> None:
    labels = torch.zeros(1, dtype=torch.int64)
    told = " ".join(one.seen for one in findings_of(answers(labels, labels + 1), labels))
    assert "1 image was called one of them" in told
    assert "1 image fixes the accuracy" in told


def test_errors_come_before_warnings_and_notes() -> None:
    labels, predicted = mistaken(0, 300, 0.05, classes=9)
    predicted[predicted == 6] = 1
    found = findings_of(answers(labels, predicted), labels)
    assert found[0].severity == "error"
    assert found[-1].severity == "note"
