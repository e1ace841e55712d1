"""Splits are disjoint, complete, in proportion class by class, and the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import StriateError
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset, Splits
from striate.data.division import SHARES, Division, parse_fold, parse_shares, save_splits
from striate.data.load import load_splits
from striate.data.splits import HELD_OUT, divided_rows, folds, stratified, three_ways, together, with_dev


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


def grouped(count: int, groups: int, classes: int = 3) -> Dataset:
    notes = tuple(Annotations(group=f"person {place % groups}") for place in range(count))
    labels = (torch.arange(count) // 2) % classes
    return Dataset.of(torch.zeros(count, 1, 2, 2), labels, name="faces", split="all", notes=notes)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(0, 3))
def test_no_group_stands_on_two_sides_and_every_image_somewhere(groups: int, seed: int) -> None:
    data = grouped(4 * groups, groups)
    parts = divided_rows(data, SHARES, seed=seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(data)))
    owners = [{data.annotations(row).group for row in rows.tolist()} for rows in parts]
    assert all(owners[i].isdisjoint(owners[j]) for i in range(3) for j in range(i))
    assert all(len(rows) for rows in parts)


def test_many_groups_meet_shares_and_classes() -> None:
    data = grouped(1200, 300)
    parts = divided_rows(data, SHARES, seed=0)
    for share, rows in zip(SHARES, parts, strict=True):
        assert abs(len(rows) - share * 1200) <= 4
        counts = torch.bincount(data.labels[rows], minlength=3)
        assert int((counts - share * 400).abs().max()) <= 8


def test_groups_are_said_and_so_are_too_few() -> None:
    splits = three_ways(grouped(60, 12), seed=0, said="faces")
    assert splits.said == "faces, split 60/20/20 by seed 0, no group on two sides"
    few = three_ways(grouped(12, 2), seed=0, said="faces")
    assert few.said == "faces, split 60/20/20 by seed 0, its 2 groups torn apart: too few to keep whole"
    assert sum(map(len, few)) == 12
    two = three_ways(grouped(12, 2), seed=0, said="faces", division=Division((0.5, 0.0, 0.5)))
    assert two.said.endswith("no group on two sides")
    with pytest.raises(StriateError, match="12 images are of 2 groups; accepted: at least 3 groups"):
        together(torch.zeros(12, 0, dtype=torch.bool), grouped(12, 2).groups(), SHARES, seed=0)


def test_tags_are_spread_in_proportion_rare_ones_too() -> None:
    tags = torch.zeros(1000, 4, dtype=torch.bool)
    for place, every in enumerate((2, 5, 30, 100)):
        tags[::every, place] = True
    parts = together(tags, None, SHARES, seed=0)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(1000))
    for share, rows in zip(SHARES, parts, strict=True):
        assert (tags[rows].sum(0) - share * tags.sum(0)).abs().max() <= 2.5


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_folds_differ_by_at_most_one_image_a_class(count: int, sizes: list[int]) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    data = Dataset.of(torch.zeros(len(labels), 1, 2, 2), labels)
    if len(labels) < count:
        return
    pieces = folds(data, count, seed=1)
    table = torch.stack([torch.bincount(labels[rows], minlength=len(sizes)) for rows in pieces])
    assert int((table.max(0).values - table.min(0).values).max()) <= 1
    assert torch.equal(torch.cat(pieces).sort().values, torch.arange(len(labels)))


def test_each_fold_is_the_test_split_once() -> None:
    data = Dataset.of(torch.zeros(50, 1, 2, 2), torch.arange(50) % 5, name="toy", split="all")
    every = [three_ways(data, seed=0, said="toy", division=Division(fold=(k, 5))) for k in range(1, 6)]
    assert sorted(row for splits in every for row in splits.test.ids.tolist()) == list(range(50))
    for splits in every:
        sizes = [len(part) for part in splits]
        assert sizes == [30, 10, 10]
        assert len({row for part in splits for row in part.ids.tolist()}) == 50
    assert every[4].said == "toy, test is fold 5 of 5, dev fold 1, by seed 0"


def test_shares_and_folds_are_read_from_words() -> None:
    assert parse_shares("98/1/1") == (0.98, 0.01, 0.01)
    assert parse_shares("3980000/10000/10000") == (0.995, 0.0025, 0.0025)
    assert parse_shares(".8/.1/.1") == (0.8, 0.1, 0.1)
    assert parse_fold("2/5") == (2, 5)
    for wrong in ("60/40", "a/b/c", "1/-1/1", "0/0/0", ""):
        with pytest.raises(StriateError, match="60/20/20"):
            parse_shares(wrong)
    for wrong in ("2", "x/5"):
        with pytest.raises(StriateError, match="2/5"):
            parse_fold(wrong)
    for fold in ((0, 5), (6, 5), (1, 2)):
        with pytest.raises(StriateError, match="N at least 3"):
            Division(fold=fold)


def test_a_division_is_kept_in_a_file_and_taken_from_there(tmp_path: Path) -> None:
    file = tmp_path / "splits.json"
    data = Dataset.of(torch.zeros(50, 1, 2, 2), torch.arange(50) % 5, name="toy", split="all")
    made = three_ways(data, seed=0, said="toy", division=Division((0.8, 0.1, 0.1), file=file))
    assert made.said.endswith("kept in splits.json")
    again = three_ways(data, seed=0, said="toy", division=Division(file=file))
    assert [part.ids.tolist() for part in again] == [part.ids.tolist() for part in made]
    assert again.said == "toy, divided as splits.json keeps it"
    grown = Dataset.of(torch.zeros(60, 1, 2, 2), torch.arange(60) % 5, name="toy", split="all")
    later = three_ways(grown, seed=0, said="toy", division=Division(file=file))
    assert [part.ids.tolist() for part in later] == [part.ids.tolist() for part in made]
    assert "10 images that it does not name are left out" in later.said
    with pytest.raises(StriateError, match="keeps split 80/10/10, and fold 1 of 5 is asked for"):
        three_ways(data, seed=0, said="toy", division=Division(fold=(1, 5), file=file))
    with pytest.raises(StriateError, match=r"5 of 50 images that splits\.json names are not in toy"):
        three_ways(data.limit(45), seed=0, said="toy", division=Division(file=file))


def test_files_of_splits_that_were_damaged_are_refused(tmp_path: Path) -> None:
    data = grouped(60, 12)
    file = tmp_path / "splits.json"
    save_splits(three_ways(data, seed=0, said=""), file)
    kept = json.loads(file.read_text())
    for change, says in (
        (lambda parts: parts["test"].append(parts["train"][0]), "in train and in test"),
        (lambda parts: parts["test"].append(parts["train"].pop()), "the group person"),
        (lambda parts: parts.pop("dev"), "keeps no division"),
    ):
        parts = {name: list(rows) for name, rows in kept["parts"].items()}
        change(parts)
        file.write_text(json.dumps({**kept, "parts": parts}))
        with pytest.raises(StriateError, match=says):
            three_ways(data, seed=0, said="", division=Division(file=file))
    file.write_text("{")
    with pytest.raises(StriateError, match="cannot be read"):
        three_ways(data, seed=0, said="", division=Division(file=file))


def test_data_that_come_divided_are_not_divided_anew() -> None:
    part = Dataset.of(torch.zeros(9, 1, 2, 2), torch.arange(9) % 3)
    with pytest.raises(StriateError, match="comes divided already"):
        load_splits(Splits(part, part, part, "three given parts"), division=Division((0.8, 0.1, 0.1)))
