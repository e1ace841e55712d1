"""What `diagnose` gives beside its findings: which checks looked, and what was measured. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from striate.core.number import Number
from striate.training.payload import Training

State = Literal["found", "silent", "not run", "failed"]


@dataclass(frozen=True)
class CheckRun:
    """One check and what became of it.

    Attributes:
        name: Its id.
        family: What it is about.
        state: ``found`` something, ``silent``, ``not run`` for want of something, or ``failed`` itself.
        why: Why it was not run, or how it failed.
        seconds: What it took.
        what: What it looks for.
    """

    name: str
    family: str
    state: State
    why: str = ""
    seconds: float = 0.0
    what: str = ""


@dataclass(frozen=True)
class LayerRow:
    """One layer before training: its activations, and the gradient that comes back to it.

    Attributes:
        name: Path in the model.
        kind: Class of the module.
        shape: Of its output for one sample.
        mean: Of its outputs.
        std: Of its outputs.
        zeros: Share of outputs that are exactly 0.
        dead: Share of units that are 0 for every sample.
        grad: Root mean square of the loss's gradient with respect to its output; None where none comes.
        counts: Histogram of its outputs in equal steps,
        low: from here
        high: to here.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float
    dead: float
    grad: float | None
    counts: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class Series:
    """A number over the steps of a run, at most some hundred of them."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class CheckRow:
    """A check as the list of checks shows it."""

    name: str
    family: str
    what: str
    phase: str
    needs: tuple[str, ...]
    symptom: str
    cost: str
    thresholds: tuple[str, ...]
    source: str
    mend: str


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at; what was found stands in the report's findings.

    Attributes:
        setup: What was diagnosed, as it was given.
        verdict: One sentence.
        checks_run: Every check and what became of it.
        steps: Steps that were watched; 0 where only the start was looked at.
        seconds: What looking took: before the run, while it went on, and after it.
        share: What it took while the run went on, as a share of the run's own time; None without a run.
        start_loss: Loss of the first batch before training.
        train: Share of training samples that the trained model has right, eval mode.
        test: Likewise of test samples.
        layers: Layers before training.
        loss: Loss over the steps.
        rate: Learning rate over the steps.
        ratios: Update over weight of the largest parameters over the steps.
        listed: All checks, where the list was asked for.
        training: The epochs, where it is a run of `striate train`.
        error: What the loop raised, in words, or empty.
        kind: What was diagnosed: a setup, a recipe's first steps, a run, or all checks listed.
    """

    setup: str
    verdict: str = ""
    checks_run: tuple[CheckRun, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    share: float | None = None
    start_loss: float | None = None
    train: Number | None = None
    test: Number | None = None
    layers: tuple[LayerRow, ...] = ()
    loss: Series | None = None
    rate: Series | None = None
    ratios: tuple[Series, ...] = ()
    listed: tuple[CheckRow, ...] = field(default=())
    training: Training | None = None
    error: str = ""
    kind: Literal["setup", "recipe", "run", "list"] = "setup"
