"""Batches hold every row once, in order, whatever reads them; a worker's mistake comes back with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry
from striate.data import dataset
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.data.load import load_data


def collected(
    data: Dataset, size: int, **options: object
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]]:
    parts = list(batches(data, size, **options))
    return (*(torch.cat([part[which] for part in parts]) for which in range(3)), [len(part[0]) for part in parts])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(6):
            noise = torch.randint(0, 256, (9 + number, 10, 3), generator=torch.Generator().manual_seed(number))
            Image.fromarray(noise.to(torch.uint8).numpy()).save(tmp_path / name / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fits", [True, False])
def test_every_row_comes_once_in_order(workers: int, fits: bool, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    data = load_data(folder, split="train", size=8)
    want = data.images(torch.arange(len(data)))
    monkeypatch.setattr(dataset, "FITS", 1 << 29 if fits else 0)
    data = load_data(folder, split="train", size=8)
    assert data.in_memory is fits
    rows, images, labels, sizes = collected(data, 3, workers=workers)
    assert rows.tolist() == list(range(len(data)))
    assert sizes == [3, 3, 1]
    assert torch.equal(images, want)
    assert torch.equal(labels, data.labels)
    order = torch.tensor([5, 1, 5, 0])
    rows, images, labels, _ = collected(data, 3, order=order, workers=workers)
    assert torch.equal(rows, order)
    assert torch.equal(images, want[order])
    assert torch.equal(labels, data.labels[order])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fits", [True, False])
def test_a_file_that_ends_early_is_named_by_whoever_reads_it(
    workers: int, fits: bool, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(dataset, "FITS", 1 << 29 if fits else 0)
    for path in folder.glob("dog/*.png"):
        path.write_bytes(path.read_bytes()[:80])
    data = load_data(folder, split="train", size=8)
    with pytest.raises(ImageError, match=r"dog/\d\.png is damaged or truncated") as caught:
        list(batches(data, 3, workers=workers))
    assert "Traceback" not in str(caught.value)
    assert "skip_broken" in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_random_state_is_left_alone(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "FITS", 0)
    before = torch.get_rng_state()
    list(batches(load_data("shapes:test=40"), 16, workers=workers))
    assert torch.equal(before, torch.get_rng_state())


def test_drawn_data_that_do_not_fit_are_drawn_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    want = load_data("shapes:test=40").images()
    monkeypatch.setattr(dataset, "FITS", 0)
    _, images, _, sizes = collected(load_data("shapes:test=40"), 16, workers=1)
    assert sizes == [16, 16, 8]
    assert torch.equal(images, want)


def test_a_loop_may_stop_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "FITS", 0)
    for workers in (0, 1):
        stream = batches(load_data("shapes:test=400"), 16, workers=workers)
        assert len(next(stream)[0]) == 16
        stream.close()  # type: ignore[attr-defined]


def test_impossible_wishes_are_refused() -> None:
    data = Dataset.of(torch.zeros(4, 1, 8, 8), [0, 0, 1, 1])
    for wrong in ({"size": 0}, {"size": 2, "workers": -1}, {"size": 2, "order": torch.tensor([4])}):
        with pytest.raises(StriateError):
            list(batches(data, **wrong))
    assert list(batches(data, 2, order=torch.tensor([], dtype=torch.int64))) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_several_sizes_need_a_size(workers: int, folder: Path) -> None:
    data = load_data(folder, split="train")
    assert data.size is None
    with pytest.raises(StriateError, match="differ in size"):
        list(batches(data, 3, workers=workers))
    assert len(list(batches(data.resized(Geometry((8, 8))), 3, workers=workers))) == 3
