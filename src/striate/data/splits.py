"""Train, dev and test from a seed: every class in proportion, no group on two sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .dataset import Dataset, Splits
from .division import Division, read_rows, save_splits

PARTS = ("train", "dev", "test")
HELD_OUT = 0.1  # share of the training images that becomes dev where a test split is given


def stratified(labels: Tensor, shares: tuple[float, ...], *, seed: int) -> tuple[Tensor, ...]:
    """Rows of each part, in ascending order: disjoint, complete, every class within one image of its share.

    Each class is shuffled by the seed and cut by the method of largest remainders (Hamilton); which part gets the
    images left over is settled by what the classes before it left each part short of, so that the totals stay close.

    Raises:
        StriateError: A share is negative, or they do not sum to 1.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise StriateError(f"shares are {shares}", accepted="numbers of at least 0 that sum to 1")
    parts: list[list[Tensor]] = [[] for _ in shares]
    short = [0.0] * len(shares)
    rng = Rng(seed, "splits")
    values, counted = np.unique(labels.numpy(), return_counts=True)
    by_label = labels.argsort(stable=True).split(counted.tolist())  # type: ignore[no-untyped-call]
    for label, of_label in zip(values.tolist(), by_label, strict=True):
        rows = of_label[rng.permutation(len(of_label), step=int(label))]
        quotas = [share * len(rows) for share in shares]
        counts = [math.floor(quota + 1e-9) for quota in quotas]
        left = [quota - count for quota, count in zip(quotas, counts, strict=True)]
        for part in sorted(
            (part for part in range(len(shares)) if left[part] > 1e-9),
            key=lambda part: (-(left[part] + short[part]), part),
        )[: len(rows) - sum(counts)]:
            counts[part] += 1
        short = [have + quota - count for have, quota, count in zip(short, quotas, counts, strict=True)]
        for part, chosen in enumerate(rows.split(counts)):
            parts[part].append(chosen)
    empty = torch.empty(0, dtype=torch.int64)
    return tuple(torch.cat(part).sort().values if part else empty for part in parts)


def together(
    marks: Tensor, groups: Sequence[str] | None, shares: tuple[float, ...], *, seed: int
) -> tuple[Tensor, ...]:
    """Rows of each part, in ascending order, images of one group all in one part; disjoint and complete.

    Groups are taken largest first (without groups the images with the rarest mark first) and each goes where the
    squared distance from the part's share of what was placed so far, over all marks and the images themselves, then is
    least. Small data with large groups cannot meet the shares; the counts are as near as this greedy order brings them.

    Args:
        marks: (N, K) bool: the class, or the tags, of each image.
        groups: Group of each image, "" for none; None where there are no groups.
        shares: Of each part; they sum to 1.
        seed: Order among equals.

    Raises:
        StriateError: Fewer groups than parts.

    Source: after Sechidis, Tsoumakas & Vlahavas 2011, "On the stratification of multi-label data", section 3.2, who
    place images one by one by their rarest label.
    """
    count = len(marks)
    shuffled = Rng(seed, "splits/together").permutation(count).tolist()
    owner: dict[str, int] = {}
    of_group = np.empty(count, dtype=np.int64)
    for row in shuffled:
        name = groups[row] if groups is not None else ""
        of_group[row] = owner.setdefault(name or f"\0{row}", len(owner))
    table = np.concatenate([marks.numpy().astype(np.float64), np.ones((count, 1))], axis=1)
    sums = np.zeros((len(owner), table.shape[1]))
    np.add.at(sums, of_group, table)
    wanted = [place for place, share in enumerate(shares) if share > 0]
    if len(owner) < len(wanted):
        raise StriateError(f"{count} images are of {len(owner)} groups", accepted=f"at least {len(wanted)} groups")
    totals = table.sum(0)
    scale = 1.0 / np.maximum(totals, 1.0)
    rarest = np.where(sums[:, :-1] > 0, totals[:-1], np.inf).min(1, initial=np.inf)
    order = np.lexsort((rarest, -sums[:, -1]))  # the largest first; among equals the rarest mark first
    weight = np.array([[shares[part]] for part in wanted])
    have = np.zeros((len(wanted), table.shape[1]))
    so_far = np.zeros(table.shape[1])
    chosen = np.empty(len(owner), dtype=np.int64)
    for place, group in enumerate(order.tolist()):
        so_far += sums[group]
        lacking = weight * so_far - have
        gain = (lacking * sums[group]) @ scale
        bare = have[:, -1] == 0
        if int(bare.sum()) >= len(owner) - place:  # no part may end up empty
            gain[~bare] = -np.inf
        best = int(gain.argmax())
        have[best] += sums[group]
        chosen[group] = wanted[best]
    part_of = torch.from_numpy(chosen[of_group])
    return tuple((part_of == part).nonzero().reshape(-1) for part in range(len(shares)))


def divided_rows(data: Dataset, shares: tuple[float, ...], *, seed: int) -> tuple[Tensor, ...]:
    """Rows of each part: by group where there are enough groups, else by class, else by tags, else blindly."""
    groups = _kept_together(data, sum(share > 0 for share in shares))
    if groups is not None:
        return together(_marks(data), groups, shares, seed=seed)
    if data.task == "classes":
        return stratified(data.labels, shares, seed=seed)
    if data.tags is not None and len(data) >= len(shares):
        return together(data.tags, None, shares, seed=seed)
    return stratified(torch.zeros(len(data), dtype=torch.int64), shares, seed=seed)


def folds(data: Dataset, count: int, *, seed: int) -> tuple[Tensor, ...]:
    """Rows of each of so many equal folds; a class differs by at most one image between them where there are no groups.

    Raises:
        StriateError: Fewer than 2 folds, or than images.
    """
    if not 2 <= count <= len(data):
        raise StriateError(f"{count} folds of {len(data)} images", accepted=f"2 to {len(data)} folds")
    return divided_rows(data, (1 / count,) * count, seed=seed)


def three_ways(data: Dataset, *, seed: int, said: str, division: Division | None = None) -> Splits:
    """The three splits of one undivided set; ``said`` is followed by how it was divided.

    Raises:
        StriateError: What the division asks for cannot be had; see `Division` and `read_rows`.
    """
    how = division or Division()
    wanted = how.fold[1] if how.fold is not None else sum(share > 0 for share in how.shares)
    apart = _kept_together(data, wanted) is not None
    few = len(set(data.groups()) - {""})
    torn = f", its {few} groups torn apart: too few to keep whole" if few else ""
    grouped = ", no group on two sides" if apart else torn
    if how.file is not None and how.file.exists():
        parts: tuple[Tensor | Sequence[int], ...] = read_rows(how.file, data, division=how, seed=seed)
        left = len(data) - sum(map(len, parts))
        later = f"; {left:,} images that it does not name are left out" if left else ""
        words = f"divided as {how.file.name} keeps it{later}"
    elif how.fold is not None:
        which, of = how.fold
        pieces = folds(data, of, seed=seed)
        test, dev = which - 1, which % of
        rest = [piece for place, piece in enumerate(pieces) if place not in {test, dev}]
        parts = (torch.cat(rest).sort().values, pieces[dev], pieces[test])
        words = f"test is fold {which} of {of}, dev fold {dev + 1}, by seed {seed}{grouped}"
    else:
        parts = divided_rows(data, how.shares, seed=seed)
        words = f"{how.words} by seed {seed}{grouped}"
    train, held, measured = (named(data.take(rows), part) for rows, part in zip(parts, PARTS, strict=True))
    splits = Splits(train, held, measured, f"{said}, {words}", division)
    if apart:
        _check_apart(splits)
    if how.file is not None and not how.file.exists():
        save_splits(splits, how.file, division=how, seed=seed)
        return replace(splits, said=f"{splits.said}, kept in {how.file.name}")
    return splits


def with_dev(train: Dataset, test: Dataset, *, seed: int, said: str) -> Splits:
    """Splits where train and test are given: dev is a tenth of train."""
    rest, held = divided_rows(train, (1 - HELD_OUT, HELD_OUT), seed=seed)
    return Splits(
        named(train.take(rest), "train"), named(train.take(held), "dev"), named(test, "test"),
        f"{said}, dev is a tenth of train by seed {seed}",
    )  # fmt: skip


def named(data: Dataset, split: str) -> Dataset:
    """The same data under the name of this split."""
    return replace(data, split=split)


def _kept_together(data: Dataset, parts: int) -> tuple[str, ...] | None:
    """The groups, where there are any, and enough of them for each part to get one."""
    groups = data.groups()
    if not any(groups) or len(set(groups) - {""}) + groups.count("") < parts:
        return None
    return groups


def _marks(data: Dataset) -> Tensor:
    if data.task == "classes":
        return torch.nn.functional.one_hot(data.labels, len(data.classes)).bool()
    return data.tags if data.tags is not None else torch.zeros((len(data), 0), dtype=torch.bool)


def _check_apart(splits: Splits) -> None:
    """No image and no group stands on two sides; a file that was edited by hand may say otherwise."""
    owner: dict[str, str] = {}
    for part in splits:
        for group in set(part.groups()) - {""}:
            if owner.setdefault(group, part.split) != part.split:
                raise StriateError(
                    f"the group {group} stands in {owner[group]} and in {part.split}",
                    accepted="each group on one side",
                    hint="give the file of the division another name to divide the data anew",
                )
