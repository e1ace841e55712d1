"""Labels of data with some of a net's classes become the net's own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.measure.alignment import aligned
from striate.nets.net import Net

NAMES = ("tench", "great white shark", "crane", "crane", "kite")


def net() -> Net:
    return Net(nn.Sequential(nn.Flatten(), nn.Linear(4, 5)), classes=NAMES, channels=1, size=2)


def data(classes: tuple[str, ...], numbers: tuple[int, ...] = ()) -> Dataset:
    found = Dataset.of(torch.zeros(4, 1, 2, 2), torch.arange(4) % len(classes), classes=classes, name="birds")
    return replace(found, numbers=numbers)


def test_numbers_of_the_source_count_before_names() -> None:
    found, said = aligned(data(("a", "b"), (3, 4)), net())
    assert found.labels.tolist() == [3, 4, 3, 4]
    assert found.classes == NAMES
    assert found.numbers == ()
    assert said == "the 2 classes of birds are found by their numbers among the net's 5"


def test_names_are_found_whatever_their_case_and_signs() -> None:
    found, said = aligned(data(("Kite", "great_white-shark")), net())
    assert found.labels.tolist() == [4, 1, 4, 1]
    assert "by name" in said


def test_names_that_fit_in_part_or_twice_are_refused() -> None:
    with pytest.raises(StriateError, match="1 of 2 classes of birds are no classes of Sequential: sparrow"):
        aligned(data(("kite", "sparrow")), net())
    with pytest.raises(StriateError, match="no classes of Sequential: crane"):  # two of the net's have that name
        aligned(data(("kite", "crane")), net())


def test_data_of_as_many_classes_and_other_tasks_are_left_alone() -> None:
    same = data(("v", "w", "x", "y", "z"))
    assert aligned(same, net()) == (same, "")
    strange = data(("sparrow", "finch"))
    assert aligned(strange, net()) == (strange, "")
    boxed = replace(strange, task="boxes")
    assert aligned(boxed, net()) == (boxed, "")
