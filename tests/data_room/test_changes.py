"""A folder that changes under a run is noticed, named with its file, and never gives other pixels silently."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import ImageError, RunError, StriateError
from striate.data import dataset
from striate.data.batches import batches
from striate.data.dataset import Dataset, Splits, broken_finding
from striate.data.layouts import images
from striate.data.layouts.images import FileStore
from striate.data.load import load_data, load_splits
from striate.data.tree import ChangedError, Folder, Stamp


def png(number: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dataset, "FITS", 0)
    for number in range(60):
        path = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return tmp_path / "pets"


def rewritten(path: Path) -> None:
    path.write_bytes(png(999))


def grown(path: Path) -> None:
    path.write_bytes(png(999, 30))


def same_bytes_later(path: Path) -> None:
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(png(998))
    other.replace(path)


def vanished(path: Path) -> None:
    path.unlink()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (rewritten, ChangedError, "was changed while it was in use"),
        (
            grown,
            ChangedError,
            r"was changed while it was in use: it had [\d,]+ bytes and has [\d,]+; accepted: files that",
        ),
        (same_bytes_later, ChangedError, "was changed while it was in use: it was written anew"),
        (replaced, ChangedError, "was changed while it was in use"),
        (vanished, ImageError, "does not exist.*put the file back"),
        (made_a_folder, ImageError, "is a folder"),
        (emptied, ImageError, "is empty"),
    ],
)
def test_a_file_that_changes_under_the_run_is_named(
    workers: int, change: Callable[[Path], None], kind: type[StriateError], says: str, folder: Path
) -> None:
    data = load_data(folder, split="train")
    first = list(batches(data, 8, workers=workers))
    assert sum(len(rows) for rows, _, _ in first) == len(data)
    name = data.name_of(20)
    change(folder / name)
    came = 0
    with pytest.raises(kind, match=f"pets/{name} {says}"):
        for rows, _, _ in batches(data, 8, workers=workers):
            assert len(rows) == 8
            came += len(rows)
    assert came == 16


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_no_longer_be_read_is_named(folder: Path) -> None:
    data = load_data(folder, split="train")
    (folder / data.name_of(3)).chmod(0)
    with pytest.raises(ImageError, match=rf"{data.name_of(3)} cannot be opened: Permission denied"):
        list(batches(data, 8))


class Failing(Folder):
    """A folder on a disk that answers with an error, as a network drive does that was cut off."""

    def load(self, name: str) -> tuple[bytes, Stamp]:
        if name.endswith("7.png"):
            raise ImageError(f"{self.name}/{name} cannot be read: {os.strerror(errno.EIO)}")
        return super().load(name)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_disk_that_fails_is_named_with_the_file(workers: int, folder: Path) -> None:
    data = load_data(folder, split="train")
    assert isinstance(data.store, FileStore)
    with pytest.raises(ImageError, match=r"pets/\w+/\d7\.png cannot be read: Input/output error"):
        list(batches(replace(data, store=replace(data.store, tree=Failing(folder))), 8, workers=workers))


def test_an_error_of_the_disk_in_the_middle_of_a_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.data import tree

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextmanager
    def failing(path: str, title: str):  # type: ignore[no-untyped-def]
        yield Stream(), Path(path).stat()

    monkeypatch.setattr(tree, "open_file", failing)
    with pytest.raises(ImageError, match=r"pets/cat/00\.png cannot be read: Input/output error"):
        Folder(folder).load("cat/00.png")


def test_what_is_kept_in_memory_does_not_change_with_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "FITS", 1 << 29)
    data = load_data(folder, split="train")
    before = torch.cat([images for _, images, _ in batches(data, 8)])
    for path in folder.rglob("*.png"):
        rewritten(path)
    assert torch.equal(before, torch.cat([images for _, images, _ in batches(data, 8)]))


def test_a_training_run_that_lost_a_file_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    from striate.training.loop import fit
    from striate.training.recipes import QUICK

    recipe = replace(QUICK, epochs=3, batch=9)
    how = {"recipe": recipe, "seed": 3, "threads": 1}
    whole = fit("striate/linear", load_splits(folder), out=tmp_path / "whole", **how)
    splits = load_splits(folder)
    victim = folder / splits.train.name_of(11)
    kept = tmp_path / "kept.png"
    shutil.copy2(victim, kept)

    def thief(epoch: int) -> None:
        if epoch == 1:
            victim.unlink()

    with pytest.raises(RunError, match=r"does not exist; 1 of 3 epochs are kept"):
        fit("striate/linear", splits, out=tmp_path / "run", observers=[_after_epoch(thief)], **how)
    shutil.copy2(kept, victim)
    again = fit("striate/linear", load_splits(folder), out=tmp_path / "run", resume=True, **how)
    assert [(row.train_loss, row.dev_accuracy) for row in again.history] == [
        (row.train_loss, row.dev_accuracy) for row in whole.history
    ]


def _after_epoch(act: Callable[[int], None]):  # type: ignore[no-untyped-def]
    @contextmanager
    def watch(events):  # type: ignore[no-untyped-def]
        with events.attached(epoch_end=lambda state: act(state.epoch)):
            yield

    return watch


# huge folders, of which only a sample is looked at


@pytest.fixture
def huge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(images, "LOOKED_AT", 50)
    monkeypatch.setattr(images, "SAMPLE", 10)
    return folder


def not_looked_at(splits: Splits, count: int) -> list[tuple[Dataset, int]]:
    store = splits.train.store
    assert isinstance(store, FileStore)
    return [(splits.train, row) for row in range(len(splits.train)) if store.stamps[splits.train.places[row], 0] < 0][
        :count
    ]


def test_a_sample_of_a_huge_folder_is_looked_at_and_that_is_said(huge: Path) -> None:
    splits = load_splits(huge)
    assert "60 images, 10 of them looked at, the others when they are read" in splits.said
    store = splits.train.store
    assert isinstance(store, FileStore)
    assert int((store.stamps[:, 0] >= 0).sum()) == 10
    assert splits.train.size == (8, 8)
    assert store.size_of(3) == (8, 8)
    small = replace(splits.train, store=replace(store, tree=Folder(huge)))
    assert torch.equal(small.images(), load_data(huge, split="train").images())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_file_of_a_huge_folder_is_named_when_it_is_read(workers: int, huge: Path) -> None:
    splits = load_splits(huge)
    ((data, row),) = not_looked_at(splits, 1)
    (huge / data.name_of(row)).write_bytes(b"no image")
    with pytest.raises(ImageError, match=rf"pets/{data.name_of(row)} is not an image.*--skip-broken"):
        list(batches(load_splits(huge).train, 8, workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fits", [True, False])
def test_broken_files_of_a_huge_folder_leave_their_batch_when_asked(
    workers: int, fits: bool, huge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FITS", 1 << 29 if fits else 0)
    bad = not_looked_at(load_splits(huge), 2)
    for data, row in bad:
        (huge / data.name_of(row)).write_bytes(b"no image")
    data = load_splits(huge, skip_broken=True).train
    assert broken_finding(data) is None
    data.fingerprint()  # looks up every file, which must not count as having read it
    for _ in range(2):
        parts = list(batches(data, 8, workers=workers))
        rows = torch.cat([one[0] for one in parts])
        assert sorted(set(range(len(data))) - set(rows.tolist())) == sorted(row for _, row in bad)
        want = torch.cat([data.images([row]) for row in rows.tolist()])
        assert torch.equal(torch.cat([one[1] for one in parts]), want)
        assert torch.equal(torch.cat([one[2] for one in parts]), data.labels[rows])
    found = broken_finding(data)
    assert found is not None
    assert found.seen.startswith("2 files of pets cannot be read and were left out")
    assert all(data.name_of(row) in found.seen for _, row in bad)
    with pytest.raises(ImageError, match="was left out before"):
        data.images([bad[0][1]])


def test_a_file_that_was_read_and_then_vanishes_is_not_left_out_in_silence(huge: Path) -> None:
    data = load_splits(huge, skip_broken=True).train
    list(batches(data, 8))  # or fingerprint, which looks at every file
    (huge / data.name_of(5)).unlink()
    with pytest.raises(ImageError, match=f"{data.name_of(5)} does not exist"):
        list(batches(data, 8))


def test_a_disk_that_is_gone_is_not_a_folder_of_broken_files(huge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_FEW", 5)
    data = load_splits(huge, skip_broken=True).train
    shutil.rmtree(huge)
    with pytest.raises(StriateError, match=r"of pets cannot be read|does not exist"):
        list(batches(data, 8))


def test_an_image_of_another_size_in_a_huge_folder_is_named(huge: Path) -> None:
    ((data, row),) = not_looked_at(load_splits(huge), 1)
    (huge / data.name_of(row)).write_bytes(png(1, 11))
    again = load_splits(huge).train
    with pytest.raises(
        StriateError, match=rf"pets/{data.name_of(row)} has 11x11 pixels, the images looked at before 8x8"
    ):
        list(batches(again, 8))
    assert len(list(batches(load_splits(huge, size=8).train, 8))) == 5
