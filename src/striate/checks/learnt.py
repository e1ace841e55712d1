"""The learners, asked about all of the data: labels that look wrong, training images told from the others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from striate.core.errors import ImageError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.measure.payload import Suspect

from .case import Case, Noticed
from .learned_findings import shift_findings, suspect_findings
from .shift import CITES as SHIFT
from .shift import train_test_shift
from .suspects import CITES as SUSPECTS
from .suspects import Suspects, label_suspects

UNASKED = Number(None, why="--fast leaves out what has to be trained")


@dataclass(frozen=True)
class Learnt:
    """Findings, suspect labels (the worst first), how well train is told from test, what could not be judged."""

    noticed: tuple[Noticed, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    shift: Number = UNASKED
    left_out: tuple[str, ...] = field(default=("Label suspects and train/test shift: --fast leaves out what has to be "
                                               "trained",))  # fmt: skip
    cites: tuple[str, ...] = ()
    judged: str = ""
    doubtful: tuple[Suspect, ...] = ()


def ask_learners(case: Case, *, seed: int, progress: Progress = SILENT, workers: int = 0) -> Learnt:
    """What small nets that learn from the data have to say of them. Cost: a minute or two on one core."""
    noticed: list[Noticed] = []
    left_out: list[str] = []
    suspects: tuple[Suspect, ...] = ()
    doubtful: tuple[Suspect, ...] = ()
    judged = ""
    if case.task == "classes":
        parts = case.parts
        splits = replace(case.splits, train=parts[0], dev=parts[1], test=parts[2])
        found = label_suspects(splits, seed=seed, progress=progress, workers=workers)
        noticed += suspect_findings(found, data=case.data, classes=case.classes)
        suspects, doubtful, judged = found.suspects, found.doubtful, _judged(found)
        left_out += [f"Label suspects: {found.why}"] if found.why else []
    else:
        left_out.append("Label suspects: these data have no single label an image")
    number = 2 if len(case.parts[2]) else 1
    shift = Number.missing("there are no two splits to be told apart")
    if len(case.parts[0]) and len(case.parts[number]):
        told = _told(case, number, seed=seed, progress=progress, workers=workers)
        noticed += told[0]
        shift = told[1]
        left_out += told[2]
    return Learnt(tuple(noticed), suspects, shift, tuple(left_out), (*SUSPECTS, *SHIFT), judged, doubtful)


def _judged(found: Suspects) -> str:
    """How good the judges were, and what share of the labels they hold for wrong."""
    accuracy, noise = found.accuracy, found.noise
    if accuracy.value is None or noise.value is None:
        return ""
    beyond = "more than hard images explain" if found.established else "no more than hard images may explain"
    return (
        f"Small nets name {100 * accuracy.value:.1f} % of the labels of images that they have not seen; "
        f"{100 * noise.value:.1f} % of the labels look wrong, {beyond}"
    )


def _told(
    case: Case, number: int, *, seed: int, progress: Progress, workers: int
) -> tuple[list[Noticed], Number, list[str]]:
    """Findings, the area under the curve, and what was left out, for one split beside training."""
    try:
        told = train_test_shift(case.parts[0], case.parts[number], seed=seed, progress=progress, workers=workers)
    except ImageError as error:  # it could be read a minute ago
        return [], Number.missing(str(error)), [f"Train/test shift: {error}"]
    left_out = [f"Train/test shift: {told.why}"] if told.why else []
    return shift_findings(told, data=case.data, first=case.starts[number]), told.auc, left_out
