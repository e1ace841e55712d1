"""Methods over all images: means with intervals, who is better than the controls, who wins, who agrees with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from striate.core.number import Number
from striate.inside.attribution.maps import Maps
from striate.inside.payload import Agreement, MeasureMean, MethodSummary
from striate.metrics.bootstrap import bootstrapped
from striate.metrics.likeness import ranked, spearman_matrix

from . import CONTROLS
from .assess import Assessed
from .scores import planes

SAME = 1e-9  # numbers nearer than this are one number
ENOUGH = 6  # images: by chance alone one of two methods is first on all of five in 1 of 16 cases
UNRANKED = "a control: not ranked"


def method_summaries(
    made: Mapping[str, Maps], assessed: Sequence[Assessed], *, passes: Mapping[str, int], seed: int = 0
) -> tuple[MethodSummary, ...]:
    """One for each method, and for each control; empty where nothing was measured."""
    if not assessed:
        return ()
    places = mean_ranks(list(made), assessed)
    found = []
    for method in (*made, *CONTROLS):
        checks = made[method].checks if method in made else ()
        found.append(
            MethodSummary(
                method,
                tuple(_mean(each, method, seed) for each in assessed),
                mean_of(places[method], seed) if method in made else Number.missing(UNRANKED),
                sum(check.holds is True for check in checks),
                len(checks),
                passes.get(method, 0),
            )
        )
    return tuple(found)


def mean_ranks(methods: Sequence[str], assessed: Sequence[Assessed]) -> dict[str, Tensor]:
    """Rank of each method on each image, (N,), 1 is best, mean over the measures; equal scores share a mean rank."""
    tables = []
    for each in assessed:
        scores = torch.stack([each.scores[method] for method in methods], dim=1)
        tables.append(ranked(-scores if each.higher else scores))
    return dict(zip(methods, torch.stack(tables).mean(0).T, strict=True))


def winner_of(summaries: Sequence[MethodSummary]) -> tuple[str, str]:
    """The method with the lowest mean rank where its interval lies below all others, or none; and a sentence on it."""
    ranked = sorted((each for each in summaries if each.rank.value is not None), key=lambda each: float(each.rank))
    if len(ranked) < 2:
        return "", ""
    first, second = ranked[0], ranked[1]
    *others, last = (each.measure.replace("_", " ") for each in first.means)
    measures = f"{', '.join(others)} and {last}" if others else last
    ahead = f"By {measures}, {first.method} comes first, mean rank {float(first.rank):.2f} of {len(ranked)}"
    images = first.rank.n or 0
    if images < ENOUGH:
        many = "one image does" if images < 2 else f"{images} images do"
        return "", f"{ahead}; {many} not decide it."
    highest = float(first.rank) if first.rank.high is None else first.rank.high  # the same rank on every image
    rivals = [
        each.method for each in ranked[1:] if (float(each.rank) if each.rank.low is None else each.rank.low) <= highest
    ]
    if rivals:
        shown = ", ".join(rivals[:3]) + (f" and {len(rivals) - 3} more" if len(rivals) > 3 else "")
        return "", f"{ahead}; undecided, as the intervals of {shown} overlap with its own."
    return first.method, f"{ahead}, ahead of {second.method} with {float(second.rank):.2f}."


def agreements(made: Mapping[str, Maps], *, seed: int = 0) -> tuple[Agreement, ...]:
    """Rank correlation of each two methods' maps, mean over the images."""
    if len(made) < 2:
        return ()
    maps = torch.stack([planes(each.values, signed=each.signed) for each in made.values()], dim=1)
    found = torch.stack([spearman_matrix(each) for each in maps])
    return tuple(
        Agreement(first, second, mean_of(found[:, i, j], seed))
        for (i, first), (j, second) in combinations(enumerate(made), 2)
    )


def mean_of(values: Tensor, seed: int) -> Number:
    """The mean of one value an image, with its bootstrap interval."""
    if len(values) == 1:
        return Number.of(float(values[0]), n=1, why="one image has no spread")
    if float((values - values[0]).abs().max()) <= SAME:
        return Number(float(values[0]), n=len(values), why="the same on every image: no interval")
    return bootstrapped(lambda rows: values[rows].mean(1), len(values), seed=seed, method="percentile")


def _mean(assessed: Assessed, method: str, seed: int) -> MeasureMean:
    own, sign = assessed.scores[method], 1.0 if assessed.higher else -1.0
    gains = [sign * (own - assessed.scores[control]) for control in CONTROLS]
    better = (torch.stack(gains) > 0).all(0).double()
    missing = Number.missing("itself")
    over = [missing if method == name else mean_of(gain, seed) for name, gain in zip(CONTROLS, gains, strict=True)]
    share = missing if method in CONTROLS else mean_of(better, seed)
    return MeasureMean(assessed.measure, mean_of(own, seed), over[0], over[1], share, assessed.higher)
