"""Classes are counted by split; missing, rare and constant ones are named; even ones are not spoken of."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from checks.drawn import photographs, splits_of
from striate.checks.check import check_data
from striate.checks.payload import Checked
from striate.core.finding import Finding
from striate.core.image import to_bytes
from striate.data.dataset import Dataset, Splits

NAMES = ("cat", "dog", "owl")


def labelled(counts: tuple[int, ...], seed: int, names: tuple[str, ...] = NAMES) -> Dataset:
    """So many images of each class."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return Dataset.of(to_bytes(photographs(len(labels), side=32, seed=seed)), labels, classes=names, name="pets")


def checked(splits: Splits) -> tuple[Checked, dict[str, Finding]]:
    """The payload, and findings by id."""
    found = check_data(splits, learned=False, pictures=False)
    return found.result, {each.id: each for each in found.findings}


def test_even_classes_are_counted_and_not_spoken_of() -> None:
    result, found = checked(splits_of(labelled((8, 8, 8), 1), labelled((3, 3, 2), 2), labelled((4, 4, 4), 3)))
    assert found == {}
    assert [part.classes for part in result.counts.splits] == [(8, 8, 8), (3, 3, 2), (4, 4, 4)]
    assert result.counts.images == 44
    assert result.counts.imbalance.value == 1
    assert result.counts.effective_classes.value == pytest.approx(3)


def test_a_class_missing_from_train_is_a_warning_and_one_missing_from_test_a_note() -> None:
    _, found = checked(splits_of(labelled((8, 8, 0), 1), None, labelled((4, 0, 4), 3)))
    assert found["missing-classes/train"].severity == "warning"
    assert "owl" in found["missing-classes/train"].seen
    assert found["missing-classes/test"].severity == "note"
    assert "dog" in found["missing-classes/test"].seen
    assert set(found) == {"missing-classes/train", "missing-classes/test"}


def test_a_class_that_nothing_has_is_named() -> None:
    _, found = checked(splits_of(labelled((6, 6, 6, 0), 1, (*NAMES, "yak"))))
    assert set(found) == {"empty-classes/pets"}
    assert "yak" in found["empty-classes/pets"].seen


@pytest.mark.parametrize(("many", "severity"), [(45, "note"), (400, "warning")])
def test_imbalance_is_told_with_the_number_of_equal_classes_it_amounts_to(many: int, severity: str) -> None:
    result, found = checked(splits_of(labelled((many, 4, 4), 1)))
    assert found["imbalance/pets"].severity == severity
    shares = [each / (many + 8) for each in (many, 4, 4)]
    entropy = -sum(share * math.log(share) for share in shares)
    assert result.counts.imbalance.value == pytest.approx(many / 4)
    assert result.counts.effective_classes.value == pytest.approx(math.exp(entropy))


def tagged(tags: torch.Tensor) -> Splits:
    """Images that show several classes."""
    data = labelled((len(tags), 0, 0), 1)
    return splits_of(replace(data, labels=torch.full((len(tags),), -1), task="tags", tags=tags))


def test_a_tag_that_all_images_have_and_images_that_have_none_are_named() -> None:
    tags = torch.tensor([[True, True, False], [True, False, True]]).repeat(5, 1)
    _, found = checked(tagged(tags))
    assert set(found) == {"constant-tags/pets"}
    assert "cat" in found["constant-tags/pets"].seen
    tags = torch.eye(3, dtype=torch.bool).repeat(4, 1)
    tags[5] = False
    result, found = checked(tagged(tags))
    assert set(found) == {"no-labels/pets"}
    assert result.counts.splits[0].empty == 1
    assert result.counts.splits[0].classes == (4, 4, 3)


def test_data_without_labels_are_checked_as_well() -> None:
    data = replace(labelled((9, 0, 0), 1), labels=torch.full((9,), -1), task="none", classes=())
    result, found = checked(splits_of(data))
    assert found == {}
    assert result.counts.imbalance.value is None
    assert result.task == "none"
