from __future__ import annotations

import math

import pytest
import torch

from striate.figures.claims import SAME, agree, claim, holds, shown


def test_a_claim_passes_exactly_when_every_number_is_within_the_tolerance() -> None:
    assert claim("x", [1.0, 2.05], [1.0, 2.0], tolerance=0.06).passed
    assert not claim("x", [1.0, 2.05], [1.0, 2.0], tolerance=0.04).passed


def test_integers_must_be_equal_and_other_numbers_agree_to_six_decimals() -> None:
    assert claim("n", 7, 7).tolerance == 0
    assert not claim("n", 8, 7).passed
    assert claim("x", 0.5 + 9e-7, 0.5).passed
    assert not claim("x", 0.5 + 2e-6, 0.5).passed


def test_nan_and_infinity_agree_with_nothing() -> None:
    assert not agree(math.nan, math.nan, 1.0)
    assert not agree(math.inf, 1.0, 1e300)


@pytest.mark.parametrize(("ours", "right"), [([1, 2], [1]), ([1, [2]], [1, 2]), ("1", 1), (1, [1])])
def test_values_of_another_form_do_not_agree(ours: object, right: object) -> None:
    assert not agree(ours, right, 10.0)


def test_the_source_is_kept_as_it_stands_and_the_verdict_does_not_look_at_it() -> None:
    made = claim("R1", 1.3, 1.3, says=1.4, note="adds to 1.3")
    assert (made.source, made.right, made.passed) == (1.4, 1.3, True)
    assert claim("R2", 1.0, 1.0, says=SAME).source == 1.0
    assert claim("R3", 1.0, 1.0).source is None


def test_tensors_and_nested_rows_are_shown_as_text_and_numbers_as_numbers() -> None:
    assert claim("rows", torch.tensor([[1.0, 2.5], [3, 4]]), [[1, 2.5], [3, 4]]).ours == "1, 2.5 / 3, 4"
    assert shown(3.5) == 3.5
    assert shown([1e-9, 62_378_344]) == "1e-09, 62378344"


def test_a_fact_is_said_in_words() -> None:
    assert holds("so", True).ours == "yes"
    assert not holds("so", False).passed
