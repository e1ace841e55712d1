from __future__ import annotations

import pytest

from striate.metrics.intervals import wilson
from striate.synthesis.deception import deception
from striate.synthesis.payload import Judged, Painted, Synthesis

OWN = (0.995, 0.98, 0.999, 0.9901, 1.0)
THEIRS = (0.19, 0.05, 0.21, 0.6, 0.0)
SEEN, WANTED = (3, 1, 2, 3, 0), (0, 1, 2, 3, 4)


def report(*, judged: bool = True) -> Synthesis:
    images = tuple(
        Painted(f"class {k}", k, f"{k}.png", score=0.0, probability=own, predicted=k, seed=0)
        for k, own in enumerate(OWN)
    )
    judge = Judged("judge", SEEN, THEIRS, wilson(3, 5), sees=tuple(map(str, SEEN)), wanted=WANTED)
    return Synthesis("fool", "x", 9, images, (0.0,) * 5, judge if judged else None, ())


def test_shares_are_counted_by_hand() -> None:
    """Four of five are above .99; of these the judge doubts two, and sees the class in two."""
    each, every = deception((3, None, 1, 7, 0), taken=9, forward=50)(report()).tables
    assert [row[4] for row in each.rows] == [3, None, 1, 7, 0]
    assert [row[1] for row in every.rows] == pytest.approx([4 / 5, 2 / 4, 2 / 4, (0.19 + 0.21 + 0.6 + 0.0) / 4])
    low, high = wilson(2, 4).low, wilson(2, 4).high
    assert every.rows[1][2:] == (low, high, 4)


def test_notes_tell_what_was_reached_what_rounding_cost_and_that_nobody_judged() -> None:
    notes = deception((3, 2, 1, 7, 0), taken=9, forward=1234)(report(judged=False)).notes
    assert notes[0] == "1 of 5 images fell below .99 when they were rounded to 8 bits"
    assert notes[1].startswith("nobody else was asked")
    notes = deception((None, None, 1, 7, None), taken=9, forward=1234)(report()).notes
    assert notes == (
        "2 of 5 classes were reached with a confidence above .99 in 9 steps and 1,234 forward passes, half of them by "
        "step 1; more --steps may reach more",
    )
