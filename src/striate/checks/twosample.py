"""Could two samples of images be one: a classifier and each property, judged by the same permutations.

Source: Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests", section 3 (here with permutations in place of
their normal approximation); Westfall & Young 1993, "Resampling-based multiple testing", section 2.5 (single-step maxT).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.rng import Rng
from striate.metrics.intervals import normal_interval

from .traits import TRAITS

FOLDS = 5
DRAWS = 1_999  # permutations; the smallest chance that they can show is 1 in 2,000
ALPHA = 2e-3  # chance, for both tests together, that two halves of one thing are called different
_RIDGE = 0.01
_BATCH = 256  # permutations at a time


@dataclass(frozen=True)
class Difference:
    """A property in which two splits differ.

    Attributes:
        name: Of `TRAITS`.
        what: What it is, in words.
        train: Mean over the images of the first split.
        other: Mean over those of the second.
        effect: Difference of the means within classes, in standard deviations; positive where the second has more.
        p: Chance of a difference as large in any property, by the permutations.
    """

    name: str
    what: str
    train: float
    other: float
    effect: Number
    p: float


@dataclass(frozen=True, eq=False)
class Sample:
    """Two samples, one behind the other.

    Attributes:
        traits: Properties, (N,) float64 each.
        grid: (N, D) float64, coarse pixels.
        side: (N,) int64, 0 or 1.
        strata: (N,) int64, the class, within which both are compared.
        groups: The group of each image, "" for none; None where there are no groups.
    """

    traits: dict[str, Tensor]
    grid: Tensor
    side: Tensor
    strata: Tensor
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """Scores of the classifier on images it has not seen (N,), chance of both tests, properties that differ."""

    scores: Tensor
    p: float
    differences: tuple[Difference, ...]


def compare(sample: Sample, rng: Rng) -> Compared:
    """Both tests, each at half the level.

    Which image belongs to which side is exchanged within strata, whole groups where there are groups; features, folds
    and everything else stay, so that the test is exact. The classifier is ridge regression on the sides; features are
    the properties, their squares and the grid, each without its mean in the stratum.
    """
    side, strata = sample.side, sample.strata
    names = [name for name, values in sample.traits.items() if float(values.std(correction=0)) > 1e-9]
    raw = torch.stack([sample.traits[name] for name in names], dim=1)
    plain = _standard(_within(raw, strata))
    squares, grid = _standard(_within(plain.square(), strata)), _standard(_within(sample.grid, strata))
    features = torch.cat([plain, squares, grid], dim=1)
    fold = _folds(sample, rng)
    draws = _permutations(sample, rng)
    truth = side.to(torch.float64)[:, None]
    solve = _solvers(features, fold)
    scores = torch.zeros(len(side), dtype=torch.float64)
    observed = float(_agreement(features, fold, solve, truth, scores)[0])
    best, largest = [], []
    for start in range(0, DRAWS, _BATCH):
        drawn = draws(start, min(start + _BATCH, DRAWS))
        best.append(_agreement(features, fold, solve, drawn))
        largest.append(_effects(plain, drawn).abs().amax(0))
    others, tops = torch.cat(best), torch.cat(largest)
    effect = _effects(plain, truth)[:, 0].tolist()
    p_each = [_share(tops, abs(value)) for value in effect]
    # which side has more of a property, and how much, in the units of that property
    means = [raw[side == number].mean(0).tolist() for number in (0, 1)]
    error = float((1 / torch.bincount(side, minlength=2).to(torch.float64)).sum().sqrt())
    differences = [
        Difference(
            name,
            TRAITS.get(name, name),
            means[0][place],
            means[1][place],
            normal_interval(effect[place], error, len(side), why="95 %, within classes"),
            p_each[place],
        )
        for place, name in enumerate(names)
        if p_each[place] <= ALPHA / 2
    ]
    differences.sort(key=lambda each: -abs(float(each.effect)))
    return Compared(scores, min(1.0, 2 * min([_share(others, observed), *p_each])), tuple(differences))


def _share(drawn: Tensor, observed: float) -> float:
    """Chance of at least the observed value; the observed arrangement counts as one of them."""
    return (1 + int((drawn >= observed - 1e-12).sum())) / (1 + len(drawn))


def _solvers(features: Tensor, fold: Tensor) -> list[Tensor]:
    """For each fold the matrix (D, D) that turns sums over the other folds into weights."""
    eye = torch.eye(features.shape[1], dtype=features.dtype)
    out = []
    for number in range(FOLDS):
        x = features[fold != number]
        out.append(torch.linalg.inv(x.T @ x + _RIDGE * len(x) * eye))
    return out


def _agreement(
    features: Tensor, fold: Tensor, solve: list[Tensor], sides: Tensor, scores: Tensor | None = None
) -> Tensor:
    """Correlation of scores on held-out folds with the sides (N, draws), mean over the folds; (draws,)."""
    total = torch.zeros(sides.shape[1], dtype=torch.float64)
    for number in range(FOLDS):
        held = fold == number
        y = sides[~held]
        weights = solve[number] @ (features[~held].T @ (y - y.mean(0)))
        said, truth = features[held] @ weights, sides[held]
        if scores is not None:
            scores[held] = said[:, 0] / weights[:, 0].norm().clamp_min(1e-300)
        a, b = said - said.mean(0), truth - truth.mean(0)
        total += (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0)).clamp_min(1e-12)
    return total / FOLDS


def _effects(features: Tensor, sides: Tensor) -> Tensor:
    """Difference of means in deviations, (D, draws)."""
    ones = sides.sum(0)
    sums = features.T @ sides
    return sums / ones - (features.sum(0)[:, None] - sums) / (len(features) - ones)


def _within(values: Tensor, strata: Tensor) -> Tensor:
    """Each column minus its mean over the images of the same class."""
    kinds, each = torch.unique(strata, return_inverse=True)
    sums = torch.zeros(len(kinds), values.shape[1], dtype=values.dtype).index_add(0, each, values)
    return values - (sums / torch.bincount(each)[:, None])[each]


def _standard(values: Tensor) -> Tensor:
    deviation = values.std(0, correction=0)
    return torch.where(deviation > 1e-9, values / deviation.clamp_min(1e-9), 0.0)


def _folds(sample: Sample, rng: Rng) -> Tensor:
    """Fold of each image; groups are not torn apart. It does not look at the sides, so permutations leave it alone."""
    strata = sample.strata
    if sample.groups is None:
        order = rng.child("folds").permutation(len(strata))
        by_class = order[strata[order].argsort(stable=True)]
        fold = torch.empty(len(strata), dtype=torch.int64)
        fold[by_class] = torch.arange(len(strata)) % FOLDS
        return fold
    unit = _units(sample.groups)
    return (rng.child("folds").permutation(int(unit.max()) + 1) % FOLDS)[unit]


def _units(groups: tuple[str, ...]) -> Tensor:
    """Number of the group of each image; one without a group is a group of its own."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(group or f"\0{row}", len(numbers)) for row, group in enumerate(groups)])


def _permutations(sample: Sample, rng: Rng) -> Callable[[int, int], Tensor]:
    """Gives sides (N, draws) exchanged at random: within classes, or between groups as wholes."""
    source, side, strata = rng.child("permutations"), sample.side, sample.strata
    if sample.groups is None:
        kinds = torch.unique(strata, return_inverse=True)[1]
        ids, by_class = torch.arange(len(side)), strata.argsort(stable=True)

        def images(start: int, stop: int) -> Tensor:
            keys = source.uniform(ids, (stop - start,), step=start).to(torch.float64) + kinds[:, None]
            out = torch.empty(len(side), stop - start, dtype=torch.float64)
            out[by_class] = side[keys.argsort(dim=0, stable=True)].to(torch.float64)
            return out

        return images
    unit = _units(sample.groups)
    of_unit = torch.zeros(int(unit.max()) + 1, dtype=torch.int64).scatter(0, unit, side)
    numbers = torch.arange(len(of_unit))

    def wholes(start: int, stop: int) -> Tensor:
        order = source.uniform(numbers, (stop - start,), step=start).argsort(dim=0, stable=True)
        return of_unit[order][unit].to(torch.float64)

    return wholes
