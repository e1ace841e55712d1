"""Where a run says to go on, in a command that a shell takes as it stands; tests/doctor/test_runs.py has the rest."""

from __future__ import annotations

import shlex

import pytest

from striate.training.findings import next_step
from striate.training.payload import Best, Epoch, Training


def run_of(dev: float | None, *, complete: bool = True) -> Training:
    row = Epoch(3, 1.0, 0.5, 2.0, dev, 0.1, 1.0)
    return Training("runs/my net", "striate/small", "my photos", "quick", 3, Best("accuracy", 0.0, 3), (row,), complete)


def test_a_complete_run_leads_to_the_test_images() -> None:
    (finding,) = next_step(run_of(0.8), data="my photos", dev=40)
    assert shlex.split(finding.command) == ["striate", "evaluate", "runs/my net", "my photos"]
    (number,) = [each.number for each in finding.evidence]
    assert number is not None
    assert number.value == pytest.approx(0.8)


def test_a_stopped_run_and_one_without_accuracy_say_nothing() -> None:
    assert next_step(run_of(0.8, complete=False), data="d", dev=40) == next_step(run_of(None), data="d", dev=40) == []
