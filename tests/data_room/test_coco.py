"""COCO: objects, outlines, keypoints, captions; annotation files alone; what is damaged is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import StriateError
from striate.data.layouts.coco_json import marked, read_coco, written_bbox
from striate.data.load import load_data, load_splits
from striate.data.rle import encode

SIZE = (12, 16)


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (90, 120, 30)).save(path)


def record(number: int, of: int = 1, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": of, "category_id": category, "bbox": [1, 2, 4, 5], "iscrowd": 0, **more}


def content(count: int = 3, start: int = 1, **more: Any) -> dict[str, Any]:
    sides = {"height": SIZE[0], "width": SIZE[1]}
    listed = [{"id": n, "file_name": f"{n}.png", **sides} for n in range(start, start + count)]
    names = [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat", "supercategory": "animal"}]
    found = {"images": listed, "categories": names, "annotations": [record(n, n) for n in range(start, start + count)]}
    return {**found, **more}


def tree(root: Path, given: dict[str, Any], name: str = "instances.json", folder: str = "") -> Path:
    for one in given["images"]:
        image(root / folder / one["file_name"])
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(given))
    return root


def test_boxes_classes_and_crowds_are_read_and_said(tmp_path: Path) -> None:
    given = content(annotations=[record(7, 1), record(5, 1, 3, iscrowd=1, bbox=[0.5, 0, 3.25, 1])])
    splits = load_splits(tree(tmp_path, given))
    assert splits.said.startswith("COCO: 2 classes, 3 images, 2 boxes, 1 crowds, split 60/20/20")
    data = splits.train
    assert (data.task, data.classes) == ("boxes", ("cat", "dog"))
    found = [(part, row) for part in splits for row in range(len(part)) if part.name_of(row) == "1.png"]
    known = found[0][0].annotations(found[0][1])
    assert known.boxes is not None
    assert known.crowd is not None
    assert known.box_classes is not None
    assert known.boxes.tolist() == [[1, 2, 5, 7], [0.5, 0, 3.75, 1]]
    assert known.box_classes.tolist() == [0, 1]
    assert known.crowd.tolist() == [False, True]
    assert known.masks is None
    tags = torch.cat([part.tags for part in splits if part.tags is not None])
    assert int(tags.sum()) == 2


def test_outlines_of_all_three_kinds_become_masks_when_they_are_looked_at(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[2:7, 1:5] = True
    runs = encode(mask)
    shapes = [
        [[1, 2, 5, 2, 5, 7, 1, 7]],
        {"size": list(SIZE), "counts": runs.text()},
        {"size": list(SIZE), "counts": runs.counts.tolist()},
        [],
    ]
    records = [record(n, 1, segmentation=shape) for n, shape in enumerate(shapes, start=1)]
    splits = load_splits(tree(tmp_path, content(1, annotations=records)))
    assert "4 boxes, 3 with outlines" in splits.said
    known = splits.train.annotations(0)
    assert "masks" not in vars(known)
    assert known.objects == 4
    assert known.masks is not None
    expected = torch.from_numpy(np.stack([mask, mask, mask, ~mask & mask]))
    assert torch.equal(known.masks, expected)
    sample = splits.train.sample(0)
    assert sample.masks is not None
    assert torch.equal(sample.masks, expected)


def test_keypoints_and_captions_of_companion_files_are_joined(tmp_path: Path) -> None:
    root = tree(tmp_path, content(), "annotations/instances_train2017.json", "train2017")
    points = content(annotations=[record(2, 2, keypoints=[1, 2, 2, 0, 0, 0], num_keypoints=1)])
    points["categories"] = [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}]
    (root / "annotations" / "person_keypoints_train2017.json").write_text(json.dumps(points))
    words = {"images": content()["images"], "annotations": [
        {"id": 9, "image_id": 2, "caption": "A cat."}, {"id": 10, "image_id": 2, "caption": "It sits."},
    ]}  # fmt: skip
    (root / "annotations" / "captions_train2017.json").write_text(json.dumps(words))
    splits = load_splits(root)
    assert "1 with keypoints, 2 captions" in splits.said
    parts = [(part, row) for part in splits for row in range(len(part)) if part.name_of(row) == "train2017/2.png"]
    known = parts[0][0].annotations(parts[0][1])
    assert known.caption == "A cat."
    assert known.keypoints is not None
    assert known.keypoints.tolist() == [[[1, 2, 2], [0, 0, 0]]]


def test_captions_alone_are_data_without_labels(tmp_path: Path) -> None:
    listed = content(5)["images"]
    words = [{"id": n, "image_id": n, "caption": f"Number {n}."} for n in range(1, 6)]
    root = tree(tmp_path, {"images": listed, "annotations": words}, "captions.json")
    data = load_splits(root).train
    assert data.task == "none"
    assert data.sample(0).caption.startswith("Number ")


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["annotations/instances_train2017.json", "annotations/instances_val2017.json"], ["train2017", "val2017"]),
        (["train/_annotations.coco.json", "valid/_annotations.coco.json"], ["train", "valid"]),
    ],
)
def test_several_files_are_splits(tmp_path: Path, names: list[str], folders: list[str]) -> None:
    for name, folder, count in zip(names, folders, (20, 4), strict=True):
        tree(tmp_path, content(count), name, folder)
    splits = load_splits(tmp_path)
    assert [len(part) for part in splits] == [18, 2, 4]
    assert f"20 train, 4 dev by {', '.join(names)}; what is held out is the test split" in splits.said
    assert all(splits.test.name_of(row).startswith(folders[1]) for row in range(4))


def test_any_small_json_with_the_two_lists_will_do_and_results_are_passed_by(tmp_path: Path) -> None:
    root = tree(tmp_path, content(), "boxes.json", "pictures")
    (root / "my_results.json").write_text("[]")
    (root / "other.json").write_text("[1, 2]")
    image(root / "pictures" / "more.png")
    splits = load_splits(root)
    assert splits.said.startswith("COCO: 2 classes, 3 images, 3 boxes, 1 image not listed left out")


def test_class_folders_with_another_json_stay_class_folders(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        for number in range(4):
            image(tmp_path / kind / f"{number}.png")
    (tmp_path / "about.json").write_text('{"images": 8}')
    assert load_splits(tmp_path).said.startswith("folder of classes")


def test_edges_give_back_the_numbers_as_written() -> None:
    draws = np.random.default_rng(0)
    boxes = [[round(float(one), 2) for one in draws.uniform(0, 640, 4)] for _ in range(300)]
    given = content(1, annotations=[record(n, bbox=box) for n, box in enumerate(boxes)])
    for one, box in zip(read_coco(json.dumps(given).encode()).objects, boxes, strict=True):
        edges = marked(one, 0).box
        assert edges is not None
        assert written_bbox(edges) == box
    odd = content(1, annotations=[record(1, bbox=[0.1 + 0.2, 1 / 3, 2 / 3, 1e-9])])
    kept = marked(read_coco(json.dumps(odd).encode()).objects[0], 0)
    assert kept.extras["coco"].get("bbox", written_bbox(kept.box or (0, 0, 0, 0))) == [0.1 + 0.2, 1 / 3, 2 / 3, 1e-9]


def test_a_file_is_read_without_its_pictures(tmp_path: Path) -> None:
    given = content(annotations=[record(1), record(2, 3, segmentation=[[1, 1, 3, 1, 3, 3]])], info={"year": 2026})
    (tmp_path / "a.json").write_text(json.dumps(given))
    file = read_coco(tmp_path / "a.json")
    assert (len(file.images), len(file.objects), file.classes) == (3, 2, ("cat", "dog"))
    assert file.extras == {"info": {"year": 2026}}
    assert file.annotations(2).objects == 0
    masks = file.annotations(3).masks
    assert masks is not None
    assert masks.shape == (1, *SIZE)
    with pytest.raises(StriateError, match="has no image 8"):
        file.annotations(8)
    assert file.doubts == ("the box of annotation 2 is not the extent of its polygons",)


def test_names_that_occur_twice_are_told_apart_and_doubted() -> None:
    given = content(categories=[{"id": 0, "name": "cat"}, {"id": 1, "name": "cat"}])
    file = read_coco(json.dumps(given).encode())
    assert file.classes == ("cat", "cat (id 1)")
    assert "'cat' occurs twice" in file.doubts[0]


# damage


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"annotations": [record(1), record(1)]}, "annotation 1 of x.json has an id that another has too"),
        ({"annotations": [record(4, 99)]}, "annotation 4 of x.json is of image 99"),
        ({"annotations": [record(4, 1, 2)]}, "has category 2, which x.json does not list"),
        ({"annotations": [record(4, bbox=[1, 2, 3])]}, r"has the box \[1, 2, 3\]"),
        ({"annotations": [record(4, bbox=[1, 2, "3", 4])]}, "has the box"),
        ({"annotations": [{"image_id": 1}]}, r"annotations\[0\] of x.json has id None"),
        ({"annotations": [7]}, r"annotations\[0\] of x.json is a int"),
        ({"annotations": [record(4, segmentation=[[1, 2, 3]])]}, "has 3 numbers"),
        ({"annotations": [record(4, segmentation=[[1, "a", 3, 4]])]}, "not a list of numbers"),
        ({"annotations": [record(4, segmentation="abc")]}, "segmentation of type str"),
        ({"annotations": [record(4, segmentation={"size": [12, 16]})]}, "runs without size and counts"),
        ({"annotations": [record(4, segmentation={"size": [9, 9], "counts": [81]})]}, "runs of 9x9 pixels"),
        ({"annotations": [record(4, segmentation={"size": [12, 16], "counts": "1~"})]}, "annotation 4 of x.json hold"),
        ({"annotations": [record(4, segmentation={"size": [12, 16], "counts": [5]})]}, "cover 5 pixels"),
        ({"annotations": [record(4, keypoints=[1, 2])]}, "not threes"),
        ({"annotations": [record(4, keypoints=[1, 2, 7])]}, "neither 0, 1 nor 2"),
        ({"images": [{"id": 1}]}, r"images\[0\] of x.json has no file_name"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2}, "lists the id 1 twice among its images"),
        ({"images": [{"id": 1.5, "file_name": "a"}]}, "has id 1.5"),
        ({"images": 3}, "lacks the lists"),
        ({"categories": {}}, "categories that are no list"),
        ({"categories": [{"id": 1}]}, r"categories\[0\] of x.json has no name"),
        ({"categories": [{"id": 1, "name": "a", "keypoints": [1]}]}, "keypoints or a skeleton"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(StriateError, match=says):
        read_coco(json.dumps(content(**change)).encode(), name="x.json")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[{}, {}]", "is a list of 2 results"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"images": [], "annotations": [NaN]}', "holds the number NaN"),
    ],
)
def test_files_that_are_no_annotations_are_named(data: bytes, says: str) -> None:
    with pytest.raises(StriateError, match=says):
        read_coco(data, name="x.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match=r"gone.json cannot be read"):
        read_coco(tmp_path / "gone.json")


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "gone.png"])
def test_missing_pictures_are_counted_and_names_never_lead_outside(tmp_path: Path, name: str) -> None:
    image(tmp_path / "secret.png")
    root = tree(tmp_path / "a" / "b", content())
    given = content()
    given["images"][1]["file_name"] = name
    (root / "instances.json").write_text(json.dumps(given))
    with pytest.raises(StriateError, match=r"1 of 3 listed images of b cannot be used: .* .is not there"):
        load_splits(root)
    splits = load_splits(root, skip_broken=True)
    assert "2 images, 2 boxes" in splits.said
    assert [one.name for one in splits.train.broken] == [name]


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path, content())
    image(root / "2.png", (5, 6))
    with pytest.raises(StriateError, match=r"2\.png .has 6x5 pixels, its annotation says 16x12"):
        load_splits(root)


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, content(), "instances_train.json", "train")
    other = content(3, 11, categories=[{"id": 1, "name": "bird"}])
    tree(tmp_path, other, "instances_val.json", "val")
    with pytest.raises(StriateError, match=r"category 1 is 'cat' in instances_train\.json and 'bird'"):
        load_splits(tmp_path)
    (tmp_path / "instances_val.json").rename(tmp_path / "instances_train_b.json")
    with pytest.raises(StriateError, match="both for train"):
        load_splits(tmp_path)
    (tmp_path / "instances_train_b.json").rename(tmp_path / "instances_x.json")
    with pytest.raises(StriateError, match="names no split, beside others that do"):
        load_splits(tmp_path)


def test_a_panoptic_file_alone_is_refused_and_beside_others_passed_by(tmp_path: Path) -> None:
    root = tree(tmp_path, content(), "panoptic_val2017.json")
    with pytest.raises(StriateError, match="is a panoptic annotation, which is not read"):
        load_splits(root)
    tree(root, content(), "instances_val2017.json")
    assert load_splits(root).said.startswith("COCO: 2 classes, 3 images, 3 boxes")


# real


def test_the_published_annotations_are_read_and_their_missing_pictures_are_said(data_root: Path) -> None:
    file = read_coco(data_root / "coco-eval" / "instances_val2014_100.json")
    assert (len(file.images), len(file.objects), len(file.classes)) == (100, 839, 80)
    assert sum(one.crowd for one in file.objects) == 9
    assert file.doubts == ()
    with pytest.raises(StriateError, match=r"names 100 images, and none of them lies there.*read_coco"):
        load_splits(data_root / "coco-eval")


def test_the_small_published_set_is_read_with_its_pictures(data_root: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        shutil.copy(data_root / "coco-eval" / f"mini_img_{number}.jpg", tmp_path / f"img_{number}.jpg")
    shutil.copy(data_root / "coco-eval" / "mini_gt_dataset.json", tmp_path)
    data = load_data(tmp_path, split="train")
    assert data.classes == ("cloud", "heart", "arrow", "star")
    sample = data.sample(0)
    assert sample.masks is not None
    inside = sample.image.mean(0)[sample.masks[0]]
    assert float(inside.mean()) < 0.9 < float(sample.image[:, 0, 0].mean())  # a drawing on white
