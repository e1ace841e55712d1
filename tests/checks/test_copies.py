"""Planted copies are found, however they were saved, resized or cut; pictures that are alike are left in peace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from checks.drawn import photographs, picture, saved_anew
from striate.checks.copies import Found, Pictures, confirm, find_copies
from striate.checks.scan import LARGE, SMALL, Scan, scan, small_side
from striate.core.image import to_bytes
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits

COUNT = 40


def scanned(splits: Splits) -> list[Scan]:
    """All splits, looked at."""
    return [scan(part, side=small_side(splits)) for part in splits]


def copies(scans: list[Scan]) -> Found:
    """Copies in all of them."""
    colours = [each.colours for each in scans if each.colours is not None]
    pictures = Pictures(torch.cat([each.small for each in scans]), torch.cat(colours) if colours else None)
    return find_copies([digest for each in scans for digest in each.digests], pictures)


def damaged(image: Image.Image, kind: str, lot: list[float]) -> Image.Image:
    """A copy: saved anew, resized, or cut, as the lot says."""
    width, height = image.size
    if "cut" in kind:
        across, down = 0.8 + 0.2 * lot[0], 0.8 + 0.2 * lot[1]
        left, top = lot[2] * (1 - across) * width, lot[3] * (1 - down) * height
        image = image.crop((round(left), round(top), round(left + across * width), round(top + down * height)))
    if "resized" in kind:
        share = 0.3 * (2 / 0.3) ** lot[4]
        image = image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)
    return saved_anew(image, 30 + round(60 * lot[5])) if "saved" in kind else image


def planted(folder: Path, originals: list[Image.Image], kind: str) -> tuple[float, int]:
    """Recall of the copies planted in a folder beside their originals, and groups that hold something else."""
    lots = Rng(5, kind).uniform(torch.arange(len(originals)), (6,)).tolist()
    for number, (image, lot) in enumerate(zip(originals, lots, strict=True)):
        for name, one in (("original", image), ("copy", damaged(image, kind, lot))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            one.save(folder / name / f"{number}.png")
    scans = scanned(load_splits(folder))
    names = [Path(each.data.name_of(row)).stem for each in scans for row in range(len(each.data))]
    groups = [{names[image] for image in group.images} for group in copies(scans).groups]
    return sum(len(group) == 1 for group in groups) / len(originals), sum(len(group) > 1 for group in groups)


@pytest.mark.parametrize("kind", ["saved", "resized saved", "cut", "cut resized saved"])
def test_at_least_95_of_100_planted_copies_are_found_and_nothing_else(kind: str, tmp_path: Path) -> None:
    recall, wrong = planted(tmp_path, [picture(image) for image in photographs(COUNT, side=256)], kind)
    assert recall >= 0.95
    assert wrong == 0


def test_on_real_photographs_too(data_root: Path, tmp_path: Path) -> None:
    data = load_splits(data_root / "imagenet-sample" / "imagenet_sample300.zip").train
    originals = [picture(data.store.read(data.places[[row]], 3, None)[0] / 255) for row in range(60)]
    recall, wrong = planted(tmp_path, originals, "cut resized saved")
    assert recall >= 0.95
    assert wrong == 0


def test_equal_pixels_are_exact_copies_whatever_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number, image in enumerate(photographs(4)):
        picture(image).save(tmp_path / "a" / f"{number}.png")
    picture(photographs(4)[2]).save(tmp_path / "a" / "again.bmp")
    scans = scanned(load_splits(tmp_path))
    found = copies(scans)
    names = [each.data.name_of(row) for each in scans for row in range(len(each.data))]
    assert found.exact == 1
    assert found.near == 0
    assert [{names[image] for image in group.images} for group in found.groups] == [{"a/2.png", "a/again.bmp"}]
    assert found.groups[0].exact


def test_one_hundred_equal_images_are_one_group_and_hide_nothing() -> None:
    images = to_bytes(photographs(6, side=32))
    images = torch.cat([images, images[:1].expand(100, -1, -1, -1), (images[1:2].float() * 0.95 + 5).to(torch.uint8)])
    one = scan(Dataset.of(images, torch.zeros(len(images))), side=SMALL)
    found = copies([one])
    assert [(group.exact, len(group.images)) for group in found.groups] == [(True, 101), (False, 2)]


def test_another_colour_is_another_picture() -> None:
    image = photographs(1, side=64)
    turned = image[:, [2, 0, 1]]
    shift = (0.299 * (image - turned)[:, 0] + 0.587 * (image - turned)[:, 1] + 0.114 * (image - turned)[:, 2])[:, None]
    pair = to_bytes(torch.cat([image, (turned + shift + 0.1 * torch.tensor([1.0, -0.7, 1.0])[:, None, None])]))
    one = scan(Dataset.of(pair, [0, 0]), side=LARGE)
    same, likeness = confirm(Pictures(one.small, None), torch.tensor([[0, 1]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    assert float(likeness[0]) > 0.97
    assert bool(same[0])
    assert copies([one]).groups == ()


def test_images_in_which_nothing_is_seen_are_compared_by_exact_pixels_alone() -> None:
    grounds = torch.linspace(0.1, 0.9, 20).view(20, 1, 1, 1).expand(20, 3, 32, 32)
    noise = 0.004 * Rng(0, "grain").uniform(torch.arange(20), (3, 32, 32))
    assert copies([scan(Dataset.of(to_bytes(grounds + noise), torch.zeros(20)), side=SMALL)]).groups == ()


def test_likeness_does_not_drift_along_a_chain() -> None:
    first, last = photographs(2, side=32)
    steps = torch.linspace(0, 1, 60)[:, None, None, None]
    morph = to_bytes((1 - steps) * first + steps * last)
    found = copies([scan(Dataset.of(morph, torch.zeros(60)), side=SMALL)])
    assert len(found.groups) > 3
    images = [image for group in found.groups for image in group.images]
    assert len(images) == len(set(images)) > 50
    assert max(len(group.images) for group in found.groups) < 20


@pytest.mark.parametrize("name", ["digits", "shapes:train=1500:dev=300:test=300"])
def test_there_are_none_in_healthy_drawn_data(name: str) -> None:
    assert copies(scanned(load_splits(name))).groups == ()


def test_the_known_copies_of_the_raccoons_are_found(data_root: Path) -> None:
    scans = scanned(load_splits(data_root / "raccoon" / "raccoon_train_val.zip"))
    names = [Path(each.data.name_of(row)).stem for each in scans for row in range(len(each.data))]
    groups = {frozenset(names[image].removeprefix("raccoon-") for image in group.images)
              for group in copies(scans).groups}  # fmt: skip
    assert groups == {frozenset({"65", "98"}), frozenset({"11", "116"}), frozenset({"50", "52", "74"})}


def test_faces_of_one_person_and_frames_of_a_film_are_hardly_ever_copies(data_root: Path) -> None:
    import numpy as np

    faces = torch.from_numpy(np.load(data_root / "orl-faces" / "orl_faces_s1_s30.npz")["X"])[:, None]
    found = copies([scan(Dataset.of(faces, torch.zeros(len(faces))), side=LARGE)])
    assert sum(len(group.images) for group in found.groups) <= 0.1 * len(faces)
    assert copies(scanned(load_splits(data_root / "camvid" / "camvid_subset.zip"))).groups == ()


def test_at_most_half_of_what_is_called_a_copy_in_fashion_mnist_is_false(data_root: Path) -> None:
    splits = load_splits("FashionMNIST", root=data_root)
    parts = [splits.train.limit(16_000), splits.dev.limit(1), splits.test.limit(6_000)]
    found = copies([scan(part, side=SMALL) for part in parts])
    pixels = torch.cat([part.read(torch.arange(len(part))) for part in parts])[:, 0].to(torch.float32)
    wrong = 0
    for group in found.groups:
        first, second = pixels[group.images[0]], pixels[group.images[1]]
        seen = (first > 0) | (second > 0)
        wrong += float((first - second).abs()[seen].mean()) > 15  # the nearest other image differs by 28, as a median
    assert found.exact == 0
    assert 2 <= len(found.groups) <= 30
    assert wrong <= len(found.groups) / 2
