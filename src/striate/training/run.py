"""The run folder: what a run is (``run.json``), what it measured (``metrics.csv``), what it made, and its lock.

Layout: ``run.json``, ``metrics.csv``, ``weights.safetensors`` (best epoch on dev), ``checkpoints/last.pt`` (all that is
needed to go on). Every file is written whole or not at all.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from striate.core.codec import dumps, from_json, to_json
from striate.core.errors import RunError, StriateError
from striate.core.progress import Progress
from striate.core.ranks import Ranks, RanksError, launched
from striate.core.storage import write_text

from .events import State, best_of
from .lock import NAME as LOCK
from .lock import locked
from .payload import BY_ACCURACY, Choice, Epoch, Training
from .recipe import Recipe

FORMAT = 1
RECORD, METRICS, WEIGHTS, CHECKPOINT = "run.json", "metrics.csv", "weights.safetensors", "checkpoints/last.pt"
_IDENTITY = (
    "task", "about", "net", "start", "train", "dev", "recipe", "seed", "device", "precision", "memory_format",
)  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Which images a run saw: how many, and the hash of them with their labels."""

    count: int
    fingerprint: str


@dataclass(frozen=True)
class Record:
    """What ``run.json`` holds.

    Attributes:
        net: Name of the net.
        data: Name of the data set.
        said: What was recognised of its layout.
        recipe: How it is trained.
        epochs: Passes over the training split, as the recipe's budget came out.
        seed: Seed of every random draw.
        start: Hash of the weights that the run begins from.
        train: The training split.
        dev: The split that chooses the best epoch.
        device: Where it runs.
        precision: ``float32`` or ``bfloat16``.
        memory_format: ``channels_last`` or ``contiguous``.
        threads: Threads of torch; other counts may change the last bits.
        versions: Of what took part.
        notes: What was noticed about the data.
        state: ``running`` (or killed), ``stopped`` (can be resumed), ``complete``.
        why: Why it was stopped.
        asked: Options that the caller gave; one who resumes need not give them again.
        task: What is learnt.
        about: What else the task says of it.
        choice: By which figure on dev the best epoch is chosen.
        processes: How many shared each batch; other counts may change the last bits.
    """

    net: str
    data: str
    said: str
    recipe: Recipe
    epochs: int
    seed: int
    start: str
    train: Split
    dev: Split
    device: str
    precision: str
    memory_format: str
    threads: int
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    state: Literal["running", "stopped", "complete"] = "running"
    why: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    task: str = "classify"
    about: Mapping[str, str] = field(default_factory=dict)
    choice: Choice = BY_ACCURACY
    format: int = field(default=FORMAT, metadata={"name": "striate"})
    processes: int = 1


@contextmanager
def opened(folder: Path, record: Record, *, resume: bool, overwrite: bool) -> Iterator[Record]:
    """The folder, held for this run alone; gives the record as it now stands there.

    Raises:
        RunError: The folder holds a run and neither ``resume`` nor ``overwrite`` is given, holds other things, holds a
            run with other arguments, has nothing to resume, or is in use.
    """
    if resume and overwrite:
        raise RunError("both resume and overwrite are given", accepted="one of them")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file", accepted="a folder")
    found = _is_run(folder)
    if resume and not found:
        raise RunError(f"{folder} holds no run to resume", hint="leave out --resume")
    if not found and folder.exists() and any(not _ours(each) for each in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run of ours", hint="give another --out")
    with locked(folder):
        found = _is_run(folder)  # again: another process may have finished one meanwhile
        if found and resume:
            record = _taken_up(folder, record)
        elif found and overwrite:
            _empty(folder)
        elif found:
            raise RunError(f"{folder} already holds a run", hint="--resume to go on with it, --overwrite to begin anew")
        _sweep(folder)
        if not (resume and record.state == "complete"):
            record = replace(record, state="running", why="")
            save_record(folder, record)
        yield record


def agreed(ranks: Ranks, record: Record) -> Record:
    """The record, with the number of processes, once every rank is seen to mean the same run.

    Raises:
        RunError: They have other data, options or versions, or cannot have equal parts of each training batch; the
            message says which.
    """
    mine = {name: to_json(getattr(record, name)) for name in (*_IDENTITY, "epochs", "versions")}
    all_of_them = ranks.gathered(mine)
    for number, theirs in enumerate(all_of_them):
        if differ := list(_differences(all_of_them[0], theirs)):
            error = RunError(
                f"process {number} of {ranks.count} has other arguments than process 0: "
                + ", ".join(_telling(differ)).replace("the run's is", "that of process 0"),
                accepted="the same command, data and versions for every process",
            )
            error.shared = True
            raise error
    batch = min(record.recipe.batch, record.train.count)
    if batch % ranks.count:
        near = [each for each in (batch // ranks.count * ranks.count, (batch // ranks.count + 1) * ranks.count) if each]
        error = RunError(
            f"a batch is {batch} images, for {ranks.count} processes",
            accepted=f"a batch that {ranks.count} divides, such as {' or '.join(map(str, near))}",
            hint=f"--batch {near[0]}",
        )
        error.shared = True
        raise error
    return replace(record, processes=ranks.count)


@contextmanager
def opened_by_first(ranks: Ranks, folder: Path, record: Record, *, resume: bool, overwrite: bool) -> Iterator[Record]:
    """`opened` by the first of several ranks that have `agreed`; it alone holds the folder, and tells the others."""
    with ExitStack() as stack:
        yield ranks.led(lambda: stack.enter_context(opened(folder, record, resume=resume, overwrite=overwrite)))


@contextmanager
def guarded(folder: Path, record: Record, state: State, progress: Progress) -> Iterator[None]:
    """Inside, whatever ends a run is noted in its ``run.json``, and what can be used of it is said.

    Raises:
        RunError: Instead of any error of ours, with what is kept of the run.
    """
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        why = "interrupted" if interrupted else f"{type(error).__name__}: {error}"
        if launched().leads:  # the others leave the folder to it
            try:
                save_record(folder, replace(record, state="stopped", why=why.replace(f"{folder}{os.sep}", "")))
            except StriateError as second:
                progress.say(f"{folder / RECORD} could not be brought up to date: {second}")
        saved = state.saved if launched().leads else state.epoch
        kept = f"{saved} of {state.epochs} epochs are kept in {folder}"
        if interrupted:
            progress.say(f"stopped: {kept}; the same command with --resume goes on")
        if isinstance(error, StriateError):
            again = "the same command with --resume, on as many processes as you like"
            hint = again if isinstance(error, RanksError) else error.hint
            told = RunError(f"{error.given}; {kept}", accepted=error.accepted, hint=hint)
            told.shared = error.shared
            raise told from error
        raise


def save_record(folder: Path, record: Record) -> None:
    """Write ``run.json``."""
    write_text(folder / RECORD, dumps(record) + "\n")


def save_history(folder: Path, history: list[Epoch]) -> None:
    """Write ``metrics.csv``: one row for each epoch, numbers in full so that they read back as they were."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    plain = [each.name for each in dataclasses.fields(Epoch) if each.name != "more"]
    writer.writerow(list(history[0].columns) if history else plain)
    writer.writerows([repr(value) for value in row.columns.values()] for row in history)
    write_text(folder / METRICS, text.getvalue())


def read_record(folder: Path) -> Record:
    """What ``run.json`` of ``folder`` holds.

    Raises:
        RunError: There is no such file, or it is not ours, or a newer Striate wrote it.
    """
    data = _json_of(folder)
    if data["striate"] > FORMAT:
        raise RunError(f"{folder}: a newer Striate wrote this run (format {data['striate']})", hint="upgrade")
    try:
        return from_json(data, Record)
    except ValueError as error:
        raise RunError(f"{folder / RECORD} does not describe a run: {error}") from error


def read_history(folder: Path) -> tuple[Epoch, ...]:
    """The rows of ``metrics.csv``; none where no epoch was finished."""
    path = folder / METRICS
    if not path.exists():
        return ()
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        return tuple(_epoch(row) for row in rows)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"cannot read {path}: {error}") from error


def read_run(folder: str | Path) -> Training:
    """The run in ``folder``, finished or not.

    Raises:
        RunError: The folder does not exist, holds no run of ours, or a run without a finished epoch.
    """
    place = Path(folder)
    record, history = read_record(place), read_history(place)
    if not history:
        raise RunError(f"the run in {place} has no finished epoch yet", hint="go on with it with --resume")
    return Training(
        run=str(folder),
        net=record.net,
        data=record.data,
        recipe=record.recipe.name,
        epochs=record.epochs,
        best=best_of(history, record.choice),
        history=history,
        complete=record.state == "complete",
        notes=record.notes,
        task=record.task,
        about=record.about,
    )


def _epoch(row: Mapping[str, str]) -> Epoch:
    numbers = {key: float(value) for key, value in row.items() if key != "epoch"}
    parts = {
        part: {key.removeprefix(f"{part}_"): value for key, value in numbers.items() if key.startswith(f"{part}_")}
        for part in ("train", "dev")
    }
    return Epoch.of(int(row["epoch"]), parts["train"], parts["dev"], rate=numbers["rate"], seconds=numbers["seconds"])


def _json_of(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder", accepted="the folder of a run (--out of train)")
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} holds no run ({RECORD}: {error})", accepted="the folder of a run") from error
    if not isinstance(data, dict) or not isinstance(data.get("striate"), int) or "recipe" not in data:
        raise RunError(f"{folder / RECORD} is not one of ours", accepted="the folder of a run (--out of train)")
    return data


def _is_run(folder: Path) -> bool:
    if not (folder / RECORD).exists():
        return False
    _json_of(folder)  # a run.json of somebody else is an error, whatever was asked for
    return True


def _taken_up(folder: Path, record: Record) -> Record:
    before = read_record(folder)
    old, new = ({name: to_json(getattr(each, name)) for name in _IDENTITY} for each in (before, record))
    starts = (old.pop("start"), new.pop("start"))  # they follow from the rest, unless a net was given as an object
    differ = list(_differences(old, new)) or list(_differences(*starts, place="hash of the starting weights"))
    if differ:
        told = ", ".join(_telling(differ))
        raise RunError(f"the run in {folder} has other arguments: {told}", hint="the options it was begun with")
    return before


def _telling(differ: list[str]) -> list[str]:
    """The differences without those that only follow from others: a recipe's name, a fingerprint beside a count."""
    places = {each.partition(" ")[0] for each in differ}
    follow = {"train.fingerprint"} if "train.count" in places else set()
    if {each for each in places if each.startswith("recipe.")} - {"recipe.name", "recipe.states"}:
        follow |= {"recipe.name", "recipe.states"}
    return [each for each in differ if each.partition(" ")[0] not in follow]


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{place} is {_short(new)}, the run's is {_short(old)}"


def _short(value: Any) -> str:
    return f"{value[:8]}..." if isinstance(value, str) and len(value) == 64 else repr(value)


def _ours(path: Path) -> bool:
    """Whether a file may lie in a folder that has no run yet: the lock, or what a kill left of a first ``run.json``."""
    return path.name == LOCK or path.name.startswith(f".{RECORD}.")


def _empty(folder: Path) -> None:
    # the record goes last: a kill on the way leaves a folder that is still known to be a run
    last = folder / RECORD
    for each in folder.iterdir():
        if each.name not in (LOCK, RECORD):
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    last.unlink()


def _sweep(folder: Path) -> None:
    """Remove what a kill left of files that were being written."""
    for name in (RECORD, METRICS, WEIGHTS, CHECKPOINT):
        path = folder / name
        for left in path.parent.glob(f".{path.name}.*"):
            left.unlink(missing_ok=True)
