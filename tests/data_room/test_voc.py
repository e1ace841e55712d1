"""PASCAL VOC: boxes, maps, lists; numbers stay exact; annotation files from strangers do no harm."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.data.layouts.masks import voc_colours
from striate.data.layouts.voc_xml import box_of, parse_xml, shown, written_box
from striate.data.load import load_data, load_splits

SIZE = (12, 16)  # height, width


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (90, 120, 30)).save(path)


def numbers(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette([part for colour in voc_colours() for part in colour])
    picture.save(path)


def one_object(name: str = "cat", box: str = "1 1 8 8", more: str = "") -> str:
    ends = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    edges = "".join(f"<{tag}>{value}</{tag}>" for tag, value in ends)
    return f"<object><name>{name}</name>{more}<bndbox>{edges}</bndbox></object>"


def xml(path: Path, *objects: str, file: str = "", size: tuple[int, int] = SIZE, more: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    name = file or f"{path.stem}.png"
    path.write_text(f"<annotation><filename>{name}</filename>{sides}{more}{''.join(objects)}</annotation>")


def devkit(root: Path, count: int = 10) -> Path:
    """A small VOC tree with lists, maps for the first two images, and every flag."""
    for number in range(count):
        image(root / "JPEGImages" / f"{number:03}.png")
        flags = f"<pose>Left</pose><truncated>1</truncated><difficult>{number % 2}</difficult>"
        objects = [one_object("cat", "1 1 8 6", flags), one_object("person", "9 7 16 12")]
        xml(root / "Annotations" / f"{number:03}.xml", *objects)
    return root


def lists(root: Path, kind: str = "Main", **names: list[str]) -> None:
    folder = root / "ImageSets" / kind
    folder.mkdir(parents=True, exist_ok=True)
    for split, stems in names.items():
        (folder / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def test_boxes_are_read_counted_and_said(tmp_path: Path) -> None:
    splits = load_splits(devkit(tmp_path / "pets"))
    assert splits.said.startswith("PASCAL VOC: 2 classes, 10 images, 20 boxes, 5 of them difficult, split 60/20/20")
    assert [len(part) for part in splits] == [6, 2, 2]
    data = splits.train
    assert (data.task, data.classes, data.labels.tolist()) == ("boxes", ("cat", "person"), [-1] * 6)
    assert data.tags is not None
    assert bool(data.tags.all())
    sample = data.sample(0)
    assert sample.boxes is not None
    assert sample.boxes.tolist() == [[0, 0, 8, 6], [8, 6, 16, 12]]
    assert sample.boxes.dtype == torch.float64
    assert sample.box_classes is not None
    assert sample.box_classes.tolist() == [0, 1]
    assert sample.difficult is not None
    assert sample.difficult.tolist() == [int(Path(sample.name).stem) % 2 == 1, False]
    assert sample.masks is None
    assert sample.attributes["truncated"] == 1
    assert sample.attributes["pose"] == "Left, Unspecified"
    with pytest.raises(StriateError, match="objects in boxes"):
        data.classified()


def test_the_whole_image_as_a_box_has_edges_from_0_to_its_sides(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    xml(tmp_path / "a.xml", one_object(box="1 1 16 12"))
    box = load_data(tmp_path, split="train").annotations(0).boxes
    assert box is not None
    assert box.tolist() == [[0, 0, 16, 12]]


def test_numbers_as_written_come_back_exactly(tmp_path: Path) -> None:
    written = ["53.28", "1", "300.1", "0.1", "1e2", "473.07", "511.72", "0.30000000000000004"]
    for first in (0, 1):
        for low, high in zip(written, reversed(written), strict=True):
            element = parse_xml(f"<a>{one_object(box=f'{low} {low} {high} {high}')}</a>".encode(), "x")[0]
            box, ends = box_of(element, "x", first=first)
            assert ends == [float(low)] * 2 + [float(high)] * 2
            if len(low) < 16:
                assert written_box(box, first=first) == ends
    assert (shown(53.0), shown(53.28), shown(1e-7)) == ("53", "53.28", "0.0000001")


def test_a_writer_that_counts_from_0_is_read_by_its_own_layout(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    xml(tmp_path / "a.xml", one_object(box="0 3 8 8"))
    splits = load_splits(tmp_path)
    assert "some boxes begin at 0" in splits.said
    one, two = splits.train.annotations(0).boxes, load_splits(tmp_path, layout="voc0").train.annotations(0).boxes
    assert one is not None
    assert two is not None
    assert (one.tolist(), two.tolist()) == ([[-1, 2, 8, 8]], [[0, 3, 8, 8]])


def test_maps_give_masks_and_regions_and_the_numbers_of_the_classes(tmp_path: Path) -> None:
    root = devkit(tmp_path)
    classes, objects = np.zeros(SIZE, dtype=np.uint8), np.zeros(SIZE, dtype=np.uint8)
    classes[:6, :8], objects[:6, :8] = 8, 1
    classes[6:, 8:], objects[6:, 8:] = 15, 2
    classes[0, 0] = objects[0, 0] = 255
    numbers(root / "SegmentationClass" / "000.png", classes)
    numbers(root / "SegmentationObject" / "000.png", objects)
    lists(root, train=["000", "001"], val=["002"], test=["003"])
    lists(root, "Segmentation", train=["000"])
    splits = load_splits(root)
    assert "1 image with object masks, 1 image with class maps, 6 images in no list left out" in splits.said
    assert splits.said.endswith("2 train, 1 dev, 1 test by ImageSets/Main")
    data = splits.train
    assert data.classes[0] == "background"
    known = data.annotations(0)
    assert known.box_classes is not None
    assert [data.classes[number] for number in known.box_classes] == ["cat", "person"]
    assert known.regions is not None
    assert known.masks is not None
    assert torch.equal(known.regions, torch.from_numpy(classes))
    assert torch.equal(known.masks, torch.from_numpy(np.stack([objects == 1, objects == 2])))
    bare = data.annotations(1)
    assert bare.regions is None
    assert bare.masks is None
    assert bare.objects == 2


def test_masks_and_regions_follow_a_geometry(tmp_path: Path) -> None:
    root = devkit(tmp_path, 3)
    for number in range(3):
        classes = np.zeros(SIZE, dtype=np.uint8)
        classes[:, 8:] = 8
        numbers(root / "SegmentationClass" / f"{number:03}.png", classes)
    data = load_splits(root, size=Geometry((6, 8), crop="none")).train
    known = data.annotations(0)
    assert known.regions is not None
    assert known.regions.shape == (6, 8)
    assert known.regions.unique().tolist() == [0, 8]
    assert known.boxes is not None
    assert known.boxes[0].tolist() == [0, 0, 4, 3]
    assert known.objects == 2


def test_class_maps_without_objects_are_regions(tmp_path: Path) -> None:
    for number in range(5):
        image(tmp_path / "JPEGImages" / f"{number}.png")
        numbers(tmp_path / "SegmentationClass" / f"{number}.png", np.full(SIZE, number))
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "".join(
        f"{name}:{n},0,0::\n" for n, name in enumerate(["background", "road", "sky", "tree", "car"])
    ))  # fmt: skip
    image(tmp_path / "JPEGImages" / "bare.png")
    splits = load_splits(tmp_path)
    assert splits.train.task == "regions"
    assert splits.train.classes == ("background", "road", "sky", "tree", "car")
    assert "5 images with class maps, 1 image without annotation left out" in splits.said
    known = splits.train.annotations(0)
    assert known.boxes is None
    assert known.regions is not None
    assert known.regions.unique().tolist() == [int(Path(splits.train.name_of(0)).stem)]


@pytest.mark.parametrize("where", [("images", "annotations"), ("", ""), ("VOC2012/JPEGImages", "VOC2012/Annotations")])
def test_other_folders_are_read_too(tmp_path: Path, where: tuple[str, str]) -> None:
    for number in range(4):
        image(tmp_path / where[0] / f"{number}.jpg")
        xml(tmp_path / where[1] / f"{number}.xml", one_object(), file=f"other{number}.jpg")
    assert load_splits(tmp_path).said.startswith("PASCAL VOC: 1 class, 4 images, 4 boxes")


def test_split_folders_are_followed(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("valid", 2), ("test", 2)):
        for number in range(count):
            image(tmp_path / part / f"{number}.jpg")
            xml(tmp_path / part / f"{number}.xml", one_object())
    splits = load_splits(tmp_path)
    assert [len(part) for part in splits] == [4, 2, 2]
    assert splits.said.endswith("4 train, 2 dev, 2 test by folders")
    assert splits.test.name_of(0).startswith("test/")


def test_class_folders_with_a_stray_xml_stay_class_folders(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        for number in range(5):
            image(tmp_path / kind / f"{kind}{number}.png")
    xml(tmp_path / "cat" / "cat0.xml", one_object())
    assert load_splits(tmp_path).said.startswith("folder of classes")


# damage


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotation><object>", "is not XML that can be read"),
        ("", "is not XML that can be read"),
        (BOMB, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        (BOMB.encode("utf-16"), "declares a document type"),
        ("<annotation>" + "<a>" * 100000 + "</a>" * 100000 + "</annotation>", "more than 24 deep"),
        ("<annotation>" + " " * (1 << 22) + "</annotation>", "has 4 MB"),
        ("<annotation><object></object></annotation>", "lacks name"),
        ("<annotation><object><name>cat</name></object></annotation>", "lacks bndbox/xmin"),
        (f"<annotation>{one_object(box='1 1 x 8')}</annotation>", "bndbox/xmax is 'x'"),
        (f"<annotation>{one_object(box='1 1 nan 8')}</annotation>", "bndbox/xmax is 'nan'"),
        ("<annotation><size><width>16</width></size></annotation>", "lacks size/height"),
        ("<annotation><striate>[1]</striate></annotation>", "holds a list"),
        ("<annotation><striate>{</striate></annotation>", "is not JSON"),
    ],
)
def test_damaged_annotations_are_named_or_left_out(tmp_path: Path, text: str | bytes, says: str) -> None:
    root = devkit(tmp_path, 5)
    (root / "Annotations" / "002.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StriateError) as caught:
        load_splits(root)
    assert "1 of 5 annotations of" in str(caught.value)
    assert "Annotations/002.xml" in str(caught.value)
    assert says in str(caught.value)
    splits = load_splits(root, skip_broken=True)
    assert "4 images, 8 boxes" in splits.said
    assert "1 broken or missing files left out" in splits.said


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "..\\..\\secret.png", "gone.png"])
def test_a_file_name_never_leads_outside_the_tree(tmp_path: Path, name: str) -> None:
    image(tmp_path / "secret.png")
    root = devkit(tmp_path / "a" / "b", 3)
    (root / "JPEGImages" / "001.png").unlink()
    xml(root / "Annotations" / "001.xml", one_object(), file=name)
    with pytest.raises(StriateError, match=r"001.xml \(its image .* is not there"):
        load_splits(root)
    assert "2 images" in load_splits(root, skip_broken=True).said


def test_sizes_and_maps_that_disagree_are_named(tmp_path: Path) -> None:
    root = devkit(tmp_path, 4)
    xml(root / "Annotations" / "001.xml", one_object(), size=(20, 20))
    with pytest.raises(StriateError, match=r"001\.png .has 16x12 pixels, its annotation says 20x20"):
        load_splits(root)
    numbers(root / "SegmentationClass" / "002.png", np.zeros((5, 5)))
    numbers(root / "SegmentationClass" / "003.png", np.full(SIZE, 77))
    with pytest.raises(StriateError, match=r"002\.png .has 5x5 pixels; accepted: the 16x12 of its image") as caught:
        load_splits(root)
    assert "003.png (holds 77 at x 0, y 0 (of 192 such pixels)" in str(caught.value)
    assert "1 image, 2 boxes" in load_splits(root, skip_broken=True).said


def test_an_object_map_that_shows_more_objects_than_are_listed_is_refused(tmp_path: Path) -> None:
    root = devkit(tmp_path, 3)
    numbers(root / "SegmentationObject" / "000.png", np.full(SIZE, 9))
    parts = [(part, row) for part in load_splits(root) for row in range(len(part))]
    known = next(part.annotations(row) for part, row in parts if part.name_of(row).endswith("000.png"))
    with pytest.raises(StriateError, match="shows object 9; accepted: 1 to 2"):
        _ = known.masks


def test_lists_that_name_what_is_not_there_or_twice_are_refused(tmp_path: Path) -> None:
    root = devkit(tmp_path, 4)
    lists(root, train=["000", "009"], val=["001"])
    with pytest.raises(StriateError, match=r"name 1 image without annotation: 009 \(ImageSets/Main/train.txt\)"):
        load_splits(root)
    assert [len(part) for part in load_splits(root, skip_broken=True)] == [1, 0, 1]
    lists(root, train=["000"], val=["000"])
    with pytest.raises(StriateError, match="000 is listed for train and for dev"):
        load_splits(root)


def test_several_devkits_or_annotations_are_one_too_many(tmp_path: Path) -> None:
    devkit(tmp_path / "VOC2007", 2)
    devkit(tmp_path / "VOC2012", 2)
    with pytest.raises(StriateError, match="several PASCAL VOC folders: VOC2007, VOC2012"):
        load_splits(tmp_path)
    xml(tmp_path / "VOC2007" / "Annotations" / "extra.xml", one_object(), file="000.png")
    with pytest.raises(StriateError, match=r"000\.png is annotated in"):
        load_splits(tmp_path / "VOC2007")


# real


def test_raccoons_are_read_from_their_archive(data_root: Path) -> None:
    path = data_root / "raccoon" / "raccoon_train_val.zip"
    splits = load_splits(path)
    assert splits.said == "PASCAL VOC: 1 class, 134 images, 143 boxes, split 60/20/20 by seed 0"
    with zipfile.ZipFile(path) as archive:
        told = archive.read("annotations/raccoon-1.xml").decode()
    assert "<xmin>81</xmin>" in told
    found = [(part, row) for part in splits for row in range(len(part)) if part.name_of(row) == "images/raccoon-1.jpg"]
    part, row = found[0]
    box = part.annotations(row).boxes
    assert box is not None
    assert box.tolist() == [[80, 87, 522, 408]]
    assert part.sample(row).image.shape == (3, 417, 650)
