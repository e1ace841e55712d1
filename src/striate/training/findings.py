"""What a finished training run says of where to go on; what went wrong in it the doctor says (`striate.doctor`)."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.metrics.intervals import wilson

from .payload import Training


def next_step(result: Training, *, data: str, dev: int) -> list[Finding]:
    """Where to go on from a complete run on labelled images; ``dev`` are the images of that split."""
    kept = next((each for each in result.history if each.epoch == result.best.epoch), None)
    if not result.complete or kept is None or kept.dev_accuracy is None or not dev:
        return []
    return [
        Finding(
            id="next/evaluate",
            check="next",
            severity="note",
            sure=1.0,
            seen="The run folder is a net by its path: every verb takes it.",
            evidence=(Evidence("dev images right", wilson(round(kept.dev_accuracy * dev), dev)),),
            mend="Measure it on the test images, which chose nothing.",
            command=shlex.join(["striate", "evaluate", result.run, data]),
            place=1_000,
        )
    ]
