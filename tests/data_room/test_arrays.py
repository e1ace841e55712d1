"""Arrays of numpy become data sets, and what does not fit is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.core.errors import StriateError
from striate.data.load import load_splits

IMAGES = (np.arange(30 * 8 * 8 * 3).reshape(30, 8, 8, 3) % 251).astype(np.uint8)
LABELS = np.arange(30) % 3


def saved(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "faces.npz", **arrays)
    return folder / "faces.npz"


def everything(path: Path) -> dict[str, tuple[int, np.ndarray[Any, Any]]]:
    splits = load_splits(path)
    return {
        part.name_of(row): (int(part.labels[row]), (part.images([row])[0] * 255).round().byte().numpy())
        for part in splits
        for row in range(len(part))
    }


def test_images_and_labels_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = saved(tmp_path, X=IMAGES, y=LABELS)
    splits = load_splits(path)
    assert splits.said == "numpy arrays in faces.npz: 3 classes, 30 images, split 60/20/20 by seed 0"
    found = everything(path)
    for number in range(30):
        label, pixels = found[f"faces {number}"]
        assert label == LABELS[number]
        assert (pixels == IMAGES[number].transpose(2, 0, 1)).all()


def test_a_folder_with_one_archive_and_one_with_loose_arrays_are_recognised(tmp_path: Path) -> None:
    saved(tmp_path / "one", images=IMAGES, labels=LABELS)
    assert "numpy arrays in faces.npz" in load_splits(tmp_path / "one").said
    (tmp_path / "two").mkdir()
    np.save(tmp_path / "two" / "images.npy", IMAGES)
    np.save(tmp_path / "two" / "labels.npy", LABELS)
    assert load_splits(tmp_path / "two").said.startswith("numpy arrays images.npy, labels.npy: 3 classes, 30 images")


def test_names_that_say_the_split_are_followed(tmp_path: Path) -> None:
    path = saved(
        tmp_path, x_train=IMAGES[:20], y_train=LABELS[:20], x_test=IMAGES[20:], y_test=LABELS[20:],
        class_names=np.array(["a", "b", "c"]),
    )  # fmt: skip
    splits = load_splits(path)
    assert [len(part) for part in splits] == [18, 2, 10]
    assert splits.test.classes == ("a", "b", "c")
    assert splits.test.labels.tolist() == LABELS[20:].tolist()


def test_groups_stay_together_and_other_arrays_become_attributes(tmp_path: Path) -> None:
    path = saved(
        tmp_path, x=IMAGES, y=LABELS, subjects=np.arange(30) // 3, age=np.arange(30.0), site=np.array(["n", "s"] * 15)
    )
    splits = load_splits(path)
    owners = [set(part.groups()) for part in splits]
    assert all(owners[i].isdisjoint(owners[j]) for i in range(3) for j in range(i))
    known = splits.train.attributes()
    assert set(known) == {"age", "site"}
    row = 4
    assert known["age"][row] == float(splits.train.name_of(row).split()[1])


def test_tables_of_labels_are_tags_unless_each_has_exactly_one(tmp_path: Path) -> None:
    tags = np.stack([LABELS == 0, LABELS > 0, np.arange(30) % 2 == 0], 1).astype(int)
    several = load_splits(saved(tmp_path / "several", x=IMAGES, y=tags))
    assert several.train.task == "tags"
    assert several.train.tags is not None
    assert several.train.tags.shape == (18, 3)
    one = load_splits(saved(tmp_path / "one", x=IMAGES, y=np.eye(3, dtype=int)[LABELS]))
    assert one.train.task == "classes"
    assert one.train.counts() == (6, 6, 6)


def test_masks_are_regions_and_images_alone_have_no_labels(tmp_path: Path) -> None:
    masks = np.zeros((30, 8, 8), dtype=np.int32)
    masks[:, :4], masks[:, 7] = 2, 255
    splits = load_splits(saved(tmp_path / "m", images=IMAGES, masks=masks))
    assert splits.train.task == "regions"
    assert splits.train.classes == ("0", "1", "2")
    regions = splits.train.sample(0).regions
    assert regions is not None
    assert regions.tolist() == masks[0].tolist()
    np.save(tmp_path / "photos.npy", IMAGES)
    bare = load_splits(tmp_path / "photos.npy")
    assert (bare.train.task, bare.said.split(",")[0]) == ("none", "numpy array photos.npy: no labels")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": IMAGES}, "holds the arrays a; accepted"),
        ({"x": IMAGES, "y": LABELS[:7]}, "30 images and 7 labels"),
        ({"x": IMAGES, "y": LABELS - 1}, "labels from -1 to 1"),
        ({"x": IMAGES, "y": LABELS / 2}, "labels of type float64"),
        ({"x": IMAGES, "y": np.full((30, 3), 7)}, "labels of shape"),
        ({"x": IMAGES, "y": LABELS, "class_names": np.array(["a", "b"])}, "labels from 0 to 2"),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS % 2},
            "3 and 2 classes|2 and 3 classes",
        ),
        ({"x": np.array([object()]), "y": LABELS}, "without pickled objects"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(StriateError, match=says):
        load_splits(path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, x=IMAGES, y=LABELS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StriateError, match=r"faces\.npz cannot be read"):
        load_splits(path)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(StriateError, match=r"cut\.npy cannot be read"):
        load_splits(tmp_path / "cut.npy")


def test_faces_of_thirty_people_load(data_root: Path) -> None:
    splits = load_splits(data_root / "orl-faces" / "orl_faces_s1_s30.npz")
    assert [len(part) for part in splits] == [180, 60, 60]
    assert splits.train.size == (112, 92)
    assert len(splits.train.classes) == 30
