"""One value that gives the label away: on tensors made by hand."""

from __future__ import annotations

import pytest
import torch

from doctor.test_splits import found, pictures
from striate.doctor.checks.shortcuts import COLUMNS, columns, told_by_bound, told_by_order


def test_the_order_of_a_column_that_is_the_label_tells_all_but_the_borders_between_classes() -> None:
    y = torch.arange(60) % 4
    x = torch.cat((torch.rand(60, 5), y[:, None].float()), 1)
    assert told_by_order(x, y) == (pytest.approx(1 - 3 / 59), 5)


def test_a_bound_sets_apart_a_class_that_lies_beyond_all_others_and_only_that() -> None:
    y = torch.arange(60) % 3
    x = torch.zeros(60, 2)
    x[y == 1, 0] = 5.0
    x[y == 2, 1] = torch.cat((torch.full((19,), -1.0), torch.zeros(1)))
    assert told_by_bound(x, y) == 1


@pytest.mark.parametrize("mark", ["one pixel each", "one pixel for all", "none"])
def test_a_mark_of_the_class_is_found(mark: str) -> None:
    x, y = pictures(400, 0)
    if mark == "one pixel each":
        x[torch.arange(400), 0, -1, y] = 9.0
    elif mark == "one pixel for all":
        x[:, 0, 5, 5] = y / 4 + 0.01 * torch.rand(400)
    assert ("label-in-input" in found((x, y))) == (mark != "none")


def test_the_borders_of_large_pictures_are_looked_at() -> None:
    x = torch.zeros(2, 3, 100, 100)
    x[1, 2, 99, 98] = 7.0
    assert columns(x).shape[1] <= 2 * COLUMNS
    assert float(columns(x).amax()) == 7.0
