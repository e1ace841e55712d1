"""Where a classifier is weak: slices of the images against all others, corrected for how many were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.metrics.intervals import wilson
from striate.metrics.significance import difference, fisher_lower, holm

from .case import ALPHA
from .columns import LEAST, Column, Part, parts_of
from .payload import Slice, Slices

GAP = 0.03  # accuracy below that of the rest from which a slice is worth a word
PAIR_GAP = 0.1  # and of a pair below what is left of both its parents
LEAST_PAIR = 30  # images of a pair
MOST_PAIRED = 200  # slices that are paired with each other
MOST_CLASSES = 50  # with more, classes are not paired
MOST_ROWS = 300
MOST_NAMED = 20
SHOWN = 12  # mistakes of a weak slice
BLOCK = 1 << 16  # images whose membership is multiplied out at once
CORRECTION = "Fisher's exact test; Holm over all slices, and all pairs of them by their number"


@dataclass(frozen=True, eq=False)
class Tested:
    """A part, how many of it are right, its chance by luck alone and corrected, its parents where it is a pair."""

    part: Part
    right: int
    p: float
    corrected: float
    parents: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Images of it."""
        return len(self.part.rows)


def slices(
    correct: Tensor, confidence: Tensor, rows: Tensor, columns: Sequence[Column]
) -> tuple[Slices, dict[int, tuple[int, ...]]]:
    """Slices by each column and by pairs of columns; the significantly weak ones first.

    A slice is weak where it is right less often than all other images by at least `GAP`, and that is no chance
    (`ALPHA` over all slices). Of weak slices that overlap the most telling one (largest likelihood ratio) speaks for
    the others: those that are not weak without its images are said to lie within it. A pair is weak only where it is
    clearly weaker than the rest of both its parents.

    Args:
        correct: Whether each image is right, bool (N,).
        confidence: Of the predicted class (N,); it orders the mistakes that are shown.
        rows: Row of each image in its split (N,).
        columns: What is known of the images, N values each.

    Returns:
        The slices; and for each image that a weak one holds, by its place 0..N-1, the places of those among the rows.

    Source: Fisher's test as in `fisher_lower`; Holm 1979 over the slices. The search over slices and pairs follows
    Chung, Kraska, Polyzotis, Tae & Whang 2019, "Slice Finder", who test by effect size and Welch's t with
    alpha-investing; here the test is exact and overlapping slices are merged.
    """
    n, total = len(correct), int(correct.sum())
    parts = parts_of(columns, n)
    right = [int(correct[part.rows].sum()) for part in parts]
    chances = [_chance(k, len(part.rows), total, n) for k, part in zip(right, parts, strict=True)]
    singles = [
        Tested(part, k, p, corrected)
        for part, k, p, corrected in zip(parts, right, chances, holm(chances), strict=True)
    ]
    pairs, tried = _pairs(correct, singles)
    weak = [one for one in [*singles, *pairs] if _weak(one, total, n)]
    named, within = _merged(correct, weak)
    told = [_slice(one, correct, confidence, rows, weak=True) for one in named]
    told = [replace(one, merged=tuple(w for w, owner in within.items() if owner == one.name)) for one in told]
    alone = {one.part.name for one in named}
    others = [*singles, *(one for one in pairs if one.part.name in within)]
    plain = [
        replace(_slice(one, correct, confidence, rows, weak=False), within=within.get(one.part.name, ""))
        for one in others
        if one.part.name not in alone
    ]
    plain.sort(key=lambda one: (float(one.difference), one.name))
    shown = tuple([*told, *plain][:MOST_ROWS])  # the weak ones, fewer than that, stand first
    return Slices(len(parts) + tried, CORRECTION, len(named), shown), _members(named)


def _chance(k: int, n: int, total: int, everything: int) -> float:
    return fisher_lower(k, n, total - k, everything - n)


def _likelihood_ratio(k: int, n: int, total: int, everything: int) -> float:
    """How much better two accuracies explain the table than one does, in nats; it orders where chances underflow."""
    table = torch.tensor([[k, n - k], [total - k, everything - n - total + k]], dtype=torch.float64)
    even = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / everything
    return float(torch.xlogy(table, table / even.clamp_min(1e-300)).sum())


def _gap(k: int, n: int, other_k: int, other_n: int) -> float:
    return k / n - other_k / other_n if n and other_n else 0.0


def _weak(one: Tested, total: int, n: int) -> bool:
    return one.corrected < ALPHA and _gap(one.right, one.n, total - one.right, n - one.n) <= -GAP


def _pairs(correct: Tensor, singles: Sequence[Tested]) -> tuple[list[Tested], int]:
    """Pairs that are clearly weaker than what is left of both parents, and how many pairs were looked at."""
    classes = sum(one.part.kind == "class" for one in singles)
    chosen = [
        one
        for one in sorted(singles, key=lambda one: one.part.kind == "class")
        if one.n >= LEAST_PAIR and (one.part.kind != "class" or classes <= MOST_CLASSES)
    ][:MOST_PAIRED]
    if len(chosen) < 2:
        return [], 0
    counts, hits = _joint(correct, [one.part.rows for one in chosen])
    column = {name: place for place, name in enumerate(dict.fromkeys(one.part.by for one in chosen))}
    by = torch.tensor([column[one.part.by] for one in chosen])
    n, k = counts.diagonal(), hits.diagonal()
    both = (counts >= LEAST_PAIR) & (by[:, None] < by[None, :])
    both &= (n[:, None] - counts >= LEAST) & (n[None, :] - counts >= LEAST)
    accuracy = hits / counts.clamp_min(1)
    left = ((k[:, None] - hits) / (n[:, None] - counts).clamp_min(1)).minimum(
        (k[None, :] - hits) / (n[None, :] - counts).clamp_min(1)
    )
    # only pairs that can be weak are tested exactly; the correction is for all of them
    worth = (both & (accuracy - left <= -PAIR_GAP)).nonzero().tolist()
    everything, total, tried = len(correct), int(correct.sum()), int(both.sum())
    found = []
    for i, j in worth:
        here, good = int(counts[i, j]), int(hits[i, j])
        against = [(total, everything), *((chosen[each].right, chosen[each].n) for each in (i, j))]
        p = max(_chance(good, here, of_right, of_all) for of_right, of_all in against)
        if p * tried < ALPHA:
            found.append(_pair(chosen[i].part, chosen[j].part, right=good, p=p, tried=tried))
    return found, tried


def _pair(one: Part, other: Part, *, right: int, p: float, tried: int) -> Tested:
    inside = torch.isin(one.rows, other.rows, assume_unique=True)
    part = Part(f"{one.name} and {other.name}", "pair", (*one.by, *other.by), one.rows[inside])
    return Tested(part, right, p, min(1.0, p * tried), (one.name, other.name))


def _joint(correct: Tensor, members: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """How many images each two slices share, and how many of those are right: two (S, S) float64 tables."""
    counts = torch.zeros(len(members), len(members), dtype=torch.float64)
    hits = torch.zeros_like(counts)
    for start in range(0, len(correct), BLOCK):
        stop = min(start + BLOCK, len(correct))
        inside = torch.zeros(len(members), stop - start)  # float32 counts exactly up to 2 ** 24
        for place, rows in enumerate(members):
            first, last = torch.searchsorted(rows, torch.tensor([start, stop])).tolist()
            inside[place, rows[first:last] - start] = 1.0
        counts += inside @ inside.T
        hits += (inside * correct[start:stop]) @ inside.T
    return counts, hits


def _merged(correct: Tensor, weak: Sequence[Tested]) -> tuple[list[Tested], dict[str, str]]:
    """The weak slices that speak for themselves, most telling first; and which of them each other one lies within."""
    total = int(correct.sum())
    order = sorted(weak, key=lambda one: (-_likelihood_ratio(one.right, one.n, total, len(correct)), one.part.name))
    covered = torch.zeros(len(correct), dtype=torch.bool)
    named: list[Tested] = []
    within: dict[str, str] = {}
    for one in order:
        free = covered
        if one.parents:  # it was tested against what is left of its parents; only others can explain it
            free = torch.zeros_like(covered)
            for each in named:
                if each.part.name not in one.parents:
                    free[each.part.rows] = True
        if not named or (len(named) < MOST_NAMED and _still_weak(one, correct, free)):
            named.append(one)
            covered = covered.clone()
            covered[one.part.rows] = True
        else:
            wrong = one.part.rows[~correct[one.part.rows]]
            shared = [int(torch.isin(wrong, each.part.rows).sum()) for each in named]
            within[one.part.name] = named[shared.index(max(shared))].part.name
    return named, within


def _still_weak(one: Tested, correct: Tensor, covered: Tensor) -> bool:
    """Whether it is weak among the images that no named slice holds."""
    rest = one.part.rows[~covered[one.part.rows]]
    n, k = len(rest), int(correct[rest].sum())
    open_n, open_k = int((~covered).sum()), int((correct & ~covered).sum())
    if n < LEAST or open_n - n < LEAST or _gap(k, n, open_k - k, open_n - n) > -GAP:
        return False
    # as many slices were tried as the correction of this one allowed for
    tried = one.corrected / one.p if one.p > 0 else 1.0
    return _chance(k, n, open_k, open_n) * max(1.0, tried) < ALPHA


def _slice(one: Tested, correct: Tensor, confidence: Tensor, rows: Tensor, *, weak: bool) -> Slice:
    n, total = len(correct), int(correct.sum())
    wrong = one.part.rows[~correct[one.part.rows]] if weak else one.part.rows[:0]
    shown = wrong[torch.sort(confidence[wrong], descending=True, stable=True).indices[:SHOWN]]
    return Slice(
        name=one.part.name,
        kind=one.part.kind,
        by=one.part.by,
        n=one.n,
        accuracy=wilson(one.right, one.n),
        rest=wilson(total - one.right, n - one.n),
        difference=difference(one.right, one.n, total - one.right, n - one.n),
        p=one.corrected,
        weak=weak,
        rows=tuple(rows[shown].tolist()),
    )


def _members(named: Sequence[Tested]) -> dict[int, tuple[int, ...]]:
    """For each image in a weak slice the places of those slices."""
    inside: dict[int, list[int]] = {}
    for place, one in enumerate(named):
        for image in one.part.rows.tolist():
            inside.setdefault(image, []).append(place)
    return {image: tuple(places) for image, places in inside.items()}
