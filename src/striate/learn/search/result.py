"""What a study has found: trials as values, what mattered, and the best one measured on test, once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import NormalDist

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from striate.core.number import Number
from striate.data.dataset import Dataset
from striate.metrics.intervals import square_and_add, wilson

from .payload import Importance, Part, Trial
from .payload import TrialState as State
from .study import counted

FEWEST = 10  # finished trials before importances mean anything
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def trials_of(study: Study, parts: Sequence[Part]) -> tuple[Trial, ...]:
    """The trials that count, as values."""
    return tuple(_trial(each, parts) for each in counted(study.get_trials(deepcopy=False)))


def _trial(found: FrozenTrial, parts: Sequence[Part]) -> Trial:
    course = tuple(found.intermediate_values[step] for step in sorted(found.intermediate_values))
    value = None
    if found.state == TrialState.COMPLETE and found.values:
        value = float(found.values[0])
    state = STATES[found.state]
    why = str(found.user_attrs.get("why", ""))
    if state == "pruned":
        value, why = (max(course) if course else None), f"stopped after epoch {len(course)}"
    return Trial(
        number=found.number,
        parameters={part.name: found.params[part.name] for part in parts if part.name in found.params},
        value=value,
        state=state,
        why=why,
        seconds=float(found.user_attrs.get("seconds", 0.0)),
        epochs=len(course),
        course=course,
        costs=dict(found.user_attrs.get("costs", {})),
    )


def best_trial(trials: Sequence[Trial], *, highest: bool) -> Trial | None:
    """The complete trial that is best on dev, the earliest of equal ones."""
    sign = 1 if highest else -1
    found = [each for each in trials if each.state == "complete" and each.value is not None]
    return max(found, key=lambda each: (sign * float(each.value or 0.0), -each.number), default=None)


def importances_of(study: Study, parts: Sequence[Part], *, seed: int) -> tuple[tuple[Importance, ...], str]:
    """Share of the variance that each parameter explains by itself, the largest first; or none, and why.

    Source: Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance", by
    Optuna's random forest of 64 trees.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    needed = max(FEWEST, 3 * len(parts))
    if len(done) < needed:
        return (), f"{len(done)} finished trials; at least {needed} are needed"
    if len({each.values[0] for each in done if each.values}) < 2:
        return (), "all trials have the same figure"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    note = f"no interval: a random forest on {len(done)} trials"
    listed = [Importance(name, Number(float(share), n=len(done), why=note)) for name, share in found.items()]
    return tuple(sorted(listed, key=lambda each: -float(each.share))), ""


def accuracy_on(run: str, data: Dataset) -> tuple[Number, tuple[bool, ...]]:
    """The share of images that the net of a run names rightly, with its interval, and which."""
    from striate.measure.table import predict
    from striate.nets.load import load_net

    table = predict(load_net(run), data)
    right = tuple(bool(each) for each in table.correct.tolist())
    return wilson(sum(right), len(right)), right


def too_good(dev: Number, test: Number) -> Number:
    """How much better dev is than test: other images, so both intervals count (Newcombe 1998, method 10)."""
    if dev.value is None or test.value is None:
        return Number.missing(test.why or dev.why)
    low, high = square_and_add([dev, test], [1.0, -1.0])
    return Number(dev.value - test.value, low, high, test.n)


def best_by_chance(dev: Number, trials: int) -> Number:
    """How much the best of so many is too good on average where all are equally good.

    The expected largest of as many independent normal numbers (Blom 1958, plotting position 3/8) times the standard
    error of the figure. All trials are judged on the same images, so their errors go together and it is less: an upper
    bound, in shares.
    """
    if dev.value is None or not dev.n or trials < 2:
        return Number(0.0, n=trials, why="one trial: nothing was chosen")
    error = math.sqrt(dev.value * (1 - dev.value) / dev.n)
    return Number(error * NormalDist().inv_cdf((trials - 0.375) / (trials + 0.25)), n=trials, why="an upper bound")
