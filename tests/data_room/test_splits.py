"""Splits are disjoint, complete, in proportion class by class, and the same for the same seed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.data.splits import HELD_OUT, SHARES, stratified, three_ways, with_dev


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 5), st.booleans())
def test_every_class_is_within_one_image_of_its_share(counts: list[int], seed: int, three: bool) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    shares = SHARES if three else (1 - HELD_OUT, HELD_OUT)
    parts = stratified(labels, shares, seed=seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    for share, rows in zip(shares, parts, strict=True):
        for label, count in enumerate(counts):
            assert abs(int((labels[rows] == label).sum()) - share * count) < 1
        assert abs(len(rows) - share * len(labels)) <= 1 + len(shares)


def test_many_small_classes_do_not_all_lose_the_same_part() -> None:
    labels = torch.arange(300) // 3  # 100 classes of 3: quotas 1.8, .6, .6
    sizes = [len(rows) for rows in stratified(labels, SHARES, seed=0)]
    assert sizes == [180, 60, 60]


def test_the_seed_decides() -> None:
    labels = torch.arange(200) % 4
    first, again, other = (stratified(labels, SHARES, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[2], other[2])


def test_shares_must_make_a_whole() -> None:
    for wrong in ((0.5, 0.4), (1.2, -0.2)):
        with pytest.raises(StriateError, match="sum to 1"):
            stratified(torch.zeros(4), wrong, seed=0)


def test_splits_know_their_names_and_say_how_they_were_made() -> None:
    data = Dataset.of(torch.zeros(50, 1, 4, 4), torch.arange(50) % 5, name="toy", split="all")
    splits = three_ways(data, seed=3, said="toy: 50 images")
    assert [part.split for part in splits] == ["train", "dev", "test"]
    assert splits.said == "toy: 50 images, split 60/20/20 by seed 3"
    held = with_dev(data, data, seed=3, said="toy")
    assert [len(part) for part in held] == [45, 5, 50]
    assert set(held.train.ids.tolist()).isdisjoint(held.dev.ids.tolist())
