"""Studies of Optuna: where trials are kept, who proposes them, who stops them early. Load it only in a search."""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .payload import Part, Value

__all__ = ["Study"]  # others name it from here: Optuna stays in its room
Sampler = Literal["grid", "random", "tpe", "gp"]
Pruner = Literal["none", "median", "asha"]
FORMS = "sqlite:///FILE, journal:FILE, postgresql://USER@HOST/NAME, mysql://..."
STARTS = 8  # random trials before a model is fitted
PATIENCE = 30  # seconds to wait for a SQLite file that another process writes
IDENTITY = "striate"  # attribute of a study: what it is about
INTERRUPTED, SURPLUS = "interrupted", "not needed"
UNCOUNTED = ("", INTERRUPTED, SURPLUS)  # why a failed trial is no result; "" where its process ended without a word


def suggest(trial: optuna.Trial, part: Part) -> Value:
    """What the trial is to try of this part."""
    if part.kind == "choice":
        return str(trial.suggest_categorical(part.name, part.choices))
    low, high = float(part.low or 0), float(part.high or 0)
    if part.kind == "int":
        return trial.suggest_int(part.name, int(low), int(high), log=part.log, step=part.step)
    return trial.suggest_float(part.name, low, high, log=part.log)


def grid_of(parts: Sequence[Part], trials: int) -> dict[str, list[Value]]:
    """Values of each part, evenly apart: as many of each range as ``trials`` pay for, at least two.

    >>> len(grid_of([Part("a", "float", low=0, high=1), Part("b", "float", low=0, high=1)], 9)["a"])
    3
    """
    fixed = 1
    ranges = 0
    for part in parts:
        fixed *= len(part.choices) or 1
        ranges += part.kind != "choice"
    levels = 2
    while ranges and fixed * (levels + 1) ** ranges <= trials:
        levels += 1
    return {part.name: _levels(part, levels) for part in parts}


def _levels(part: Part, levels: int) -> list[Value]:
    if part.kind == "choice":
        return list(part.choices)
    low, high = float(part.low or 0), float(part.high or 0)
    shares = [index / (levels - 1) for index in range(levels)]
    values = [low * (high / low) ** share if part.log else low + (high - low) * share for share in shares]
    values[-1] = high
    if part.kind == "float":
        return list(values)
    whole = [int(low) + part.step * round((value - low) / part.step) for value in values]
    return list(dict.fromkeys(min(value, int(high)) for value in whole))


def build_sampler(name: str, *, parts: Sequence[Part], trials: int, seed: int) -> BaseSampler:
    """Who proposes parameters: ``grid``, ``random``, ``tpe`` or ``gp``.

    Source: random search is Bergstra & Bengio 2012; the tree-structured Parzen estimator Bergstra et al. 2011,
    section 4, with all parameters modelled together (Falkner et al. 2018); ``gp`` a Gaussian process with a Matern
    kernel and expected improvement (Snoek et al. 2012), both in Optuna's form.
    """
    with warnings.catch_warnings():  # multivariate TPE bears this mark in older releases of Optuna
        warnings.simplefilter("ignore", ExperimentalWarning)
        builders: Mapping[str, Callable[[], BaseSampler]] = {
            "grid": lambda: optuna.samplers.GridSampler(grid_of(parts, trials), seed=seed),
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "tpe": lambda: optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=STARTS, multivariate=True, constant_liar=True
            ),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTS),
        }
        return builders[name]()


class Numbered(BaseSampler):
    """A sampler whose draws hang on (seed, number of the trial) alone.

    So a search that was stopped proposes what it would have proposed, and machines that share a storage never propose
    the same by sharing a seed.
    """

    def __init__(self, name: str, *, parts: Sequence[Part], trials: int, seed: int) -> None:
        self._name, self._parts, self._trials, self._seed = name, parts, trials, seed
        self._inner = self._build(0)

    def _build(self, number: int) -> BaseSampler:
        seed = Rng(self._seed, f"search/{self._name}").torch_seed(step=number)
        # a grid is the same for everybody: the next point that nobody has
        seed = Rng(self._seed, "search/grid").torch_seed() if self._name == "grid" else seed
        return build_sampler(self._name, parts=self._parts, trials=self._trials, seed=seed & 0x7FFFFFFF)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Begin anew for this trial."""
        self._inner = self._build(trial.number)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler within."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler within."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler within."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the sampler within."""
        self._inner.after_trial(study, trial, state, values)


def build_pruner(name: str) -> optuna.pruners.BasePruner:
    """Who stops a trial early, by its figure on dev after each epoch.

    ``median`` stops one that is worse than the median of the others at that epoch, from the second epoch and the fifth
    trial on. ``asha`` lets the best third go on at epochs 1, 3, 9...: asynchronous successive halving, Li et al. 2020,
    algorithm 2. Optuna's form stops what the paper would pause, so a trial is never taken up again.
    """
    builders: Mapping[str, Callable[[], optuna.pruners.BasePruner]] = {
        "none": optuna.pruners.NopPruner,
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    }
    return builders[name]()


def masked(storage: str) -> str:
    """The storage without a password.

    >>> masked("mysql://me:secret@host/db")
    'mysql://me:***@host/db'
    """
    return re.sub(r"(://[^:/@]+):[^@]+@", r"\1:***@", storage)


@contextmanager
def reachable(storage: str) -> Iterator[None]:
    """Inside, a storage that cannot be opened, read or written is an error that says so."""
    hint = "wait for the other process, or another --storage; journal:FILE suits disks that machines share"
    try:
        yield
    except ImportError as error:
        raise StriateError(
            f"storage {masked(storage)} needs a driver: {error}", hint=f"pip install {error.name}"
        ) from error
    except ArgumentError as error:
        raise StriateError(f"storage is {masked(storage)!r}", accepted=FORMS) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        why = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        what = "is locked by another process" if "locked" in why else f"cannot be used: {why}"
        raise StriateError(f"storage {masked(storage)} {what}", accepted=FORMS, hint=hint) from error


def open_storage(storage: str | None, folder: Path, *, patience: float = PATIENCE) -> optuna.storages.BaseStorage:
    """The storage of this name; by default a SQLite file in the folder of the search.

    Raises:
        StriateError: It cannot be reached, is locked, or its form is none that is known.
    """
    text = storage_of(storage, folder)
    with reachable(text):
        if text.startswith("journal:"):
            from optuna.storages.journal import JournalFileBackend

            file = Path(text.removeprefix("journal:"))
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                return optuna.storages.JournalStorage(JournalFileBackend(str(file)))
            except OSError as error:
                raise StriateError(f"storage {text} cannot be used: {error.strerror}", accepted=FORMS) from error
        arguments = {"connect_args": {"timeout": patience}} if text.startswith("sqlite") else None
        return optuna.storages.RDBStorage(text, engine_kwargs=arguments)


def storage_of(storage: str | None, folder: Path) -> str:
    """The storage's name, the default one too."""
    return storage if storage is not None else f"sqlite:///{folder / 'study.db'}"


def open_study(
    storage: optuna.storages.BaseStorage,
    *,
    name: str,
    identity: Mapping[str, str],
    highest: bool,
    sampler: BaseSampler,
    pruner: optuna.pruners.BasePruner,
) -> Study:
    """The study of this name, made where there is none.

    Raises:
        StriateError: The study is about something else; what differs is named.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        direction="maximize" if highest else "minimize",
        sampler=sampler,
        pruner=pruner,
    )
    before = study.user_attrs.get(IDENTITY)
    if before is None:
        if study.get_trials(deepcopy=False):
            raise StriateError(f"study {name!r} holds trials that Striate did not make", hint="another --study NAME")
        study.set_user_attr(IDENTITY, dict(identity))
        return study
    differ = [key for key in {**before, **identity} if before.get(key) != identity.get(key)]
    if differ:
        told = "; ".join(
            f"{key} is {_cut(identity.get(key))}, the study's is {_cut(before.get(key))}" for key in differ
        )
        raise StriateError(f"study {name!r} is about something else: {told}", hint="another --study NAME, or --out")
    return study


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that count: those with a result, failed ones too, and those that are being tried."""
    return [
        each
        for each in trials
        if each.state != TrialState.WAITING
        and not (each.state == TrialState.FAIL and each.user_attrs.get("why", "") in UNCOUNTED)
    ]


def sweep(study: Study) -> None:
    """Trials of processes of this machine that have ended without a word are failed ones."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, _, number = str(trial.user_attrs.get("process", "")).rpartition(":")
        if host == socket.gethostname() and not _alive(int(number)):
            study.tell(trial.number, state=TrialState.FAIL)


def process_name() -> str:
    """Machine and number of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def optimise(
    function: Callable[[Mapping[str, Value]], float],
    parts: Sequence[Part],
    *,
    sampler: Sampler,
    trials: int,
    seed: int,
) -> list[float]:
    """The values of ``function``, to be made high, in the order in which a sampler asks for them; all in memory."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=Numbered(sampler, parts=parts, trials=trials, seed=seed))

    def tried(trial: optuna.Trial) -> float:
        return function({part.name: suggest(trial, part) for part in parts})

    study.optimize(tried, n_trials=trials)
    return [float(each.values[0]) for each in study.get_trials(deepcopy=False)]
