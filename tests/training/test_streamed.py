from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

from striate.core.image import encode_png
from striate.data import dataset
from striate.data.load import load_splits
from striate.training.loop import fit
from training.tiny import RECIPE, bits, tiny_net, tiny_split


def shards(folder: Path) -> Path:
    """Four WebDataset shards of bars, 90 images to learn from and 30 for dev, as PNG files with labels."""
    folder.mkdir()
    for split, count in (("train", 90), ("val", 30)):
        data = tiny_split(split, count, seed=len(split))
        for number in range(2):
            with tarfile.open(folder / f"{split}-{number:06d}.tar", "w") as tar:
                for row in range(number, count, 2):
                    for ending, content in (
                        ("png", encode_png(data.images([row])[0])),
                        ("cls", str(int(data.labels[row])).encode()),
                    ):
                        member = tarfile.TarInfo(f"{row:04d}.{ending}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
    return folder


def test_shards_larger_than_the_memory_are_read_batch_by_batch_and_teach_the_same(tmp_path, monkeypatch):
    folder, given = shards(tmp_path / "shards"), {"recipe": replace(RECIPE, epochs=2), "threads": 1}
    kept = load_splits(folder)
    fit(tiny_net(), kept, out=tmp_path / "kept", **given)
    assert kept.train.in_memory
    monkeypatch.setattr(dataset, "FITS", 64 * 40)  # less than half of the training images
    streamed = load_splits(folder)
    largest, read = [0], dataset.Dataset.readable

    def counted(data, rows):
        largest[0] = max(largest[0], len(rows))
        return read(data, rows)

    monkeypatch.setattr(dataset.Dataset, "readable", counted)
    fit(tiny_net(), streamed, out=tmp_path / "streamed", **given)
    assert not streamed.train.in_memory
    assert streamed.train._kept.pixels is None
    assert largest[0] == RECIPE.batch
    assert bits(tmp_path / "streamed") == bits(tmp_path / "kept")
