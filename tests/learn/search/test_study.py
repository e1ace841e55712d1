"""Samplers find a planted optimum in the known order, draws hang on the trial alone, a study is of one thing."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import optuna
import pytest

from striate.core.errors import StriateError
from striate.learn.search.payload import Part
from striate.learn.search.result import best_by_chance, importances_of, too_good
from striate.learn.search.study import (
    Numbered,
    build_pruner,
    counted,
    open_storage,
    open_study,
    optimise,
    reachable,
)
from striate.metrics.intervals import wilson

PARTS = tuple(Part(name, "float", low=0.0, high=1.0) for name in ("x", "y", "idle"))
IDENTITY = {"net": "striate/linear", "space": "rate=0:1"}


def planted(parameters: Mapping[str, object]) -> float:
    """A hill at (0.83, 0.37) three times narrower along x; the third axis does nothing."""
    x, y = float(str(parameters["x"])), float(str(parameters["y"]))
    return math.exp(-(((x - 0.83) / 0.08) ** 2) / 2 - ((y - 0.37) / 0.25) ** 2 / 2)


def test_tpe_beats_random_and_random_beats_a_grid_at_equal_budget() -> None:
    best = {
        name: [max(optimise(planted, PARTS, sampler=name, trials=27, seed=seed)) for seed in range(20)]
        for name in ("grid", "random", "tpe")
    }
    assert fmean(best["random"]) > fmean(best["grid"]) + 0.2
    assert fmean(best["tpe"]) > fmean(best["random"]) + 0.1


def test_draws_hang_on_the_number_of_the_trial_alone() -> None:
    def proposals(steps: list[int], sampler: str) -> list[dict[str, float]]:
        study = optuna.create_study(direction="maximize", sampler=Numbered(sampler, parts=PARTS, trials=27, seed=3))
        for count in steps:  # as if the search had been stopped between
            study.sampler = Numbered(sampler, parts=PARTS, trials=27, seed=3)
            study.optimize(
                lambda trial: planted({part.name: trial.suggest_float(part.name, 0, 1) for part in PARTS}),
                n_trials=count,
            )
        return [trial.params for trial in study.trials]

    for sampler in ("random", "tpe", "grid"):
        assert proposals([14], sampler) == proposals([3, 1, 10], sampler)
    assert len({trial["x"] for trial in proposals([14], "random")}) == 14


def test_successive_halving_stops_what_is_outside_of_the_best_third_at_epochs_1_3_9() -> None:
    """Against the rule of the paper, rung by rung: a trial goes on if it is among the best third of its rung so far."""
    study = optuna.create_study(direction="maximize", pruner=build_pruner("asha"))
    rungs: dict[int, list[float]] = {1: [], 3: []}
    for index in range(12):
        value, trial, stopped = (7 * index % 12) / 12, study.ask(), 0
        for epoch in range(1, 5):
            trial.report(value, epoch)
            if trial.should_prune():
                stopped = epoch
                break
        expected = 0
        for epoch, seen in rungs.items():
            seen.append(value)
            kept = sorted(seen, reverse=True)[: max(len(seen) // 3, 1)]
            if value < kept[-1]:
                expected = epoch
                break
        assert stopped == expected, (index, value)
        study.tell(trial, value)


def test_a_study_of_something_else_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    store = open_storage(f"journal:{tmp_path / 'shared' / 'log'}", tmp_path)
    arguments = {"highest": True, "sampler": Numbered("random", parts=PARTS, trials=3, seed=0)}
    pruner = build_pruner("none")
    first = open_study(store, name="one", identity=IDENTITY, pruner=pruner, **arguments)
    again = open_study(store, name="one", identity=IDENTITY, pruner=pruner, **arguments)
    assert first.study_name == again.study_name
    with pytest.raises(StriateError, match="space is rate=0:2, the study's is rate=0:1") as caught:
        open_study(store, name="one", identity={**IDENTITY, "space": "rate=0:2"}, pruner=pruner, **arguments)
    assert "net is" not in str(caught.value)


def test_a_locked_or_unreachable_storage_is_a_clear_error(tmp_path: Path) -> None:
    open_storage(None, tmp_path, patience=0.1)
    with sqlite3.connect(tmp_path / "study.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = "sqlite:///" + str(tmp_path / "study.db")
        with pytest.raises(StriateError, match="locked by another process"), reachable(store):
            open_storage(None, tmp_path, patience=0.1).create_new_study([optuna.study.StudyDirection.MAXIMIZE], "x")
        other.execute("ROLLBACK")
    with pytest.raises(StriateError, match="unable to open"):
        open_storage("sqlite:////nowhere/at/all.db", tmp_path)
    with pytest.raises(StriateError, match="storage is 'nonsense'"):
        open_storage("nonsense", tmp_path)
    with pytest.raises(StriateError, match="needs a driver") as caught:
        open_storage("postgresql://me:secret@host/db", tmp_path)
    assert "secret" not in str(caught.value)


def test_an_interrupted_trial_does_not_count_and_a_failed_one_does() -> None:
    study = optuna.create_study()
    for why in ("interrupted", "the loss is nan", ""):
        trial = study.ask()
        if why:
            trial.set_user_attr("why", why)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert [each.user_attrs["why"] for each in counted(study.trials)] == ["the loss is nan"]


def test_importances_are_in_the_order_of_a_sloping_plane_and_need_enough_trials() -> None:
    def plane(trial: optuna.Trial) -> float:
        x, y, _ = (trial.suggest_float(part.name, 0, 1) for part in PARTS)
        return 3 * x + y

    study = optuna.create_study(direction="maximize", sampler=Numbered("random", parts=PARTS, trials=30, seed=0))
    study.optimize(plane, n_trials=8)
    assert importances_of(study, PARTS, seed=0) == ((), "8 finished trials; at least 10 are needed")
    study.optimize(plane, n_trials=22)
    found, why = importances_of(study, PARTS, seed=0)
    assert ([each.name for each in found], why) == (["x", "y", "idle"], "")
    assert float(found[0].share) > 0.7  # 9/10 of the variance are its share
    assert float(found[-1].share) < 0.1


def test_the_best_of_many_equal_ones_is_too_good_by_less_than_is_said() -> None:
    """200 searches of 20 equally good trials, each judged on 400 images of its own: the bound holds, and is near."""
    import random

    draw = random.Random(0)
    luck = fmean(max(sum(draw.random() < 0.8 for _ in range(400)) / 400 for _ in range(20)) - 0.8 for _ in range(100))
    said = best_by_chance(wilson(320, 400), 20)
    assert luck == pytest.approx(float(said), rel=0.12)
    gap = too_good(wilson(320, 400), wilson(300, 400))
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < 0.05 < gap.high
