"""WebDataset shards are read in place, sample by sample."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import torch

from striate.core.errors import ImageError, StriateError
from striate.core.image import encode_png
from striate.data.batches import batches
from striate.data.load import load_splits


def picture(number: int) -> bytes:
    return encode_png(torch.full((3, 6, 8), (number % 250) / 255))


def shard(path: Path, samples: dict[str, dict[str, bytes]], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for key, members in samples.items():
            for ending, data in members.items():
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def samples(numbers: range) -> dict[str, dict[str, bytes]]:
    return {
        f"{number:04d}": {
            "png": picture(number),
            "cls": str(number % 3).encode(),
        }
        for number in numbers
    }


def test_shards_are_split_by_their_names_and_read_back(tmp_path: Path) -> None:
    for place in range(2):
        shard(tmp_path / f"train-{place:06d}.tar", samples(range(20 * place, 20 * place + 20)))
    shard(tmp_path / "val-000000.tar", samples(range(40, 50)))
    splits = load_splits(tmp_path)
    assert splits.said.startswith("WebDataset: 3 shards, 3 classes, 50 images")
    assert [len(part) for part in splits] == [36, 4, 10]
    for part in splits:
        for row in range(len(part)):
            number = int(part.name_of(row).split("/")[1].split(".")[0])
            assert int(part.labels[row]) == number % 3
            assert int((part.images([row])[0, 0, 0, 0] * 255).round()) == number
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".tar"]


def test_workers_read_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard(tmp_path / "a.tar", samples(range(30)))
    monkeypatch.setattr("striate.data.dataset.FITS", 0)
    data = load_splits(tmp_path).train
    alone = torch.cat([images for _, images, _ in batches(data, 5)])
    shared = torch.cat([images for _, images, _ in batches(data, 5, workers=2)])
    assert torch.equal(alone, shared)


def test_json_gives_labels_captions_groups_and_attributes(tmp_path: Path) -> None:
    def said(number: int) -> bytes:
        return json.dumps(
            {
                "label": "cat" if number % 2 else "dog",
                "caption": f"number {number}",
                "group": f"film {number // 4}",
                "age": number,
            }
        ).encode()

    shard(
        tmp_path / "all.tar",
        {f"{n:03d}": {"jpg": picture(n), "json": said(n)} for n in range(40)},
    )
    splits = load_splits(tmp_path)
    assert splits.train.classes == ("cat", "dog")
    assert "no group on two sides" in splits.said
    sample = splits.train.sample(0)
    number = int(sample.caption.split()[1])
    assert (sample.group, dict(sample.attributes)) == (f"film {number // 4}", {"age": float(number)})


def test_names_of_classes_may_lie_beside_and_images_alone_have_no_labels(tmp_path: Path) -> None:
    shard(tmp_path / "named" / "a.tar", samples(range(1, 20)))
    (tmp_path / "named" / "classes.txt").write_text("cat\ndog\nemu\nfox\n")
    data = load_splits(tmp_path / "named").train
    assert data.classes == ("cat", "dog", "emu", "fox")
    assert int(data.labels[0]) == int(data.name_of(0).split("/")[1][:4]) % 3
    shard(tmp_path / "bare" / "a.tar", {str(n): {"png": picture(n)} for n in range(9)})
    assert load_splits(tmp_path / "bare").train.task == "none"


def test_damage_is_named(tmp_path: Path) -> None:
    whole = shard(tmp_path / "cut" / "a.tar", samples(range(30)))
    whole.write_bytes(whole.read_bytes()[: 512 * 40 + 600])
    with pytest.raises(StriateError, match=r"a\.tar (ends inside|cannot be read)"):
        load_splits(tmp_path / "cut")
    shard(tmp_path / "packed" / "a.tar", samples(range(30)), "w:gz")
    with pytest.raises(StriateError, match="not compressed"):
        load_splits(tmp_path / "packed")
    shard(tmp_path / "twice" / "a.tar", {"x": {"png": picture(1), "jpg": picture(2), "cls": b"0"}})
    with pytest.raises(StriateError, match="two images of x"):
        load_splits(tmp_path / "twice")
    shard(tmp_path / "half" / "a.tar", {**samples(range(9)), "bare": {"png": picture(1)}})
    with pytest.raises(StriateError, match=r"1 of 10 samples have no label: a\.tar/bare\.png"):
        load_splits(tmp_path / "half")
    assert sum(map(len, load_splits(tmp_path / "half", skip_broken=True))) == 9
    shard(tmp_path / "words" / "a.tar", {"x": {"png": picture(1), "json": b"[1]"}})
    with pytest.raises(StriateError, match=r"x\.json in a\.tar is a list"):
        load_splits(tmp_path / "words")


def test_a_shard_that_shrinks_under_the_run_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "late" / "a.tar", samples(range(30)))
    data = load_splits(tmp_path / "late").train
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError, match=r"a\.tar ends inside|late/a\.tar"):
        data.images([len(data) - 1])
