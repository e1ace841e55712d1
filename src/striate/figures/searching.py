"""Searches over a surface with a planted optimum: how many trials a grid, random search and TPE need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median

from striate.learn.search.payload import Part, Value
from striate.learn.search.study import Sampler, optimise

from .claims import Computed, holds
from .draw import curves

SEEDS, TRIALS = 20, 40
ENOUGH = 0.9  # of the height of the hill
AXES = tuple(Part(name, "float", low=0.0, high=1.0) for name in ("rate", "decay", "idle"))
NAMES: dict[Sampler, str] = {"grid": "grid", "random": "random", "tpe": "TPE"}


def search_trials() -> Computed:
    """A hill over two axes, narrow along one, and a third axis that does nothing: best so far, mean of 20 seeds."""
    courses = {name: [_course(name, seed) for seed in range(SEEDS)] for name in NAMES}
    means = {name: [fmean(each[index] for each in found) for index in range(TRIALS)] for name, found in courses.items()}
    need = {name: median(_needed(each) for each in found) for name, found in courses.items()}
    middle = {name: means[name][26] for name in NAMES}  # 27 trials are a whole grid of 3 x 3 x 3
    words = ", ".join(f"{NAMES[name]} {middle[name]:.2f}" for name in NAMES)
    xs = [float(index + 1) for index in range(TRIALS)]
    return Computed(
        (
            holds(
                "after 27 trials random search has found more than the grid",
                middle["random"] > middle["grid"],
                note=words,
            ),
            holds("after 27 trials TPE has found more than random search", middle["tpe"] > middle["random"]),
            holds(
                "the median search by TPE needs fewer trials for nine tenths of the hill than the random one",
                need["tpe"] < need["random"],
                note=f"TPE {_trials(need['tpe'])}, random {_trials(need['random'])}, grid {_trials(need['grid'])}",
            ),
        ),
        curves(
            f"Best so far of {SEEDS} searches on a hill with an idle axis",
            {NAMES[name]: (xs, values) for name, values in means.items()},
            x_label="trial",
            y_label="height of the hill that was found, mean",
        ),
    )


def hill(parameters: Mapping[str, Value]) -> float:
    """1 at (0.83, 0.37), three times narrower along the first axis; the third does nothing."""
    x, y = float(parameters["rate"]), float(parameters["decay"])
    return math.exp(-(((x - 0.83) / 0.08) ** 2) / 2 - ((y - 0.37) / 0.25) ** 2 / 2)


def _course(sampler: Sampler, seed: int) -> list[float]:
    """The best height after each of 40 trials; a grid of 27 points ends before."""
    budget = 27 if sampler == "grid" else TRIALS
    best, course = 0.0, []
    for value in optimise(hill, AXES, sampler=sampler, trials=budget, seed=seed):
        best = max(best, value)
        course.append(best)
    return course + [best] * (TRIALS - len(course))


def _needed(course: list[float]) -> int:
    return next((index + 1 for index, value in enumerate(course) if value >= ENOUGH), TRIALS + 1)


def _trials(number: float) -> str:
    return f"over {TRIALS}" if number > TRIALS else f"{number:g}"
