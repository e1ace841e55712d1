"""Data sets of Hugging Face, through their real library, from disk: no network."""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.core.errors import StriateError
from striate.data.load import load_splits

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"  # read when the library is imported
datasets = pytest.importorskip("datasets")
PIL = pytest.importorskip("PIL.Image")


def pixels(number: int) -> np.ndarray[Any, Any]:
    return np.full((6, 8, 3), number % 250, dtype=np.uint8)


def table(numbers: range) -> Any:
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog", "emu"]),
        }
    )
    columns = {
        "id": list(numbers),
        "image": [PIL.fromarray(pixels(number)) for number in numbers],
        "label": [number % 3 for number in numbers],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def test_parts_classes_and_pixels_come_through(tmp_path: Path) -> None:
    held = datasets.DatasetDict(
        {"train": table(range(20)), "validation": table(range(20, 26)), "test": table(range(26, 35))}
    )
    held.save_to_disk(str(tmp_path / "animals"))
    splits = load_splits(f"hf/{tmp_path}/animals")
    assert "(columns image and label): 3 classes, 35 images" in splits.said
    assert [len(part) for part in splits] == [20, 6, 9]
    assert splits.test.classes == ("cat", "dog", "emu")
    for part in splits:
        known = part.attributes()["id"]
        for row in range(len(part)):
            number = int(known[row] or 0)
            assert int(part.labels[row]) == number % 3
            assert (part.images([row])[0] * 255).round().byte().permute(1, 2, 0).numpy().tolist() == pixels(
                number
            ).tolist()


def test_one_table_is_divided(tmp_path: Path) -> None:
    table(range(30)).save_to_disk(str(tmp_path / "one"))
    splits = load_splits(f"hf/{tmp_path}/one")
    assert [len(part) for part in splits] == [18, 6, 6]
    assert splits.said.endswith("30 images, split 60/20/20 by seed 0")


def test_words_as_labels_and_no_labels(tmp_path: Path) -> None:
    features = datasets.Features(
        {"img": datasets.Image(), "class": datasets.Value("string"), "person": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(
        {
            "img": [PIL.fromarray(pixels(number)) for number in range(24)],
            "class": ["ab"[number % 2] for number in range(24)],
            "person": [str(number // 2) for number in range(24)],
        },
        features=features,
    ).save_to_disk(str(tmp_path / "words"))
    splits = load_splits(f"hf/{tmp_path}/words")
    assert splits.train.classes == ("a", "b")
    assert "no group on two sides" in splits.said
    table(range(12)).remove_columns("label").save_to_disk(str(tmp_path / "bare"))
    assert load_splits(f"hf/{tmp_path}/bare").train.task == "none"


def test_what_cannot_be_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StriateError, match="hf/nobody/nothing cannot be loaded"):
        load_splits("hf/nobody/nothing")
    datasets.Dataset.from_dict({"a": [1, 2]}).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(StriateError, match="has the columns a; accepted: one with images"):
        load_splits(f"hf/{tmp_path}/none")
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "datasets")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StriateError, match=r"pip install 'striate\[huggingface\]'"):
        load_splits("hf/ylecun/mnist")
