"""What a run says of itself: by heart, not learnt, and where to go on, in commands that a shell takes as they stand."""

from __future__ import annotations

import shlex

import pytest

from striate.training.findings import training_findings
from striate.training.payload import Best, Epoch, Training


def run_of(train: float, dev: float | None, *, complete: bool = True) -> Training:
    row = Epoch(3, 1.0, train, 2.0, dev, 0.1, 1.0)
    return Training("runs/my net", "striate/small", "my photos", "quick", 3, Best("accuracy", 0.0, 3), (row,), complete)


def found_in(train: float, dev: float | None, *, images: int = 120, complete: bool = True) -> dict[str, str]:
    result = run_of(train, dev, complete=complete)
    findings = training_findings(
        result, data="my photos", net="striate/small", classes=10, train=images, dev=40, size=64
    )
    return {each.check: each.command for each in findings}


def test_few_images_known_by_heart_lead_to_a_net_that_knows_others() -> None:
    found = found_in(1.0, 0.25)
    assert list(found) == ["by-heart", "next"]
    assert shlex.split(found["by-heart"]) == ["striate", "transfer", "torchvision/squeezenet1_0", "my photos"]


def test_many_images_known_by_heart_lead_to_the_question_what_more_would_buy() -> None:
    assert shlex.split(found_in(1.0, 0.25, images=5000)["by-heart"])[:2] == ["striate", "learning-curve"]


def test_a_net_at_chance_on_both_splits_leads_to_its_rate() -> None:
    words = ["striate", "find-rate", "my photos", "--net", "striate/small", "--size", "64"]
    assert shlex.split(found_in(0.1, 0.1)["unlearnt"]) == words


@pytest.mark.parametrize(("train", "dev"), [(0.9, 0.85), (0.95, 0.8), (0.5, 0.4)])
def test_a_run_within_what_forty_images_can_tell_says_only_where_to_go_on(train: float, dev: float) -> None:
    assert found_in(train, dev) == {"next": "striate evaluate 'runs/my net' 'my photos'"}


def test_a_stopped_run_and_one_without_accuracy_say_nothing() -> None:
    assert found_in(1.0, 0.1, complete=False) == found_in(1.0, None) == {}
