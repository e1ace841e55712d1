"""Each fault that is planted in healthy images is found, by name; healthy data are left in peace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from checks.drawn import photographs, picture, splits_of
from striate.checks.case import Case, Noticed
from striate.checks.quality import CHECKS
from striate.checks.scan import scan, small_side
from striate.core.image import to_bytes
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits


def noticed(splits: Splits) -> dict[str, Noticed]:
    """What the checks of single images say, by name."""
    case = Case(splits, tuple(scan(part, side=small_side(splits)) for part in splits), "data")
    return {each.finding.check: each for check in CHECKS for each in check(case)}


def with_fault(fault: torch.Tensor, *, gain: float = 1.0) -> Splits:
    """Forty healthy images, and this one at row 40."""
    images = torch.cat([gain * photographs(40), fault[None]])
    return splits_of(Dataset.of(to_bytes(images), torch.zeros(41), name="planted"))


ONE = photographs(41)[40]
FAULTS = {
    "single-colour": torch.full_like(ONE, 0.4),
    "too-dark": 0.12 * ONE,
    "too-bright": 0.93 + 0.07 * ONE,
    "blurred": torch.nn.functional.interpolate(ONE[None, :, ::8, ::8], (96, 96), mode="bicubic")[0].clamp(0, 1),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_planted_fault_is_found_at_its_place_and_nothing_else_is_said(name: str) -> None:
    found = noticed(with_fault(FAULTS[name]))
    assert set(found) == {name}
    assert found[name].rows == (40,)
    assert found[name].shown == ((40,),)
    assert "planted 40" in found[name].finding.seen
    assert found[name].finding.evidence[0].number is not None
    assert float(found[name].finding.evidence[0].number) == 1
    assert found[name].finding.mend


def files(folder: Path, odd: tuple[int, int]) -> Splits:
    """Twenty images of about 300 x 200 in files, and one of this width and height."""
    (folder / "a").mkdir()
    for number, image in enumerate(photographs(20)):
        picture(image).resize((300 + number, 200)).save(folder / "a" / f"{number:02}.png")
    large = picture(photographs(1, side=900)[0])
    large = large.crop((0, 0, *odd)) if max(odd) < 900 else large.resize(odd)
    large.save(folder / "a" / "odd.png")
    return load_splits(folder)


@pytest.mark.parametrize(
    ("odd", "name"), [((24, 20), "tiny"), ((2100, 2000), "huge"), ((800, 90), "odd-aspect"), ((90, 800), "odd-aspect")]
)
def test_an_image_of_an_odd_size_is_found(odd: tuple[int, int], name: str, tmp_path: Path) -> None:
    found = noticed(files(tmp_path, odd))
    assert set(found) == {name}
    assert "a/odd.png" in found[name].finding.seen
    assert found[name].facts == (f"{odd[0]}x{odd[1]}",)


def test_sizes_that_differ_as_photographs_do_are_no_fault(tmp_path: Path) -> None:
    assert noticed(files(tmp_path, (150, 220))) == {}


def test_a_set_of_dark_or_bright_or_soft_images_is_no_fault() -> None:
    dark = splits_of(Dataset.of(to_bytes(0.12 * photographs(40)), torch.zeros(40)))
    bright = splits_of(Dataset.of(to_bytes(0.93 + 0.07 * photographs(40)), torch.zeros(40)))
    soft = torch.nn.functional.interpolate(photographs(40)[..., ::8, ::8], (96, 96), mode="bicubic").clamp(0, 1)
    assert noticed(dark) == noticed(bright) == noticed(splits_of(Dataset.of(to_bytes(soft), torch.zeros(40)))) == {}


def test_one_much_darker_image_in_a_dark_set_is_still_found() -> None:
    assert set(noticed(with_fault(0.03 * ONE, gain=0.12))) == {"too-dark"}


@pytest.mark.parametrize(
    "name", ["digits", "shapes:train=1500:dev=100:test=100", "shapes:64:objects=3:train=200:dev=50:test=50"]
)
def test_nothing_is_said_of_healthy_drawn_data(name: str) -> None:
    assert noticed(load_splits(name)) == {}


@pytest.mark.parametrize(
    "place",
    ["imagenet-sample/imagenet_sample300.zip", "dtd/dtd10_200.zip", "raccoon/raccoon_train_val.zip",
     "camvid/camvid_subset.zip"],
)  # fmt: skip
def test_nothing_is_said_of_real_photographs(place: str, data_root: Path) -> None:
    assert noticed(load_splits(data_root / place)) == {}


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_hardly_anything_is_said_of_small_grey_pictures(name: str, data_root: Path) -> None:
    test = load_splits(name, root=data_root).test
    found = noticed(splits_of(test.take(range(0, len(test), 2))))
    assert sum(len(each.rows) for each in found.values()) <= 10, {name: each.rows for name, each in found.items()}


def test_a_grey_photograph_beside_a_large_one_is_judged_at_one_scale(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number, image in enumerate(photographs(12, side=128)):
        picture(image).save(tmp_path / "a" / f"{number:02}.png")
    fine = photographs(1, side=512, seed=7)[0]
    Image.fromarray(to_bytes(fine).permute(1, 2, 0).numpy()).resize((1400, 1400)).save(tmp_path / "a" / "large.png")
    assert noticed(load_splits(tmp_path)) == {}
