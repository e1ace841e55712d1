"""What goes from one format to another and back is the same: every box, flag, class, pixel and id."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import StriateError
from striate.data.annotations import VOID, Annotations
from striate.data.convert import write_coco, write_masks, write_voc
from striate.data.dataset import Dataset, Splits
from striate.data.layouts.masks import voc_colours
from striate.data.layouts.voc_xml import parse_xml, plain
from striate.data.load import load_splits

SIZE = (12, 16)


def image(path: Path, seed: int, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def numbers(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette([part for colour in voc_colours() for part in colour])
    picture.save(path)


def voc_tree(root: Path, count: int = 6) -> Path:
    """Everything that VOC knows: flags, parts, odd numbers, void in both maps, lists, an image without objects."""
    for number in range(count):
        image(root / "JPEGImages" / f"{number}.jpg", number)
        part = "<part><name>head</name><bndbox><xmin>2.5</xmin></bndbox></part>"
        objects = (
            f"<object><name>cat</name><pose>Left &amp; up</pose><truncated>1</truncated><occluded>0</occluded>"
            f"<difficult>{number % 2}</difficult><bndbox><xmin>1</xmin><ymin>2.37</ymin><xmax>8.1</xmax>"
            f"<ymax>0.30000000000000004</ymax></bndbox>{part}{part}</object>"
            f"<object><name>person</name><bndbox><xmin>0.30000000000000004</xmin><ymin>7</ymin><xmax>16</xmax>"
            f"<ymax>12</ymax></bndbox></object>"
        )
        text = (
            f'<annotation verified="yes"><folder>f</folder><filename>{number}.jpg</filename><source><database>d'
            f"</database></source><size><width>16</width><height>12</height><depth>3</depth></size><segmented>1"
            f"</segmented>{objects if number else ''}</annotation>"
        )
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{number}.xml").write_text(text)
        if number < 3:
            classes, found = np.zeros(SIZE), np.zeros(SIZE)
            classes[:6, :8], classes[8:, 8:], classes[6], classes[0, 15] = 8, 15, VOID, 3
            numbers(root / "SegmentationClass" / f"{number}.png", classes)
            if number:
                found[:6, :8], found[8:, 8:], found[7] = 1, 2, VOID
                numbers(root / "SegmentationObject" / f"{number}.png", found)
    for split, stems in (("train", "012"), ("val", "3"), ("test", "45")):
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return root


def coco_content() -> dict[str, Any]:
    """Everything that COCO knows: overlapping outlines of all kinds, crowds, keypoints, ids, odd numbers, licences."""
    sides = {"height": SIZE[0], "width": SIZE[1]}
    images = [
        {"id": 40 + n, "file_name": f"deep/{n}.png", **sides, "license": 3, "coco_url": "http://x"} for n in range(3)
    ]
    cover = {"size": list(SIZE), "counts": [10, 5, 177]}
    annotations = [
        {"id": 900, "image_id": 40, "category_id": 18, "bbox": [1.08, 2.37, 4.5, 0.29], "area": 12.3456, "iscrowd": 0,
         "segmentation": [[1.08, 2.5, 5.25, 2.5, 5.25, 7.75], [9, 9, 12, 9, 12, 11, 9, 11]], "score_by": "hand"},
        {"id": 7, "image_id": 40, "category_id": 1, "bbox": [0, 0, 16, 12], "area": 5, "iscrowd": 1,
         "segmentation": cover},
        {"id": 8, "image_id": 40, "category_id": 1, "bbox": [0.30000000000000004, 0.1, 0.2, 1 / 3], "area": 1,
         "iscrowd": 0, "segmentation": {"size": list(SIZE), "counts": "n0e04"}},
        {"id": 11, "image_id": 42, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 3, "iscrowd": 0,
         "keypoints": [1, 2, 2, 3.5, 4, 1, 0, 0, 0], "num_keypoints": 2},
    ]  # fmt: skip
    annotations[2]["segmentation"]["counts"] = _text(cover)
    categories = [
        {"id": 1, "name": "person", "supercategory": "human", "keypoints": ["nose", "hand", "foot"],
         "skeleton": [[1, 2], [2, 3]]},
        {"id": 18, "name": "dog", "supercategory": "animal"},
    ]  # fmt: skip
    return {"info": {"year": 2026}, "licenses": [{"id": 3, "name": "CC0"}], "images": images,
            "annotations": annotations, "categories": categories}  # fmt: skip


def _text(runs: dict[str, Any]) -> str:
    from oracles import data_rle

    return data_rle.text_of(runs["counts"])


def coco_tree(root: Path, given: dict[str, Any]) -> Path:
    for number, one in enumerate(given["images"]):
        image(root / "val" / one["file_name"], number)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val.json").write_text(json.dumps(given))
    words = [{"id": 5, "image_id": 42, "caption": "One  dog."}, {"id": 3, "image_id": 42, "caption": "Two."}]
    captions = {"images": given["images"], "annotations": words}
    (root / "annotations" / "captions_val.json").write_text(json.dumps(captions))
    return root


def same(one: Splits, two: Splits, *, exact: bool = True) -> None:
    """Both hold the same images, classes and annotations, split by split."""
    for left, right in zip(one, two, strict=True):
        assert len(left) == len(right)
        assert left.task == right.task
        assert left.classes == right.classes
        names = {Path(right.name_of(row)).stem: row for row in range(len(right))}
        for row in range(len(left)):
            mine, theirs = left.sample(row), right.sample(names[Path(left.name_of(row)).stem])
            for field in (
                "image",
                "boxes",
                "box_classes",
                "masks",
                "regions",
                "crowd",
                "difficult",
                "keypoints",
                "tags",
            ):
                a, b = getattr(mine, field), getattr(theirs, field)
                assert (a is None) == (b is None), field
                assert a is None or torch.equal(a, b), field
            assert mine.caption == theirs.caption
            assert not exact or mine.attributes == theirs.attributes


def annotations_of(root: Path) -> dict[str, Any]:
    """Every XML of a VOC tree without what a converter adds; numbers as numbers."""
    found = {}
    for path in sorted((root / "Annotations").glob("*.xml")):
        element = parse_xml(path.read_bytes(), path.name)
        for each in element.iter():
            for child in list(each):
                if child.tag == "striate":
                    each.remove(child)
        found[path.name] = _numbers(plain(element))
    return found


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        flags = {} if "bndbox" not in value or "xmin" not in str(value["bndbox"]) else {"difficult": 0.0}
        return {**flags, **{key: _numbers(one) for key, one in value.items()}}
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    try:
        return float(value)
    except ValueError:
        return value


def test_voc_to_coco_and_back_keeps_every_number_flag_and_pixel(tmp_path: Path) -> None:
    start = load_splits(voc_tree(tmp_path / "a"))
    assert write_coco(start, tmp_path / "b").said == "COCO: 6 images, 10 objects"
    middle = load_splits(tmp_path / "b")
    write_voc(middle, tmp_path / "c")
    end = load_splits(tmp_path / "c")
    same(start, middle, exact=False)
    same(start, end)
    assert annotations_of(tmp_path / "a") == annotations_of(tmp_path / "c")
    for kind in ("SegmentationClass", "SegmentationObject"):
        before = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "a" / kind).iterdir()}
        after = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "c" / kind).iterdir()}
        assert all(np.array_equal(before[name], after[name]) for name in before)
        assert set(before) == set(after)
    for path in (tmp_path / "a" / "JPEGImages").iterdir():
        assert path.read_bytes() == (tmp_path / "c" / "JPEGImages" / path.name).read_bytes()


def test_coco_to_voc_and_back_keeps_the_whole_file(tmp_path: Path) -> None:
    given = coco_content()
    start = load_splits(coco_tree(tmp_path / "a", given))
    written = write_voc(start, tmp_path / "b")
    assert written.said == "PASCAL VOC: 3 images, 4 objects, outlines of 1 image in <striate> alone: objects overlap"
    middle = load_splits(tmp_path / "b")
    write_coco(middle, tmp_path / "c")
    same(start, middle, exact=False)
    same(start, load_splits(tmp_path / "c"), exact=False)
    found = json.loads((tmp_path / "c" / "annotations" / "instances_val.json").read_text())
    assert {key: found[key] for key in ("info", "licenses", "categories")} == {
        key: given[key] for key in ("info", "licenses", "categories")
    }
    by_id = {one["id"]: one for one in found["annotations"]}
    assert by_id == {one["id"]: one for one in given["annotations"]}
    for one, two in zip(given["images"], found["images"], strict=True):
        assert {key: two[key] for key in one} == one
        assert (tmp_path / "c" / "val" / one["file_name"]).read_bytes() == (
            tmp_path / "a" / "val" / one["file_name"]
        ).read_bytes()
    words = json.loads((tmp_path / "c" / "annotations" / "captions_val.json").read_text())["annotations"]
    assert sorted(words, key=lambda one: one["id"]) == [
        {"id": 3, "image_id": 42, "caption": "Two."}, {"id": 5, "image_id": 42, "caption": "One  dog."},
    ]  # fmt: skip


def test_coco_to_coco_changes_no_annotation(tmp_path: Path) -> None:
    given = coco_content()
    write_coco(load_splits(coco_tree(tmp_path / "a", given)), tmp_path / "b")
    found = json.loads((tmp_path / "b" / "annotations" / "instances_val.json").read_text())
    assert found == given


def test_masks_to_coco_to_voc_and_back_keep_every_pixel(tmp_path: Path) -> None:
    draws = np.random.default_rng(3)
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        for number in range(count):
            name = f"{part}{number}"
            image(tmp_path / "a" / part / f"{name}.png", number)
            values = draws.choice([0, 1, 2, 3, 11], SIZE)
            (tmp_path / "a" / f"{part}annot").mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(tmp_path / "a" / f"{part}annot" / f"{name}.png")
    (tmp_path / "a" / "classes.txt").write_text("\n".join(f"c{n}" for n in range(11)) + "\nvoid\n")
    start = load_splits(tmp_path / "a")
    assert write_coco(start, tmp_path / "b").said.startswith("COCO: 8 images, 32 annotations")
    same(start, load_splits(tmp_path / "b"))
    write_voc(load_splits(tmp_path / "b"), tmp_path / "c")
    same(start, load_splits(tmp_path / "c"))
    assert write_masks(load_splits(tmp_path / "c"), tmp_path / "d").said == "images and masks: 8 images, 11 classes"
    end = load_splits(tmp_path / "d")
    same(start, end)
    write_coco(end, tmp_path / "e")
    same(start, load_splits(tmp_path / "e"))
    for part in ("train", "val", "test"):
        name = f"annotations/instances_{part}.json"
        one, two = (json.loads((tmp_path / folder / name).read_text()) for folder in ("b", "e"))
        assert [one["annotations"], one["categories"]] == [two["annotations"], two["categories"]]


def objects_in_memory(masks: torch.Tensor | None, count: int = 1, **more: Any) -> Dataset:
    known = tuple(
        Annotations(
            boxes=torch.tensor([[0, 0, 4, 4], [2, 2, 9, 9]], dtype=torch.float64), box_classes=torch.tensor([1, 0]),
            masks=masks, difficult=torch.tensor([True, False]), crowd=torch.tensor([False, True]),
            caption=f"Two of {number}.", group=f"film {number}" if count > 2 else "",
            attributes={"dark": 0.5, "place": "here"}, **more,
        )
        for number in range(count)
    )  # fmt: skip
    data = Dataset.of(torch.rand(count, 3, *SIZE), [0] * count, classes=("cat", "dog"), notes=known, name="two things")
    return replace(data, task="boxes", labels=torch.full((count,), -1))


@pytest.mark.parametrize("overlap", [False, True])
def test_data_in_memory_are_written_with_all_that_is_known(tmp_path: Path, overlap: bool) -> None:
    masks = torch.zeros((2, *SIZE), dtype=torch.bool)
    masks[0, :4, :4], masks[1, 2 if overlap else 4 : 9, 2:9] = True, True
    points = torch.arange(12.0, dtype=torch.float64).view(2, 2, 3)
    points[..., 2] = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
    data = objects_in_memory(masks, 3, keypoints=points)
    for write in (write_voc, write_coco):
        where = tmp_path / f"{write.__name__}"
        write(data, where)
        for part in load_splits(where):
            found = part.sample(0)
            mine = data.sample(int(found.name.rpartition("_")[2].split(".")[0]))
            assert torch.equal(found.image, mine.image)
            for field in ("boxes", "masks", "difficult", "crowd", "keypoints"):
                assert torch.equal(getattr(found, field), getattr(mine, field)), field
            assert found.box_classes is not None
            assert [part.classes[number] for number in found.box_classes] == ["dog", "cat"]
            assert (found.caption, found.group) == (mine.caption, mine.group)
            assert {key: found.attributes[key] for key in mine.attributes} == mine.attributes
        assert (where / "SegmentationObject").exists() == (write is write_voc and not overlap)


def test_objects_are_drawn_into_masks_only_when_asked(tmp_path: Path) -> None:
    masks = torch.zeros((2, *SIZE), dtype=torch.bool)
    masks[0, :4, :4], masks[1, 6:, 6:] = True, True
    data = objects_in_memory(masks)
    with pytest.raises(StriateError, match="has objects, which masks cannot tell apart"):
        write_masks(data, tmp_path / "a")
    write_masks(data, tmp_path / "a", draw=True)
    found = load_splits(tmp_path / "a").train
    assert found.classes == ("background", "cat", "dog")
    regions = found.annotations(0).regions
    assert regions is not None
    assert torch.equal(regions, (2 * masks[0] + masks[1].int()).to(torch.uint8))
    masks[1, :3, :3] = True
    with pytest.raises(StriateError, match=r"overlap in two things 0, 9 pixels"):
        write_masks(objects_in_memory(masks), tmp_path / "b", draw=True)
    with pytest.raises(StriateError, match="has boxes without masks"):
        write_masks(objects_in_memory(None), tmp_path / "b", draw=True)
    assert not (tmp_path / "b").exists()


def test_pixels_may_be_counted_from_0(tmp_path: Path) -> None:
    data = objects_in_memory(None)
    write_voc(data, tmp_path / "a", first=0)
    assert "<xmin>2</xmin>" in (tmp_path / "a" / "Annotations" / "two_things_0.xml").read_text()
    boxes = load_splits(tmp_path / "a", layout="voc0").train.annotations(0).boxes
    assert boxes is not None
    assert boxes.tolist() == [[0, 0, 4, 4], [2, 2, 9, 9]]
    with pytest.raises(StriateError, match="first is 2"):
        write_voc(data, tmp_path / "b", first=2)


# where it is written


def test_a_full_folder_is_kept_and_only_what_a_converter_wrote_gives_way(tmp_path: Path) -> None:
    data = objects_in_memory(None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(StriateError, match="mine is not empty"):
        write_voc(data, tmp_path / "mine")
    with pytest.raises(StriateError, match="holds files that no converter wrote"):
        write_voc(data, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    write_coco(data, tmp_path / "out")
    with pytest.raises(StriateError, match="out is not empty; try: overwrite=True"):
        write_voc(data, tmp_path / "out")
    write_voc(data, tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "annotations").exists()
    assert load_splits(tmp_path / "out").said.startswith("PASCAL VOC")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StriateError, match="file is a file"):
        write_voc(data, tmp_path / "file")


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    root = voc_tree(tmp_path / "a")
    start = load_splits(root)
    (root / "JPEGImages" / "5.jpg").unlink()
    with pytest.raises(StriateError, match=r"5\.jpg"):
        write_coco(start, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    labelled = Dataset.of(torch.rand(2, 3, 8, 8), [0, 1], classes=("a", "b"))
    with pytest.raises(StriateError, match="has one label an image; accepted: data with objects in boxes"):
        write_coco(labelled, tmp_path / "a")
    data = objects_in_memory(None)
    with pytest.raises(StriateError, match="no images"):
        write_coco(data.take([]), tmp_path / "a")
    from striate.core.image import Geometry

    with pytest.raises(StriateError, match="accepted: data as stored"):
        write_voc(data.resized(Geometry((4, 4))), tmp_path / "a")
    with pytest.raises(StriateError, match="stands twice"):
        write_voc(data.take([0, 0]), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_images_of_one_name_in_two_folders_get_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        image(tmp_path / "a" / folder / "1.jpg", 1)
        text = "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax>"
        (tmp_path / "a" / folder / "1.xml").write_text(f"{text}</bndbox></object></annotation>")
    write_voc(load_splits(tmp_path / "a"), tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b" / "JPEGImages").iterdir()) == ["x_1.jpg", "y_1.jpg"]


# real


def test_raccoons_come_back_as_they_were(data_root: Path, tmp_path: Path) -> None:
    path = data_root / "raccoon" / "raccoon_train_val.zip"
    write_coco(load_splits(path), tmp_path / "b")
    write_voc(load_splits(tmp_path / "b"), tmp_path / "c")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "a")
    (tmp_path / "a" / "annotations").rename(tmp_path / "a" / "x")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "Annotations")
    assert annotations_of(tmp_path / "a") == annotations_of(tmp_path / "c")
    for one in (tmp_path / "a" / "images").iterdir():
        assert one.read_bytes() == (tmp_path / "c" / "JPEGImages" / one.name).read_bytes()


def test_the_published_annotations_come_back_as_they_were(data_root: Path, tmp_path: Path) -> None:
    given = json.loads((data_root / "coco-eval" / "instances_val2014_100.json").read_text())
    (tmp_path / "a" / "annotations").mkdir(parents=True)
    (tmp_path / "a" / "val2014").mkdir()
    for one in given["images"]:
        Image.new("L", (one["width"], one["height"])).save(tmp_path / "a" / "val2014" / one["file_name"], quality=1)
    shutil.copy(data_root / "coco-eval" / "instances_val2014_100.json", tmp_path / "a" / "annotations")
    write_voc(load_splits(tmp_path / "a"), tmp_path / "b")
    write_coco(load_splits(tmp_path / "b"), tmp_path / "c")
    found = json.loads((tmp_path / "c" / "annotations" / "instances_val.json").read_text())
    assert sorted(found["annotations"], key=lambda one: one["id"]) == sorted(
        given["annotations"], key=lambda one: one["id"]
    )
    assert found["categories"] == given["categories"]


@pytest.mark.parametrize("kind", ["voc", "arc2017"])
def test_a_photograph_with_boxes_and_masks_goes_through_both(data_root: Path, tmp_path: Path, kind: str) -> None:
    with zipfile.ZipFile(data_root / "voc-arc" / "voc_arc_masks.zip") as archive:
        arrays = np.load(io.BytesIO(archive.read(f"{kind}/data.npz")))
        names = archive.read(f"{kind}/class_names.txt").decode().split()
    boxes = torch.from_numpy(arrays["bboxes"].astype(np.float64)[:, [1, 0, 3, 2]])  # they lie there as y, x, y, x
    known = Annotations(
        boxes=boxes, box_classes=torch.from_numpy(arrays["labels"].astype(np.int64)),
        masks=torch.from_numpy(arrays["masks"] == 1),
    )  # fmt: skip
    pixels = torch.from_numpy(arrays["rgb"]).permute(2, 0, 1)[None]
    data = replace(
        Dataset.of(pixels, [0], classes=names, notes=(known,), name=kind), task="boxes", labels=torch.tensor([-1])
    )
    write_voc(data, tmp_path / "a")
    write_coco(load_splits(tmp_path / "a"), tmp_path / "b")
    write_voc(load_splits(tmp_path / "b"), tmp_path / "c")
    assert known.masks is not None
    for folder in "abc":
        found = load_splits(tmp_path / folder).train.sample(0)
        assert found.boxes is not None
        assert found.masks is not None
        assert torch.equal(found.boxes, boxes)
        assert torch.equal(found.masks, known.masks)
        assert torch.equal((found.image * 255).round().to(torch.uint8), pixels[0])
    if kind == "voc":
        down, across = np.nonzero(known.masks[0].numpy())
        assert boxes[0].tolist() == [across.min(), down.min(), across.max() + 1, down.max() + 1]


@pytest.mark.parametrize("kept", ['{"coco": 5}', '{"coco": {"caption_ids": 1}}', '{"voc": []}'])
def test_what_strangers_put_where_converters_keep_things_is_refused(tmp_path: Path, kept: str) -> None:
    root = voc_tree(tmp_path / "a", 6)
    path = root / "Annotations" / "1.xml"
    path.write_text(path.read_text().replace("</annotation>", f"<striate>{kept}</striate></annotation>"))
    with pytest.raises(StriateError, match="is not as converters write it"):
        load_splits(root)


def test_parts_that_no_xml_can_hold_are_refused(tmp_path: Path) -> None:
    given = coco_content()
    start = coco_tree(tmp_path / "a", given)
    for number, (voc, says) in enumerate(
        [({"a b": "1"}, "part named 'a b'"), ({"a": "\x01"}, "control characters"), ({"": "1"}, "part named ''")]
    ):
        given["annotations"][3]["striate"] = {"voc": voc}
        (start / "annotations" / "instances_val.json").write_text(json.dumps(given))
        with pytest.raises(StriateError, match=says):
            write_voc(load_splits(start), tmp_path / f"b{number}")
    deep: dict[str, Any] = {"a": "1"}
    for _ in range(40):
        deep = {"a": deep}
    given["annotations"][3]["striate"] = {"voc": deep}
    (start / "annotations" / "instances_val.json").write_text(json.dumps(given))
    with pytest.raises(StriateError, match="nests parts more than 24 deep"):
        write_voc(load_splits(start), tmp_path / "c")


def test_a_box_that_somebody_moved_since_is_the_one_that_counts(tmp_path: Path) -> None:
    start = load_splits(voc_tree(tmp_path / "a"))
    write_coco(start, tmp_path / "b")
    path = tmp_path / "b" / "annotations" / "instances_val.json"
    given = json.loads(path.read_text())
    assert "edges" in given["annotations"][0]["striate"]
    given["annotations"][0]["bbox"] = [3, 3, 2, 2]
    path.write_text(json.dumps(given))
    boxes = load_splits(tmp_path / "b").dev.annotations(0).boxes
    assert boxes is not None
    assert boxes[0].tolist() == [3, 3, 5, 5]
