from __future__ import annotations

import math

import pytest
import torch

from striate.core.errors import StriateError, UnknownNameError
from striate.training.schedules import (
    SCHEDULES,
    Schedule,
    constant,
    cosine,
    cosine_restarts,
    one_cycle,
    plateau,
)


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


def test_the_ways_down_are_their_closed_forms():
    # rate .1, k = .1, twenty epochs: the values of a lecture at the tenth and the twentieth
    forms = {
        "exponential": ({"end": math.exp(-2)}, [0.1 / math.e, 0.1 / math.e**2]),
        "inverse_time": ({"end": 1 / 3}, [0.05, 0.1 / 3]),
        "step": ({"every": 0.25, "factor": 0.5}, [0.025, 0.00625]),
        "polynomial": ({"power": 2.0, "end": 0.2}, [0.1 * (0.2 + 0.8 * 0.25), 0.02]),
    }
    for name, (numbers, expected) in forms.items():
        assert [0.1 * Schedule(name, numbers)(step, 21) for step in (10, 20)] == pytest.approx(expected), name
    assert 0.1 * Schedule("exponential", {"end": 0.9**20})(20, 21) == pytest.approx(0.1 * 0.9**20)


def test_every_way_down_begins_after_its_warm_up():
    for name in SCHEDULES:
        if name == "one_cycle":
            continue
        curve = [Schedule(name, {"warm": 0.2})(step, 100) for step in range(100)]
        assert curve[:20] == pytest.approx([step / 20 for step in range(20)]), name
        assert curve[20] == 1.0, name


def test_restarts_begin_at_the_peak_again_and_last_longer_each_time():
    curve = [cosine_restarts(step, 71, cycles=3, growth=2.0, end=0.1) for step in range(71)]
    assert [step for step in range(71) if curve[step] > 0.999] == [0, 10, 30]
    for begin, length in ((0, 10), (10, 20), (30, 40)):
        expected = [0.1 + 0.45 * (1 + math.cos(math.pi * each / length)) for each in range(length)]
        assert curve[begin : begin + length] == pytest.approx(expected)
    assert curve[-1] == pytest.approx(0.1)


def test_plateau_falls_where_torchs_falls():
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0.0, min_lr=0.1)
    dev = [3.0, 2.0, 2.5, 2.0, 1.9, 1.9, 1.9, 1.9, 1.9, 1.8, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9]
    for count, figure in enumerate(dev, start=1):
        optimizer.step()
        theirs.step(figure)
        ours = plateau(50, 100, dev=dev[:count], patience=1, factor=0.5, end=0.1)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"]), count
    assert ours == 0.1


@pytest.mark.parametrize(
    "name", ["one_cycle", "cosine", "cosine_restarts", "exponential", "inverse_time", "polynomial"]
)
def test_long_runs_end_at_the_end(name):
    assert Schedule(name, {"end": 0.25})(999, 1000) == pytest.approx(0.25)


def test_wrong_names_and_numbers_are_named():
    with pytest.raises(UnknownNameError, match="cosine"):
        Schedule("cosin")
    with pytest.raises(StriateError, match=r"warm of schedule one_cycle is 3"):
        Schedule("one_cycle", {"warm": 3})
    with pytest.raises(StriateError, match=r"end of schedule exponential is 0"):
        Schedule("exponential", {"end": 0.0})
    with pytest.raises(StriateError, match=r"cycles of schedule cosine_restarts is 0"):
        Schedule("cosine_restarts", {"cycles": 0})
    with pytest.raises(StriateError, match="heat"):
        Schedule("cosine", {"heat": 0.5})
