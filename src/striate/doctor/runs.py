"""A run folder as a case: its epochs, the net that it began with and the one it kept, its data where they are found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from striate.core.codec import dumps, from_json
from striate.core.errors import RunError, StriateError
from striate.core.finding import Finding
from striate.core.storage import write_text
from striate.data.dataset import Splits
from striate.nets.load import RUN_WEIGHTS, load_net
from striate.training.events import best_of
from striate.training.optim import build_optimizer
from striate.training.payload import Epoch, Training
from striate.training.prepare import build_task, fingerprint, from_scratch
from striate.training.run import Record, read_history, read_record, read_run
from striate.training.task import Classification

from .attending import Attending, attends, samples_of, setup_of
from .case import Case
from .check import folded
from .diagnosis import Findings, diagnosis, verdict
from .history import History
from .payload import Diagnosis
from .registry import all_checks
from .setup import Setup

DIAGNOSIS = "diagnosis.json"  # in a run folder: what was seen while it trained
FindData = Callable[[Record], Splits]


@dataclass(frozen=True)
class Kept:
    """What a run folder keeps of the doctor's look at the run.

    Attributes:
        result: What was looked at, with the numbers.
        findings: What was found.
    """

    result: Diagnosis
    findings: tuple[Finding, ...] = ()


def keep(folder: Path, kept: Kept) -> None:
    """Write it into the run folder."""
    write_text(folder / DIAGNOSIS, dumps(kept) + "\n")


def kept_in(folder: Path) -> Kept | None:
    """What the run folder keeps; None where it keeps nothing that can be read."""
    try:
        return from_json(json.loads((folder / DIAGNOSIS).read_text(encoding="utf-8")), Kept)
    except (OSError, ValueError, TypeError):
        return None


def ordered(kept: Kept) -> list[Finding]:
    """Its findings, causes first, with what follows folded under them."""
    checks = {each.name: each for each in all_checks()}
    return folded([(checks[each.check], each) for each in kept.findings if each.check in checks])


def findings_of(
    attending: Attending, folder: Path, result: Training, *, about: History, splits: Splits
) -> tuple[tuple[Finding, ...], Mapping[str, bytes]]:
    """What was found of a run that has just ended, with the pictures; the run folder keeps it for `diagnose`.

    Where nothing was watched (several processes, a compiled net, a run that was complete already) what the folder keeps
    is taken, or the epochs alone are read.
    """
    watched = attending.watched
    if watched is not None:
        plain = (replace(each, evidence=tuple(e for e in each.evidence if not e.picture)) for each in watched.seen)
        keep(folder, Kept(replace(watched.result, setup="", kind="run"), tuple(plain)))
        return watched.findings, watched.album
    if (kept := kept_in(folder)) is not None:
        return tuple(ordered(kept)), {}
    case = Case(Setup(nn.Identity()), finished=True)
    for part in ("train", "test", "start", "end"):
        case.omit(part, "the run was not watched")
    record = read_record(folder)
    case.history = _history(record, result.history, about, splits)
    findings = Findings()
    findings.look(case, ("end",))
    return tuple(findings.ordered()), {}


@dataclass(frozen=True)
class LookedAt:
    """What was seen of a run folder.

    Attributes:
        result: With the numbers.
        findings: Causes first.
        album: Pictures that findings speak of.
        remarks: What could not be looked at, a sentence each.
    """

    result: Diagnosis
    findings: tuple[Finding, ...]
    album: dict[str, bytes]
    remarks: tuple[str, ...]


def look_at_run(folder: Path, *, find: FindData, about: History, weights_root: Path | None = None) -> LookedAt:
    """What the checks see in a run folder: its epochs, its data, the net as it began and as it was kept.

    What was seen while it trained (``diagnosis.json``) is taken as it stands there. ``find`` gives the data of a
    record; where it raises, or gives others than the run saw, checks of data are not run and say why.

    Raises:
        RunError: The folder holds no run of ours, or neither a finished epoch nor data to build its net for.
    """
    record, epochs = read_record(folder), read_history(folder)
    reasons: dict[str, str] = {}
    splits = _data_of(record, find, reasons)
    fresh = _fresh(record, splits, weights_root, reasons)
    trained = _trained(folder, record, reasons)
    either = trained or fresh
    if either is None:
        raise RunError(
            f"nothing of the run in {folder} can be looked at: {'; '.join(reasons.values())}",
            accepted="a run with a finished epoch, or one whose data are here",
            hint="--data DATA",
        )
    findings = Findings()
    first = Case(_setup(fresh or either, record))
    _fill(first, splits, either, record, reasons)
    if fresh is None:
        first.omit("start", reasons["start"])
    findings.look(first, ("data", "start"))
    last = Case(_setup(either, record), finished=True)
    last.__dict__.update({name: getattr(first, name) for name in ("train", "test", "start")})
    last.reasons |= first.reasons
    if trained is None:
        last.omit("end", reasons["end"])
    if epochs:
        last.history = _history(record, epochs, about, splits)
    findings.look(last, ("run", "end"))
    kept = kept_in(folder)
    phases = {each.name: each.phase for each in all_checks()}
    for run in () if kept is None else kept.result.checks_run:
        if phases.get(run.name) == "run":
            findings.recall(run, kept.findings if kept else ())
    result = diagnosis(last, findings, setup=about.run or str(folder))
    if kept is not None:
        watched = {name: getattr(kept.result, name) for name in ("steps", "seconds", "share", "loss", "rate", "ratios")}
        result = replace(result, **watched)
    training = read_run(folder) if epochs else None
    if training is not None:
        result = replace(result, training=replace(training, run=about.run or training.run))
    serious = [each for each in findings.ordered() if each.severity != "note"]
    result = replace(result, kind="run", verdict=verdict(serious, result.steps, epochs=len(epochs)))
    return LookedAt(result, tuple(findings.ordered()), findings.album, tuple(reasons.values()))


def _data_of(record: Record, find: FindData, reasons: dict[str, str]) -> Splits | None:
    """The run's data, if they are found and are those that it saw."""
    try:
        splits = find(record)
        seen = (splits.train.fingerprint(), splits.dev.fingerprint())
    except StriateError as error:
        reasons["data"] = f"the data of the run ({record.data}) are not found: {error.given}"
        return None
    if seen != (record.train.fingerprint, record.dev.fingerprint):
        reasons["data"] = f"the data {record.data} are others than those of the run, or otherwise divided or sized"
        return None
    return splits


def _fresh(
    record: Record, splits: Splits | None, weights_root: Path | None, reasons: dict[str, str]
) -> Classification | None:
    """The task as it stood before the first step, if it can be built again: the hash of its weights tells."""
    if splits is None:
        reasons["start"] = reasons["data"]
        return None
    if record.task != Classification.name or "hardening" in record.about:
        reasons["start"] = f"the task of the run is {record.about.get('hardening', record.task)}"
        return None
    try:
        named = str(record.asked.get("net", record.net))
        task = build_task(named, splits, recipe=record.recipe, seed=record.seed, weights_root=weights_root)
    except StriateError as error:
        reasons["start"] = f"the net cannot be built as it began: {error.given}"
        return None
    net = next(iter(task.nets.values()))
    if not isinstance(task, Classification) or not attends(task, net):
        reasons["start"] = f"{record.net} learns by no gradients"
        return None
    if fingerprint(task) != record.start:
        reasons["start"] = "the weights that it began with cannot be drawn again here"
        return None
    return task


def _trained(folder: Path, record: Record, reasons: dict[str, str]) -> Classification | None:
    """The net that the run kept, with what it was taught by."""
    if record.task != Classification.name:
        reasons["end"] = f"the task of the run is {record.task}"
    elif not (folder / RUN_WEIGHTS).is_file():
        reasons["end"] = "the run has no finished epoch"
    else:
        how = record.recipe
        try:
            return Classification(load_net(folder), label_smoothing=how.label_smoothing, loss=how.loss)
        except StriateError as error:
            reasons["end"] = error.given
    return None


def _setup(task: Classification, record: Record) -> Setup:
    net = task.nets["net"]
    setup = setup_of(task, net, build_optimizer(record.recipe.optimizer, net))
    return replace(setup, pretrained=not from_scratch(str(record.asked.get("net", record.net))))


def _fill(case: Case, splits: Splits | None, task: Classification, record: Record, reasons: dict[str, str]) -> None:
    """The case's samples, or why there are none."""
    if splits is None:
        for part in ("train", "test"):
            case.omit(part, reasons["data"])
        return
    net = task.nets["net"]
    case.__dict__["train"] = samples_of(splits.train, net, batch=min(record.recipe.batch, len(splits.train)))
    case.__dict__["test"] = samples_of(splits.dev, net)


def _history(record: Record, epochs: tuple[Epoch, ...], about: History, splits: Splits | None) -> History:
    classes = 0 if splits is None else len(splits.train.classes)
    return replace(
        about,
        epochs=epochs,
        planned=record.epochs,
        complete=record.state == "complete",
        best=best_of(epochs, record.choice).epoch,
        classes=classes,
        train=record.train.count,
        dev=record.dev.count,
        why=record.why,
    )
