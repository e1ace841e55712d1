"""Copies among images: equal pixels by their hash, near copies proposed by descriptors and confirmed by pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress

from .align import STEPS, align, flat, same_colours
from .proposals import boxes, descriptors, propose
from .scan import LARGE

_PAIRS = 512  # pairs aligned at once
_FIRST = 2  # steps after which a pair that does not look alike is given up
_HOPEFUL = 0.85  # correlation that it must have reached by then


@dataclass(frozen=True)
class Copies:
    """Images, by number, that show the same; the least correlation among those of the group that were compared."""

    exact: bool
    images: tuple[int, ...]
    likeness: float


@dataclass(frozen=True)
class Found:
    """Groups of copies, and how many pairs were proposed by the coarse search.

    ``exact`` counts the groups of equal pixels, also those that are part of a group of near copies.
    """

    groups: tuple[Copies, ...]
    exact: int
    proposed: int

    @property
    def near(self) -> int:
        """Groups of near copies."""
        return sum(not group.exact for group in self.groups)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Small pictures (N, T, T) uint8 and their chroma planes (N, 2, S, S) uint8, or None for grey data."""

    small: Tensor
    colours: Tensor | None

    @property
    def cut(self) -> bool:
        """Whether cut-outs are looked for."""
        return self.small.shape[-1] == LARGE


def find_copies(
    digests: Sequence[bytes], pictures: Pictures, *, memory: int = 1 << 28, progress: Progress = SILENT
) -> Found:
    """Groups of images that show the same, the largest likeness first.

    Near copies are images saved anew, resized, or cut by up to a fifth of each side, with the same colours; mirrored,
    turned and recoloured ones are not looked for, nor are cuts of images below 48 pixels. Images in which next to
    nothing can be seen are compared by their exact pixels alone.
    """
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for number, digest in enumerate(digests):
        by_digest[digest].append(number)
    firsts = torch.tensor([each[0] for each in by_digest.values()], dtype=torch.int64)
    equal = {each[0]: each for each in by_digest.values()}
    plain = flat(pictures.small[firsts]) if len(firsts) else torch.zeros(0, dtype=torch.bool)
    asked = firsts[~plain]
    seen = Pictures(pictures.small[asked], None if pictures.colours is None else pictures.colours[asked])
    pairs, start, _ = propose(seen.small, cut=pictures.cut, memory=memory, progress=progress)
    same, likeness = confirm(seen, pairs, start, progress=progress)
    stars = _stars(seen, pairs[same], likeness[same])
    groups = [_grown([int(asked[each]) for each in members], least, equal) for members, least in stars]
    taken = {number for group in groups for number in group.images}
    exact = [each for each in equal.values() if len(each) > 1]
    groups += [Copies(True, tuple(each), 1.0) for each in exact if each[0] not in taken]
    groups.sort(key=lambda group: (-group.likeness, group.images))
    return Found(tuple(groups), len(exact), len(pairs))


def confirm(pictures: Pictures, pairs: Tensor, start: Tensor, *, progress: Progress = SILENT) -> tuple[Tensor, Tensor]:
    """Whether each pair (m, 2) shows the same, (m,) bool, and the correlation of the two once aligned, (m,).

    The first of a pair is laid on what the box (m, 4) of the second shows.
    """
    same = torch.zeros(len(pairs), dtype=torch.bool)
    likeness = torch.full((len(pairs),), -1.0)
    with progress.task("compare pixels", len(pairs), unit="pairs") as step:
        for rows in torch.split(torch.arange(len(pairs)), _PAIRS):
            same[rows], likeness[rows] = _confirmed(pictures, pairs[rows], start[rows])
            step(len(rows))
    return same, likeness


def _confirmed(pictures: Pictures, pairs: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    first, second = (pictures.small[each].to(torch.float32) for each in pairs.unbind(1))
    found = align(first, second, start, steps=0)
    same, likeness, box = found.same(), found.likeness, found.box
    if pictures.cut:
        for steps in (_FIRST, STEPS - _FIRST):
            left = (~same & (likeness >= (_HOPEFUL if steps != _FIRST else -2.0))).nonzero().reshape(-1)
            if not len(left):
                break
            again = align(first[left], second[left], box[left], steps=steps)
            same[left], likeness[left], box[left] = again.same(), again.likeness, again.box
    if pictures.colours is not None and bool(same.any()):
        ours, theirs = (pictures.colours[each[same]].to(torch.float32) for each in pairs.unbind(1))
        same[same.clone()] = same_colours(ours, theirs, box[same])
    return same, likeness


def _stars(pictures: Pictures, pairs: Tensor, likeness: Tensor) -> list[tuple[list[int], float]]:
    """Groups in which every image shows the same as one image of the group, so that likeness does not drift in chains.

    Connected images are taken together; the one with most partners is the middle, and who is not a copy of the middle
    when the pixels are asked is left for another group.
    """
    alike: dict[int, dict[int, float]] = defaultdict(dict)
    for (one, other), value in zip(pairs.tolist(), likeness.tolist(), strict=True):
        for here, there in ((one, other), (other, one)):
            alike[here][there] = max(value, alike[here].get(there, -1.0))
    left, found = set(alike), []
    while left:
        reached = _reached(min(left), alike, left)
        left -= reached
        while len(reached) > 1:
            middle = max(reached, key=lambda each: (len(alike[each].keys() & reached), -each))
            partners = {other: value for other, value in alike[middle].items() if other in reached}
            others = sorted(reached - partners.keys() - {middle})
            partners |= _copies_of(pictures, middle, others)
            if not partners:  # what is left holds together by images that went to another group
                break
            found.append((sorted([middle, *partners]), min(partners.values())))
            reached -= {middle, *partners}
    return found


def _reached(start: int, alike: dict[int, dict[int, float]], among: set[int]) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        new = [other for other in alike[waiting.pop()] if other in among and other not in reached]
        reached.update(new)
        waiting += new
    return reached


def _copies_of(pictures: Pictures, middle: int, others: list[int]) -> dict[int, float]:
    """Those that show the same as the middle, whichever of the two was cut from the other."""
    if not others:
        return {}
    there = torch.tensor(others)
    here = torch.full_like(there, middle)
    pairs = torch.cat([torch.stack([here, there], dim=1), torch.stack([there, here], dim=1)])
    start = boxes()[:1].expand(len(pairs), -1)
    if pictures.cut:
        whole = descriptors(pictures.small[pairs[:, 0]])[:, 0]
        start = boxes()[torch.einsum("nd,nkd->nk", whole, descriptors(pictures.small[pairs[:, 1]])).argmax(1)]
    same, likeness = confirm(pictures, pairs, start)
    out: dict[int, float] = {}
    for other, yes, value in zip([*others, *others], same.tolist(), likeness.tolist(), strict=True):
        if yes:
            out[other] = max(value, out.get(other, -1.0))
    return out


def _grown(members: list[int], likeness: float, equal: dict[int, list[int]]) -> Copies:
    """The group with every image that has the same pixels as one of it."""
    return Copies(False, tuple(sorted(number for each in members for number in equal[each])), min(likeness, 1.0))
