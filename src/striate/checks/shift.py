"""Do two splits hold the same kind of image: a classifier that tells them apart, and what gives them away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.metrics.ranking import auc

from .traits import TRAITS, image_traits
from .twosample import ALPHA, DRAWS, Difference, Sample, compare

MOST = 2_000  # images of each split that are looked at
FEW = 20  # images of a split, below which nothing is said
UNLIKE = 24
CLASS_ALPHA, CLASS_GAP = 1e-3, 0.02  # of the chi-square test; difference of shares that is worth a word
CITES = ("lopez2017revisiting", "westfall1993resampling", "immerkaer1996fast", "pearson1900criterion")


@dataclass(frozen=True)
class ClassShare:
    """Share of a class among the images of each split."""

    name: str
    train: float
    other: float


@dataclass(frozen=True)
class Shift:
    """How far two splits differ.

    Attributes:
        splits: Their names.
        n: Images looked at of each, classes that only one of them has left out.
        auc: Area under the ROC curve of the classifier on images it has not seen; .5 where nothing tells them apart.
        p: Chance of so good a classifier, or so large a difference of a property, if the splits were one.
        shifted: Whether ``p`` is below `ALPHA`.
        differences: Properties that differ beyond chance, the largest effect first.
        unlike: Rows of the second split that look least like the first, the most unlike first.
        class_distance: Largest sum of differences of class shares (total variation), 0 to 1.
        class_p: Chance of class counts so different; missing for data without classes.
        classes: Classes whose shares differ most, at most 5, where they differ beyond chance.
        why: Why nothing was measured, or what was left out.
    """

    splits: tuple[str, str]
    n: tuple[int, int]
    auc: Number
    p: Number
    shifted: bool
    differences: tuple[Difference, ...]
    unlike: tuple[int, ...]
    class_distance: Number
    class_p: Number
    classes: tuple[ClassShare, ...]
    why: str = ""

    @property
    def class_shifted(self) -> bool:
        """Whether the shares of the classes differ beyond chance, and by enough to matter."""
        return bool(self.classes)


def train_test_shift(
    train: Dataset, other: Dataset, *, seed: int = 0, progress: Progress = SILENT, workers: int = 0
) -> Shift:
    """Whether ``other`` (test or dev) holds the same kind of image as ``train``, and what differs.

    A ridge classifier looks at `image_traits`, their squares and a grid of luma means, each centred within its class,
    so that other shares of the classes alone tell it nothing; they have a test of their own. How good it could be
    by luck is told by permuting which image belongs to which split, within classes (whole groups where there are
    groups), with everything else held fixed: the test is exact. The same permutations judge every property, with the
    largest difference of any of them as the yardstick. Cost: at most 2,000 images of each split are decoded, once.

    Raises:
        ImageError: A file cannot be read.

    >>> from striate.data.load import load_splits
    >>> splits = load_splits("digits")
    >>> train_test_shift(splits.train, splits.test).shifted
    False
    """
    names = (train.split, other.split)
    priors = _class_shares(train, other)
    sides = [_some(part, Rng(seed, f"checks/shift/{number}")) for number, part in enumerate((train, other))]
    strata = torch.cat([_strata(part, rows) for part, rows in zip((train, other), sides, strict=True)])
    side = torch.cat([torch.full((len(rows),), number) for number, rows in enumerate(sides)])
    both = _on_both(strata, side)
    kept = [rows[both[side == number]] for number, rows in enumerate(sides)]
    n = len(kept[0]), len(kept[1])
    if min(n) < FEW:
        why = f"{n[0]} {names[0]} and {n[1]} {names[1]} images of classes that both have: it takes {FEW} of each"
        missing = Number.missing(why)
        return Shift(names, n, missing, missing, False, (), (), *priors, why=why)
    parts = [part.take(rows) for part, rows in zip((train, other), kept, strict=True)]
    looked = [image_traits(part, progress=progress, workers=workers) for part in parts]
    groups = [group for part in parts for group in part.groups()]
    sample = Sample(
        {name: torch.cat([each[0][name] for each in looked]) for name in TRAITS},
        torch.cat([each[1] for each in looked]),
        side[both],
        strata[both],
        tuple(groups) if any(groups) else None,
    )
    found = compare(sample, Rng(seed, "checks/shift"))
    unlike = kept[1][found.scores[sample.side == 1].argsort(descending=True, stable=True)[:UNLIKE]]
    left = "" if bool(both.all()) else f"{int((~both).sum()):,} images of classes that one split lacks were left out"
    return Shift(
        names, n, auc(found.scores, sample.side == 1), Number(found.p, n=DRAWS, why="by permutations"),
        found.p <= ALPHA, found.differences, tuple(unlike.tolist()), *priors, why=left,
    )  # fmt: skip


def _some(part: Dataset, rng: Rng) -> Tensor:
    """Rows to look at, ascending: all of them, or `MOST` by lot."""
    return torch.arange(len(part)) if len(part) <= MOST else rng.permutation(len(part))[:MOST].sort().values


def _strata(part: Dataset, rows: Tensor) -> Tensor:
    return part.labels[rows] if part.task == "classes" else torch.zeros(len(rows), dtype=torch.int64)


def _on_both(strata: Tensor, side: Tensor) -> Tensor:
    """(N,) bool: images of classes that both sides have."""
    there = [set(strata[side == number].tolist()) for number in (0, 1)]
    common = torch.tensor(sorted(there[0] & there[1]), dtype=strata.dtype)
    return torch.isin(strata, common)


def _class_shares(train: Dataset, other: Dataset) -> tuple[Number, Number, tuple[ClassShare, ...]]:
    """Total variation of the class shares, the chance of it, and the classes that differ most.

    Source: Pearson 1900; classes that are expected fewer than 5 times in a split are put together first. Images of one
    group are not independent, so with groups there is no chance to be told.
    """
    if train.task != "classes" or other.task != "classes" or not len(train) or not len(other):
        missing = Number.missing("no two sides with one label an image")
        return missing, missing, ()
    counts = torch.stack([torch.bincount(part.labels, minlength=len(part.classes)) for part in (train, other)])
    counts = counts.to(torch.float64)
    totals = counts.sum(1, keepdim=True)
    shares = counts / totals
    gap = (shares[0] - shares[1]).abs()
    distance = Number(0.5 * float(gap.sum()), n=int(counts.sum()), why="counted")
    if any(train.groups()) or any(other.groups()):
        return distance, Number.missing("images of one group are not independent"), ()
    pooled = counts.sum(0)
    expected = pooled * totals / counts.sum()
    rare = (expected < 5).any(0)
    if bool(rare.any()):
        counts = torch.cat([counts[:, ~rare], counts[:, rare].sum(1, keepdim=True)], dim=1)
        expected = torch.cat([expected[:, ~rare], expected[:, rare].sum(1, keepdim=True)], dim=1)
    there = expected.gt(0).all(0)
    statistic = ((counts - expected).square() / expected.clamp_min(1e-300))[:, there].sum()
    freedom = int(there.sum()) - 1
    if freedom < 1:
        return distance, Number.missing("too few images of all classes but one"), ()
    p = float(torch.special.gammaincc(torch.tensor(freedom / 2, dtype=torch.float64), statistic / 2))
    most = (
        gap.argsort(descending=True, stable=True)[:5].tolist()
        if p < CLASS_ALPHA and float(distance) >= CLASS_GAP
        else []
    )
    listed = tuple(ClassShare(train.classes[each], float(shares[0, each]), float(shares[1, each])) for each in most)
    return distance, Number(p, n=int(pooled.sum()), why="chi-square test"), listed
