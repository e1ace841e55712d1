"""Loading grows with the names of a folder, not faster; files are opened when they are wanted, not before."""

from __future__ import annotations

import io
import os
import sys
import tracemalloc
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.data.batches import batches
from striate.data.dataset import Splits
from striate.data.layouts import images
from striate.data.layouts.folder import read_classes
from striate.data.load import load_splits
from striate.data.paths import Paths
from striate.data.source import Request
from striate.data.tree import Listing, Stamp


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(stream, "PNG")
    return stream.getvalue()


class Counted:
    """A made folder that counts how often it is looked into."""

    name, path = "made", Path("/made")

    def __init__(self, count: int) -> None:
        self.count = count
        self.opened = self.looked_up = 0
        self.bytes = png()

    def source(self, name: str) -> bytes:
        self.opened += 1
        return self.bytes

    def read(self, name: str) -> bytes:
        return self.source(name)

    def load(self, name: str) -> tuple[bytes, Stamp]:
        return self.source(name), Stamp(len(self.bytes), 0)

    def stamp(self, name: str) -> Stamp:
        self.looked_up += 1
        return Stamp(len(self.bytes), 0)

    def weight(self, name: str) -> int:
        return self.stamp(name).weight

    def files(self) -> Listing:
        return Listing(
            tuple(f"class_{number // 100:05d}/img_{number:08d}.png" for number in range(self.count)),
            tuple(f"class_{number:05d}" for number in range(self.count // 100)),
        )


def loaded(tree: Counted) -> Splits:
    splits = read_classes(tree, tree.files(), Request("made", ()))
    next(iter(batches(splits.train, 32)))
    return splits


def test_as_many_files_are_opened_however_many_there_are() -> None:
    opened = []
    for count in (images.LOOKED_AT + 1000, 2 * images.LOOKED_AT):
        tree = Counted(count)
        loaded(tree)
        opened.append(tree.opened)
        assert tree.looked_up == images.SAMPLE
    assert max(opened) <= images.SAMPLE + 32 * 5  # and what is read ahead
    tree = Counted(2500)
    splits = loaded(tree)
    assert tree.looked_up == 2500  # few enough to look at all
    assert splits.said.startswith("folder of classes: 25 classes, 2,500 images, split")


def kept_and_peak(count: int) -> tuple[int, int]:
    tree = Counted(count)
    tracemalloc.start()
    splits = read_classes(tree, tree.files(), Request("made", ()))
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(map(len, splits)) == count
    return kept, peak


def test_memory_grows_by_less_than_a_hundred_and_fifty_bytes_a_name() -> None:
    few, many = kept_and_peak(21_000), kept_and_peak(42_000)
    kept, peak = ((two - one) / 21_000 for one, two in zip(few, many, strict=True))
    assert kept < 80  # torch's own tensors, 64 bytes a name, are not in it
    assert peak < 150


def steps(count: int) -> int:
    tree = Counted(count)
    done = 0

    def count_one(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal done
        done += event in {"call", "c_call"}

    sys.setprofile(count_one)
    try:
        read_classes(tree, tree.files(), Request("made", ())).train.fingerprint()
    finally:
        sys.setprofile(None)
    return done


def test_work_grows_with_the_names_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LOOKED_AT", 1000)
    monkeypatch.setattr(images, "SAMPLE", 100)
    one, two, three = steps(4000), steps(8000), steps(12_000)
    assert (three - two) / (two - one) < 1.15
    assert (two - one) / 4000 < 40


def test_twenty_thousand_and_one_files_on_disk(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"c{number:03d}").mkdir()
        (tmp_path / f"c{number:03d}" / "0.png").write_bytes(png())
        for other in range(1, 200):
            os.link(tmp_path / f"c{number:03d}" / "0.png", tmp_path / f"c{number:03d}" / f"{other}.png")
    splits = load_splits(tmp_path)
    assert splits.said.startswith("folder of classes: 101 classes, 20,200 images, 2,000 of them looked at")
    assert [len(part) for part in splits] == [12_120, 4_040, 4_040]
    rows, pixels, labels = next(iter(batches(splits.train, 64, order=torch.tensor([12_119, 5]))))
    assert pixels.shape == (2, 3, 8, 8)
    assert labels.tolist() == [int(splits.train.name_of(row)[1:4]) for row in rows.tolist()]
    assert len(torch.cat([part.ids for part in splits]).unique()) == 20_200


def test_names_are_kept_end_to_end_and_come_back() -> None:
    names = ["cat/1.png", "", "Größe/ß.png", "dog/\udce9.png", "x" * 300]
    paths = Paths(names)
    assert list(paths) == names
    assert [paths[place] for place in range(5)] == names
    assert paths[-1] == names[-1]
    assert paths[1:4] == tuple(names[1:4])
    assert paths.some([4, 0, 2]) == [names[4], names[0], names[2]]
    assert len(paths) == 5
    for wrong in (5, -6):
        with pytest.raises(IndexError):
            paths[wrong]
    assert list(Paths([])) == []
    assert len(Paths([]).ids()) == 0


def test_ids_are_the_first_bits_of_a_hash_of_the_name() -> None:
    import hashlib

    names = [f"cat/{number}.png" for number in range(9000)]
    want = [int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1 for name in names]
    assert Paths(names).ids().tolist() == want
