from __future__ import annotations

import math

import pytest

from striate.core.errors import StriateError, UnknownNameError
from striate.training.schedules import SCHEDULES, Schedule, constant, cosine, one_cycle


def test_one_cycle_is_a_triangle_from_start_to_peak_to_end():
    curve = [one_cycle(step, 101, warm=0.0, start=0.1, end=0.0) for step in range(101)]
    assert curve == pytest.approx([1 - step / 100 for step in range(101)])
    up = [one_cycle(step, 100, warm=0.25, start=0.2, end=0.05) for step in range(100)]
    assert up[:25] == pytest.approx([0.2 + 0.8 * step / 25 for step in range(25)])
    assert up[25] == 1.0
    assert up[25:] == pytest.approx([1 - 0.95 * step / 74 for step in range(75)])


def test_cosine_is_half_a_cosine_after_the_warm_up():
    curve = [cosine(step, 110, warm=10 / 110, end=0.1) for step in range(110)]
    assert curve[:10] == pytest.approx([step / 10 for step in range(10)])
    expected = [0.1 + 0.45 * (1 + math.cos(math.pi * step / 99)) for step in range(100)]
    assert curve[10:] == pytest.approx(expected)


def test_constant_is_one():
    assert {constant(step, 7) for step in range(7)} == {1.0}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 997])
def test_every_schedule_stays_between_zero_and_its_peak(name, steps):
    curve = [Schedule(name)(step, steps) for step in range(steps)]
    assert all(0.0 <= value <= 1.0 for value in curve)
    assert max(curve) > 0.0  # even a run of one step learns


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_long_runs_end_at_the_end(name):
    assert Schedule(name, {"end": 0.25})(999, 1000) == pytest.approx(0.25)


def test_wrong_names_and_numbers_are_named():
    with pytest.raises(UnknownNameError, match="cosine"):
        Schedule("cosin")
    with pytest.raises(StriateError, match=r"warm of schedule one_cycle is 3"):
        Schedule("one_cycle", {"warm": 3})
    with pytest.raises(StriateError, match="heat"):
        Schedule("cosine", {"heat": 0.5})
