"""Trials: each a run of the training loop, its figure on dev told to the study after each epoch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from striate.core.errors import RunError, StriateError
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Splits
from striate.training.events import Events, Observer, State
from striate.training.loop import fit
from striate.training.payload import BY_ACCURACY, Choice
from striate.training.recipe import Recipe

from .payload import Part
from .space import applied
from .study import INTERRUPTED, SURPLUS, counted, process_name, suggest

HOPELESS = 5  # trials that may fail, and nothing else happen, before the search gives up
RUNS = "trials"


@dataclass(frozen=True)
class Trying:
    """What a trial needs beside its parameters.

    Attributes:
        net: Name of the net, without the options that are searched.
        splits: What is learnt from and chosen by; test is not looked at.
        recipe: The recipe that is varied; its epochs are those of a trial.
        parts: The space.
        out: Folder of the search.
        seed: Of every trial's starting weights, order and random changes.
        keep_runs: Leave every trial's run folder; otherwise the best one's alone.
        training: More arguments of `striate.training.loop.fit`: device, precision, workers, weights_root.
        choice: By which figure on dev an epoch and a trial are chosen.
    """

    net: str
    splits: Splits
    recipe: Recipe
    parts: tuple[Part, ...]
    out: Path
    seed: int = 0
    keep_runs: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    choice: Choice = BY_ACCURACY


def run_trials(
    study: Study, trying: Trying, *, trials: int, progress: Progress = SILENT, counting: bool = True
) -> None:
    """Tries until the study holds so many trials, those of other processes and failed ones counted.

    A loss that is no number makes a failed trial, and the search goes on.

    Raises:
        StriateError: The first trials have all failed; the message holds why the last one did.
        KeyboardInterrupt: Ctrl-C; finished trials are kept.
    """
    done = len(counted(study.get_trials(deepcopy=False)))
    with progress.task("searching", max(trials - done, 0), unit="trials") as step:
        while len(counted(study.get_trials(deepcopy=False))) < trials:
            study.optimize(lambda trial: tried(trial, trying, trials), n_trials=1, catch=(StriateError,))
            give_up(study)
            if counting:
                step(1, best_words(study))


def give_up(study: Study) -> None:
    """Raises where every trial so far has failed."""
    states = [each.state for each in counted(study.get_trials(deepcopy=False))]
    if len(states) >= HOPELESS and set(states) == {TrialState.FAIL}:
        last = study.get_trials(deepcopy=False)[-1].user_attrs.get("why", "")
        raise StriateError(f"all of the first {len(states)} trials have failed; the last: {last}", hint="another space")


def best_words(study: Study) -> str:
    """The best value so far, in words."""
    found = [each for each in study.get_trials(deepcopy=False) if each.state == TrialState.COMPLETE]
    return f"best on dev {study.best_value:.4g} (trial {study.best_trial.number})" if found else ""


def tried(trial: optuna.Trial, trying: Trying, trials: int) -> float:
    """One trial: the best epoch's figure on dev; its course, seconds and run go into the study.

    Raises:
        optuna.TrialPruned: The pruner stops it.
        StriateError: It has no figure; why is in the study.
    """
    trial.set_user_attr("process", process_name())
    earlier = [each for each in counted(trial.study.get_trials(deepcopy=False)) if each.number < trial.number]
    if len(earlier) >= trials:
        trial.set_user_attr("why", SURPLUS)
        raise StriateError(SURPLUS)
    parameters = {part.name: suggest(trial, part) for part in trying.parts}
    begun = time.perf_counter()
    folder = trying.out / RUNS / f"{trial.number:03d}"
    trial.set_user_attr("run", f"{RUNS}/{folder.name}")
    try:
        recipe, net = applied(parameters, trying.parts, trying.recipe, trying.net)
        return trained(trial, trying, recipe, net, folder)
    except (StriateError, optuna.TrialPruned, KeyboardInterrupt) as error:
        if not isinstance(error, optuna.TrialPruned):
            why = INTERRUPTED if isinstance(error, KeyboardInterrupt) else _why(error, folder)
            trial.set_user_attr("why", why)
        if not trying.keep_runs:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        trial.set_user_attr("seconds", round(time.perf_counter() - begun, 3))


def trained(trial: optuna.Trial, trying: Trying, recipe: Recipe, net: str, folder: Path) -> float:
    """Trains one net and gives its best epoch's figure."""
    training = fit(
        net,
        trying.splits,
        out=folder,
        recipe=recipe,
        seed=trying.seed,
        overwrite=(folder / "run.json").exists(),
        observers=(reporting(trial, trying.choice),),
        **trying.training,
    )
    value = training.best.value
    if not trying.keep_runs:
        drop_runs(trial.study, trying, latest=trial.number, value=value)
    return value


def reporting(trial: optuna.Trial, choice: Choice) -> Observer:
    """Tells the study the figure on dev after each epoch, and ends the run where the pruner says so."""

    def report(state: State) -> None:
        value = state.history[-1].dev(choice.figure)
        trial.report(value, state.epoch)
        if state.epoch < state.epochs and trial.should_prune():
            raise optuna.TrialPruned

    @contextmanager
    def watch(events: Events) -> Iterator[None]:
        with events.attached(epoch_end=report):
            yield

    return watch


def drop_runs(study: Study, trying: Trying, *, latest: int, value: float) -> None:
    """Of the finished runs in this folder, the best one's alone is left."""
    sign = 1 if trying.choice.highest else -1
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranked = [(sign * float(each.values[0]), -each.number) for each in finished if each.values]
    best = -max([*ranked, (sign * value, -latest)])[1]
    for number in {latest, *(each.number for each in finished)} - {best}:
        folder = trying.out / RUNS / f"{number:03d}"
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def in_processes(work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Calls ``work`` in as many processes as there are arguments, and waits for all; Ctrl-C reaches each.

    Raises:
        StriateError: One of them ended with an error; it has printed which.
    """
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=each) for each in arguments]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:
            process.join()
        raise
    codes = [process.exitcode for process in processes if process.exitcode]
    if codes:
        raise RunError(f"{len(codes)} of {len(processes)} processes of the search ended with exit code {codes[0]}")


def _why(error: StriateError | KeyboardInterrupt, folder: Path) -> str:
    given = error.given if isinstance(error, StriateError) else str(error)
    return given.partition("; ")[0].replace(f"{folder}/", "")
