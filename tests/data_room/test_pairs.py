"""Images with masks: names pair them, numbers become classes, what does not fit is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.decode import decode_stored
from striate.core.errors import ImageError, StriateError
from striate.data.annotations import VOID
from striate.data.dataset import Splits
from striate.data.layouts.masks import concluded, ranges, voc_colours
from striate.data.load import load_splits

SIZE = (12, 16)


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def mask(path: Path, *values: int, mode: str = "L", size: tuple[int, int] = SIZE) -> np.ndarray:
    """Columns of these numbers, from left to right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = np.array([values[column * len(values) // size[1]] for column in range(size[1])], dtype=np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(np.broadcast_to(columns, size)))
    if mode == "P":
        picture.putpalette([part for colour in voc_colours() for part in colour])
    (picture if mode in {"L", "P"} else picture.convert(mode)).save(path)
    return np.broadcast_to(columns, size)


def pairs(root: Path, form: str, count: int = 5, parts: tuple[str, ...] = ("",)) -> Path:
    """Images and masks by the two sides of ``form``; ``*`` is the name, ``@`` the split."""
    for part in parts:
        for number in range(count):
            first, second = (side.replace("@", part).replace("*", f"{part}x{number}") for side in form.split(" | "))
            image(root / first)
            mask(root / second, 0, 1, 2)
    return root


def by_name(splits: Splits) -> dict[str, torch.Tensor]:
    found = {}
    for part in splits:
        for row in range(len(part)):
            regions = part.annotations(row).regions
            assert regions is not None
            found[part.name_of(row)] = regions
    return found


@pytest.mark.parametrize(
    "form",
    [
        "images/*.jpg | masks/*.png",
        "img/*.png | label/*.png",
        "data/images/*.jpg | data/labels/*.png",
        "*.jpg | *_mask.png",
        "*.png | *-labels.png",
        "*_sat.jpg | *_mask.png",
        "images/*_image.jpg | masks/*_mask.png",
        "rgb/*.JPG | GT/*_L.PNG",
    ],
)
def test_names_pair_images_and_masks(tmp_path: Path, form: str) -> None:
    splits = load_splits(pairs(tmp_path, form))
    assert "3 classes, 5 images" in splits.said
    assert splits.said.endswith("split 60/20/20 by seed 0")
    assert splits.train.task == "regions"
    assert splits.train.labels.tolist() == [-1, -1, -1]
    expected = torch.tensor([0] * 6 + [1] * 5 + [2] * 5, dtype=torch.uint8).expand(SIZE)
    assert len(by_name(splits)) == 5
    assert all(torch.equal(regions, expected) for regions in by_name(splits).values())


@pytest.mark.parametrize(
    "form",
    [
        "@/*.png | @annot/*.png",
        "@/images/*.png | @/masks/*.png",
        "images/@/*.png | masks/@/*.png",
        "@_images/*.png | @_labels/*.png",
        "leftImg8bit/@/town/*_leftImg8bit.png | gtFine/@/town/*_gtFine_labelIds.png",
    ],
)
def test_split_folders_are_followed(tmp_path: Path, form: str) -> None:
    splits = load_splits(pairs(tmp_path, form, 4, ("train", "val", "test")))
    assert [len(part) for part in splits] == [4, 4, 4]
    assert splits.said.endswith("4 train, 4 dev, 4 test by folders")
    assert all("test" in name for name in (splits.test.name_of(row) for row in range(4)))


def test_numbers_made_for_training_go_before_raw_ones_and_companions_are_passed_by(tmp_path: Path) -> None:
    for number in range(3):
        stem = f"{number}"
        image(tmp_path / "leftImg8bit" / "train" / f"{stem}_leftImg8bit.png")
        mask(tmp_path / "gtFine" / "train" / f"{stem}_gtFine_labelIds.png", 7, 8)
        mask(tmp_path / "gtFine" / "train" / f"{stem}_gtFine_labelTrainIds.png", 0, 1)
        mask(tmp_path / "gtFine" / "train" / f"{stem}_gtFine_instanceIds.png", 3, 4)
        image(tmp_path / "gtFine" / "train" / f"{stem}_gtFine_color.png")
    splits = load_splits(tmp_path)
    assert "2 classes, 3 images" in splits.said
    assert "without image" not in splits.said


# what numbers mean


def test_a_list_of_classes_names_them_and_says_what_is_void(tmp_path: Path) -> None:
    pairs(tmp_path, "images/*.png | masks/*.png")
    (tmp_path / "classes.txt").write_text("# of the road\nroad\n\nsky\nUnlabelled\n")
    splits = load_splits(tmp_path)
    assert splits.train.classes == ("road", "sky")
    assert "named in classes.txt, 2 (Unlabelled) is void" in splits.said
    assert splits.train.tags is not None
    assert bool(splits.train.tags.all())
    for regions in by_name(splits).values():
        assert regions.unique().tolist() == [0, 1, VOID]


def test_void_in_the_middle_closes_the_gap_and_numbered_lists_keep_theirs(tmp_path: Path) -> None:
    pairs(tmp_path, "images/*.png | masks/*.png")
    (tmp_path / "labels.txt").write_text("road\nvoid\nsky\n")
    splits = load_splits(tmp_path)
    assert splits.train.classes == ("road", "sky")
    assert all(regions.unique().tolist() == [0, 1, VOID] for regions in by_name(splits).values())
    (tmp_path / "labels.txt").write_text("2: sky\n0: road\n1: car\n")
    splits = load_splits(tmp_path)
    assert splits.train.classes == ("sky", "road", "car")
    assert next(iter(by_name(splits).values()))[0].tolist() == [1] * 6 + [2] * 5 + [0] * 5
    (tmp_path / "labels.txt").write_text("__ignore__\nroad\nsky\ncar\n")
    assert load_splits(tmp_path).train.classes == ("road", "sky", "car")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("label_colors.txt", "128 0 0 car\n0 128 0 tree\n0 0 0 void\n"),
        ("class_dict.csv", "name,r,g,b\ncar,128,0,0\ntree,0,128,0\nvoid,0,0,0\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ncar:128,0,0::\ntree:0,128,0::\nvoid:0,0,0::\n"),
    ],
)
def test_masks_in_colours_follow_a_list_of_colours(tmp_path: Path, name: str, text: str) -> None:
    values = np.zeros((*SIZE, 3), dtype=np.uint8)
    values[:, :4], values[:, 4:8] = (128, 0, 0), (0, 128, 0)
    for number in range(3):
        image(tmp_path / "images" / f"{number}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(values if number else np.zeros_like(values)).save(tmp_path / "masks" / f"{number}.png")
    with pytest.raises(StriateError, match="is a mask in 3 colours, and nothing says their classes"):
        load_splits(tmp_path)
    (tmp_path / name).write_text(text)
    splits = load_splits(tmp_path)
    assert splits.train.classes == ("car", "tree")
    found = by_name(splits)
    assert found["images/1.png"][0].tolist() == [0] * 4 + [1] * 4 + [VOID] * 8
    assert found["images/0.png"].unique().tolist() == [VOID]
    values[0, 0] = (9, 9, 9)
    Image.fromarray(values).save(tmp_path / "masks" / "1.png")
    with pytest.raises(StriateError, match=r"has the colour \(9, 9, 9\) at x 0, y 0"):
        load_splits(tmp_path)


@pytest.mark.parametrize(
    ("values", "mode", "classes", "seen"),
    [
        ((0, 255), "L", ("background", "foreground"), [0, 1]),
        ((0, 255), "1", ("0", "1"), [0, 1]),
        ((0, 255), "P", ("0",), [0, VOID]),
        ((0, 1, 255), "L", ("0", "1"), [0, 1, VOID]),
        ((0, 3), "P", ("0", "1", "2", "3"), [0, 3]),
        ((0, 128, 255), "L", ("0", "128", "255"), [0, 1, 2]),
        ((0, 1), "RGB", ("0", "1"), [0, 1]),
    ],
)
def test_numbers_without_a_list_are_concluded_and_said(
    tmp_path: Path, values: tuple[int, ...], mode: str, classes: tuple[str, ...], seen: list[int]
) -> None:
    for number in range(3):
        image(tmp_path / "images" / f"{number}.png")
        mask(tmp_path / "masks" / f"{number}.png", *values, mode=mode)
    splits = load_splits(tmp_path)
    assert splits.train.classes == classes
    assert "masks" in splits.said
    assert all(regions.unique().tolist() == seen for regions in by_name(splits).values())


def test_numbers_of_few_bits_are_read_as_stored(tmp_path: Path) -> None:
    for bits, top in ((1, 2), (2, 4), (4, 16)):
        values = np.arange(48).reshape(6, 8) % top
        picture = Image.fromarray(values.astype(np.uint8))
        picture.putpalette([part for colour in voc_colours() for part in colour][: 3 * top])
        picture.save(tmp_path / "a.png", bits=bits)
        stored = decode_stored(tmp_path / "a.png")
        assert np.array_equal(stored.values, values)
        assert stored.palette[:top] == voc_colours(top)


def test_frames_of_films_are_groups_and_no_film_is_torn_apart(tmp_path: Path) -> None:
    for film in ("0001TP", "0006R0", "Seq05VD"):
        for number in range(4):
            image(tmp_path / "images" / f"{film}_{number * 30:06}.png")
            mask(tmp_path / "masks" / f"{film}_{number * 30:06}.png", 0, 1)
    splits = load_splits(tmp_path)
    assert "3 films" in splits.said
    found = [set(part.groups()) for part in splits]
    assert set.union(*found) == {"0001TP", "0006R0", "Seq05VD"}
    assert sum(map(len, found)) == 3


def test_names_that_only_count_are_no_films(tmp_path: Path) -> None:
    assert "film" not in load_splits(pairs(tmp_path, "images/*.png | masks/*.png", 9)).said


# what is no pair of images and masks


def test_classes_called_images_and_masks_are_classes_where_both_hold_photographs(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        for number in range(5):
            image(tmp_path / kind / f"{number}.png")
    assert load_splits(tmp_path).said.startswith("folder of classes: 2 classes, 10 images")


def test_a_class_called_masks_beside_others_is_a_class(tmp_path: Path) -> None:
    for kind in ("gloves", "masks"):
        for number in range(5):
            image(tmp_path / kind / f"{kind}{number}.png")
    assert load_splits(tmp_path).train.classes == ("gloves", "masks")


# damage


def test_images_without_masks_are_counted_and_left_out_when_asked(tmp_path: Path) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png")
    (root / "masks" / "x3.png").unlink()
    mask(root / "masks" / "extra.png", 0, 1)
    with pytest.raises(StriateError, match=r"1 of 5 images of .* cannot be used: images/x3\.png \(has no mask\)"):
        load_splits(root)
    splits = load_splits(root, skip_broken=True)
    assert "4 images" in splits.said
    assert "1 mask without image left out, 1 broken or missing files left out" in splits.said


@pytest.mark.parametrize("form", ["images/*.png | masks/*.jpg", "*.jpg | *_mask.jpg", "images/*.png | masks/*.webp"])
def test_masks_in_formats_that_lose_numbers_are_refused(tmp_path: Path, form: str) -> None:
    root = pairs(tmp_path, form, 3)
    image(root / "images" / "good.png")
    mask(root / "masks" / "good.png", 0, 1)
    with pytest.raises(StriateError, match=r"is a mask saved as (JPG|WEBP): lossy, its classes are destroyed"):
        load_splits(root, layout="pairs")
    if form.startswith("images"):
        with pytest.raises(StriateError, match=r"3 of 4 images .* destroyed"):
            load_splits(root)


def test_a_jpeg_that_is_called_png_is_refused(tmp_path: Path) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png", 3)
    Image.new("L", SIZE[::-1]).save(root / "masks" / "x1.png", "JPEG")
    with pytest.raises(StriateError, match=r"masks/x1\.png .* saved as JPEG, which changes numbers"):
        load_splits(root)


def test_masks_of_another_size_or_with_other_numbers_are_named(tmp_path: Path) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png")
    (root / "classes.txt").write_text("a\nb\nc\n")
    mask(root / "masks" / "x1.png", 0, 1, size=(5, 6))
    mask(root / "masks" / "x2.png", 0, 9)
    (root / "masks" / "x3.png").write_bytes(b"junk")
    with pytest.raises(StriateError) as caught:
        load_splits(root)
    text = str(caught.value)
    assert "3 of 5 images" in text
    assert "masks/x1.png (has 6x5 pixels; accepted: the 16x12 of its image" in text
    assert (
        "masks/x2.png (holds 9 at x 8, y 0 (of 96 such pixels); accepted: 0 to 2 (classes, named in classes.txt)"
        in text
    )
    assert "masks/x3.png (is not an image" in text
    assert "2 images" in load_splits(root, skip_broken=True).said


def test_soft_edges_are_no_classes(tmp_path: Path) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png", 3)
    soft = np.zeros((40, 40), dtype=np.uint8)
    soft[:, 20:] = 255
    soft[20, :], soft[21, :] = np.arange(100, 140), np.arange(160, 200)
    for number in range(3):
        image(root / "images" / f"x{number}.png", (40, 40))
        Image.fromarray(soft).save(root / "masks" / f"x{number}.png")
    with pytest.raises(StriateError, match="82 different grey levels"):
        load_splits(root)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("classes.txt", "a\nb\na\n", "names 'a' twice"),
        ("classes.txt", "0 a\n0 b\n", "names '0' twice"),
        ("classes.txt", "\n".join(map("c{}".format, range(300))), "names 300 classes"),
        ("classes.txt", "void\n", "names 0 classes"),
        ("label_colors.txt", "1 2 3 a\n1 2 b\n", "line 2 of label_colors.txt"),
        ("class_dict.csv", "name,r,g,b\na,1,2,999\n", "line 2 of class_dict.csv"),
    ],
)
def test_lists_of_classes_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png", 3)
    (root / name).write_text(text)
    with pytest.raises(StriateError, match=says):
        load_splits(root)


def test_a_mask_that_changes_later_is_named_when_it_is_looked_at(tmp_path: Path) -> None:
    root = pairs(tmp_path, "images/*.png | masks/*.png", 3)
    data = load_splits(root).train
    name = data.name_of(0).replace("images", "masks")
    (root / name).unlink()
    known = data.annotations(0)
    with pytest.raises(ImageError, match=f"{name} does not exist"):
        _ = known.regions


def test_numbers_in_short() -> None:
    assert ranges([3, 0, 1, 2, 9]) == "0 to 3, 9"
    assert ranges([]) == "none"
    with pytest.raises(StriateError, match="0 different grey levels"):
        concluded(np.zeros(256, dtype=np.int64))


# real


def test_camvid_is_read_from_its_archive(data_root: Path) -> None:
    path = data_root / "camvid" / "camvid_subset.zip"
    splits = load_splits(path)
    assert [len(part) for part in splits] == [62, 21, 39]
    assert len(splits.train.classes) == 11
    assert "11 (Unlabelled) is void, 4 films" in splits.said
    assert set(splits.train.groups()) == {"0001TP", "0006R0", "0016E5"}
    with zipfile.ZipFile(path) as archive, archive.open("trainannot/0001TP_006690.png") as stream:
        stored = np.asarray(Image.open(stream))
    found = by_name(splits)["train/0001TP_006690.jpg"].numpy()
    assert np.array_equal(np.where(stored == 11, VOID, stored), found)


def test_a_bird_and_its_mask_lie_among_photographs(data_root: Path) -> None:
    path = data_root / "photos" / "openimages_ccby.zip"
    with pytest.raises(StriateError, match=r"10 of 11 images .* bird\.jpg \(has no mask\)"):
        load_splits(path)
    splits = load_splits(path, skip_broken=True)
    regions = by_name(splits)["bird_segmentation.jpg"]
    assert (regions == 3).sum() == 51377
