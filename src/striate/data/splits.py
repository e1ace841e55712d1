"""Train, dev and test from a seed, every class in proportion."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .dataset import Dataset, Splits

SHARES = (0.6, 0.2, 0.2)
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
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().reshape(-1)
        rows = rows[rng.permutation(len(rows), step=label)]
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


def three_ways(data: Dataset, *, seed: int, said: str) -> Splits:
    """The three splits of one undivided set; ``said`` is followed by how it was divided."""
    train, dev, test = (data.take(rows) for rows in stratified(data.labels, SHARES, seed=seed))
    return Splits(
        named(train, "train"), named(dev, "dev"), named(test, "test"), f"{said}, split 60/20/20 by seed {seed}"
    )


def with_dev(train: Dataset, test: Dataset, *, seed: int, said: str) -> Splits:
    """Splits where train and test are given: dev is a tenth of train."""
    rest, held = stratified(train.labels, (1 - HELD_OUT, HELD_OUT), seed=seed)
    return Splits(
        named(train.take(rest), "train"), named(train.take(held), "dev"), named(test, "test"),
        f"{said}, dev is a tenth of train by seed {seed}",
    )  # fmt: skip


def named(data: Dataset, split: str) -> Dataset:
    """The same data under the name of this split."""
    return replace(data, split=split)
