"""Errors that a user can mend."""

from __future__ import annotations

import pytest

from striate.core.errors import ImageError, RunError, StriateError, UnknownNameError, nearest


@pytest.mark.parametrize("kind", [StriateError, ImageError, RunError])
def test_an_error_says_what_was_given_what_is_accepted_and_what_to_try(kind: type[StriateError]) -> None:
    error = kind("radius is -1.", accepted="a number of at least 0", hint="--radius 8/255")
    assert str(error) == "radius is -1; accepted: a number of at least 0; try: --radius 8/255"
    assert isinstance(error, ValueError)
    assert (error.given, error.accepted, error.hint) == ("radius is -1.", "a number of at least 0", "--radius 8/255")
    assert str(kind("plain")) == "plain"


def test_nothing_near_lists_what_there_is_and_counts_the_rest() -> None:
    error = UnknownNameError("net", "zzz", [f"name{number}" for number in range(20)])
    assert "name0, name1" in str(error)
    assert "and 8 more" in str(error)
    assert str(UnknownNameError("net", "zzz", [])) == "unknown net 'zzz'"


def test_nearest_names_come_first_and_letter_case_does_not_count() -> None:
    assert nearest("fashionmnist", ["MNIST", "FashionMNIST", "CIFAR10"])[0] == "FashionMNIST"
    assert nearest("xyz", ["MNIST"]) == []
    assert len(nearest("net", [f"net{number}" for number in range(9)], limit=3)) == 3
