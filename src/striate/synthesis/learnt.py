"""What a run of a task other than classification left: its weights, with what it is in their metadata."""

from __future__ import annotations

from pathlib import Path

from striate.core.errors import StriateError
from striate.nets.load import RUN_WEIGHTS
from striate.nets.weights import WeightsFile, read_weights


def read_learnt(run: str | Path, task: str) -> WeightsFile:
    """The weights of a run of this task.

    Raises:
        StriateError: There is no such run, it has no finished epoch, or it learnt something else.
    """
    place = Path(run)
    file = place / RUN_WEIGHTS if place.is_dir() else place
    accepted = f"the folder of a run (striate train ... --task {task} --out {place})"
    if not file.is_file():
        given = f"{place} holds no {RUN_WEIGHTS}" if place.is_dir() else f"{place} does not exist"
        raise StriateError(given, accepted=accepted)
    content = read_weights(file)
    found = content.metadata.get("task", "classify")
    if found != task:
        raise StriateError(f"{place} is a run of the task {found!r}, not {task!r}", accepted=accepted)
    return content
