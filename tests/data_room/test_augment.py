"""The grid of transforms: what it shows, what it measures, and what it warns of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate as st
from striate.core.errors import StriateError, UnknownNameError
from striate.core.finding import Finding
from striate.core.rng import Rng
from striate.data.annotations import VOID, Annotations
from striate.data.augment import Limits, augmented_grid
from striate.data.dataset import Dataset
from striate.data.harm import augment_findings
from striate.data.load import load_data
from striate.data.payload import Augmented
from striate.data.sheet import COLOURS, Tile, marked, sheet
from striate.data.transforms import TRANSFORMS, RandomFlip, is_mixer

FEW = Limits(measured=4)


def shapes(*, objects: int = 1) -> Dataset:
    """A few drawn shapes with boxes and masks."""
    return load_data(f"shapes:objects={objects}", split="train").limit(12)


def opened(data: bytes) -> np.ndarray:
    """A PNG as an array."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture(scope="module")
def everything() -> tuple[Augmented, dict[str, bytes]]:
    """All transforms of three shapes, two draws each."""
    return augmented_grid(shapes(objects=3), [0, 4, 8], draws=2, seed=3, limits=FEW)


def test_every_transform_has_its_pictures_its_numbers_and_its_column(
    everything: tuple[Augmented, dict[str, bytes]],
) -> None:
    result, album = everything
    assert [each.name for each in result.transforms] == list(TRANSFORMS)
    assert len(result.pictures) == 3 + 3 * 2 * len(TRANSFORMS)
    assert {each.file for each in result.pictures} | {result.sheet} == set(album)
    for each in result.transforms:
        assert each.change.value is not None
        assert 0.0 < each.change.value < 0.6, each.name
        assert each.change.n == 3 * 4
        assert (each.lost.value is None) == is_mixer(each.name)
    light = {each.name: each.lost.value for each in result.transforms if each.family in {"light", "levels", "focus"}}
    assert set(light.values()) == {0.0}
    assert all(opened(album[each.file]).shape == (128, 128, 3) for each in result.pictures)
    again, same = augmented_grid(shapes(objects=3), [0, 4, 8], draws=2, seed=3, limits=FEW)
    assert again == result
    assert same == album
    other, _ = augmented_grid(shapes(objects=3), [0, 4, 8], draws=2, seed=4, limits=FEW, names=["rotation"])
    assert other.transforms[0].change != result.transforms[list(TRANSFORMS).index("rotation")].change


def test_changes_and_losses_are_those_counted_by_hand() -> None:
    data = shapes()
    result, _ = augmented_grid(data, [1, 2], names=["flip", "translation"], seed=5, limits=FEW)
    images = data.images([1, 2])
    assert result.transforms[0].change.value == pytest.approx(float((images - images.flip(3)).abs().mean()), rel=1e-6)
    move = TRANSFORMS.load("translation")
    gone, changes = 0, []
    for step in range(4):
        drawn = move.draw(data.ids[[1, 2]], Rng(5, "augment").child("translation"), step=step, shape=(3, 32, 32))
        changes.append((move.apply(images, drawn) - images).abs().mean())
        for row in range(2):
            gone += 1 - move.moved(data.annotations(row + 1), drawn, (32, 32), row=row).objects
    assert result.transforms[1].change.value == pytest.approx(float(torch.stack(changes).mean()), rel=1e-6)
    assert result.transforms[1].lost.value == gone / 8
    assert result.transforms[0].lost.value == 0.0


def test_what_is_hidden_counts_as_lost_and_labels_under_void_are_counted() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, 0, 0] = True
    tiny = Annotations(boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64), masks=mask)
    regions = torch.zeros(8, 8, dtype=torch.uint8)
    regions[:4] = 2
    pixels = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    boxed = Dataset.of(pixels, [0, 0], notes=(tiny, tiny), split="train")
    limits = Limits(measured=400)
    result, _ = augmented_grid(boxed, [0], names=["cutout"], limits=limits)
    # a square of 4 pixels whose middle lies in the upper left 3 x 3 pixels covers the first pixel
    assert result.transforms[0].lost.value == pytest.approx((3 / 8) ** 2, abs=0.06)
    mapped = Dataset.of(pixels, [0, 0], notes=(Annotations(regions=regions),) * 2, split="train")
    result, _ = augmented_grid(mapped, [0], names=["translation", "flip"], limits=limits)
    assert result.transforms[0].unlabelled.value == pytest.approx(1 - (1 - 0.1) ** 2, abs=0.05)
    assert result.transforms[1].unlabelled.value == 0.0
    assert VOID not in regions


def test_transforms_that_cannot_be_shown_are_left_out_with_the_reason() -> None:
    grey = shapes().as_channels(1)
    result, _ = augmented_grid(grey, [0, 1], names=["hue", "rotation", "mixup"], limits=FEW)
    assert [each.name for each in result.transforms] == ["rotation", "mixup"]
    assert result.left_out == ("hue: the images are grey",)
    alone, _ = augmented_grid(shapes(), [0], names=["rotation", "mixup"], limits=FEW)
    assert alone.left_out == ("mixup: it needs two images",)
    with pytest.raises(StriateError, match="hue: the images are grey"):
        augmented_grid(grey, [0, 1], names=["hue"], limits=FEW)
    with pytest.raises(UnknownNameError, match="rotation"):
        augmented_grid(shapes(), [0], names=["rotatoin"])
    with pytest.raises(StriateError, match="0 images"):
        augmented_grid(shapes(), [])


def test_mixed_pictures_say_the_shares_of_both() -> None:
    result, _ = augmented_grid(shapes(), [0, 1, 2], names=["cutmix", "mixup"], limits=FEW)
    for picture in (each for each in result.pictures if each.transform):
        assert picture.share is not None
        own, other = picture.label.split(", ")
        assert float(own.split()[0]) == pytest.approx(picture.share, abs=0.006)
        assert float(own.split()[0]) + float(other.split()[0]) == pytest.approx(1.0, abs=0.011)
        assert own.split()[1] == shapes().classes[int(shapes().labels[picture.row])]


def test_photographs_of_any_size_are_shown_small_with_their_boxes(tmp_path: Path) -> None:
    for name, size in (("a", (500, 300)), ("b", (90, 400))):
        (tmp_path / name).mkdir()
        for number in range(5):
            noise = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / name / f"{number}.png")
    data = load_data(tmp_path, split="train")
    result, album = augmented_grid(data, [0, len(data) - 1], names=["rotation", "cutmix"], limits=FEW)
    assert opened(album["original-0.png"]).shape == (134, 224, 3)
    assert opened(album["original-1.png"]).shape == (224, 50, 3)
    assert opened(album["cutmix-1.png"]).shape == (134, 224, 3)
    assert result.n == 2


def test_marks_are_drawn_where_they_lie_in_the_colours_of_their_classes() -> None:
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[0, 4:8, 2:12] = True
    boxes = torch.tensor([[2.0, 4.0, 12.0, 8.0]], dtype=torch.float64)
    known = Annotations(boxes=boxes, box_classes=torch.tensor([9]), masks=mask)
    picture = marked(torch.zeros(1, 16, 16), known)
    assert picture.shape == (3, 128, 128)
    ink = torch.tensor(COLOURS[1])
    assert torch.allclose(picture[:, 32, 40], ink)
    assert torch.allclose(picture[:, 63, 40], ink)
    assert torch.allclose(picture[:, 40, 16], ink)
    assert torch.allclose(picture[:, 40, 95], ink)
    assert torch.allclose(picture[:, 44, 60], 0.18 * ink)
    assert float(picture[:, 20].sum()) == 0.0
    regions = torch.full((16, 16), VOID, dtype=torch.uint8)
    regions[:, 8:] = 3
    mapped = marked(torch.zeros(3, 16, 16), Annotations(regions=regions))
    assert float(mapped[:, :, :62].sum()) == 0.0
    assert torch.allclose(mapped[:, 5, 100], 0.35 * torch.tensor(COLOURS[3]))
    outside = Annotations(boxes=torch.tensor([[-5.0, -5.0, 40.0, 40.0]], dtype=torch.float64))
    assert marked(torch.zeros(3, 16, 16), outside).shape == (3, 128, 128)
    assert marked(torch.zeros(3, 300, 200), Annotations()).shape == (3, 300, 200)


def test_a_sheet_goes_on_below_where_its_columns_do_not_fit() -> None:
    tile = Tile(torch.ones(3, 64, 64), ("half", "half"))
    rows = [("one", [tile] * 7), ("two", [tile] * 7)]
    narrow, wide = (
        Image.open(io.BytesIO(sheet(rows, list("abcdefg"), title="letters", width=width))) for width in (300, 2000)
    )
    assert narrow.width < 320
    assert narrow.height > 2 * wide.height - 60
    assert wide.width > 7 * 64


def named(found: tuple[Finding, ...]) -> set[str]:
    """Their ids."""
    return {each.id for each in found}


def test_findings_name_what_destroys_labels_and_are_silent_otherwise() -> None:
    pixels = torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    corner = Annotations(boxes=torch.tensor([[0.0, 0.0, 3.0, 3.0]], dtype=torch.float64))
    data = Dataset.of(pixels, [0] * 4, notes=(corner,) * 4, split="train")
    limits = Limits(measured=24)
    names = ["flip", "resized_crop", "brightness", "trivial_augment"]
    result, _ = augmented_grid(data, [0, 1, 2], names=names, limits=limits)
    found = augment_findings(result, ["cat", "dog"], data="pets")
    assert {"augment-loses/resized_crop", "augment-blank/trivial_augment"} <= named(found)
    assert not {each for each in named(found) if "flip" in each or "brightness" in each}
    assert "striate augment pets --transforms resized_crop" in found[0].command
    digits = named(augment_findings(result, list("0123456789"), data="d"))
    assert {"augment-mirror/flip", "augment-turn/trivial_augment"} <= digits
    assert "augment-mirror/flip" in named(augment_findings(result, ["left hand", "Right-hand"], data="d"))
    colours = named(augment_findings(result, ["red car", "blue car"], data="d"))
    assert "augment-colour/trivial_augment" in colours
    assert "augment-colour/flip" not in colours
    assert "augment-colour/trivial_augment" not in named(augment_findings(result, ["red car", "dog"], data="d"))


def test_the_verb_shows_spread_rows_and_writes_everything(tmp_path: Path) -> None:
    report = st.augment("shapes", transforms="rotation,cutmix", images=3, limit=30, quiet=True, out=tmp_path / "a")
    assert [each.row for each in report.result.pictures if not each.transform] == [0, 10, 20]
    written = {path.name for path in (tmp_path / "a").iterdir()}
    assert {each.file for each in report.result.pictures} | {"sheet.png", "report.json", "citations.bib"} == written
    assert "yun2019cutmix" in report.origin.cites
    few = st.augment("shapes", transforms=("grey",), images=9, limit=2, quiet=True)
    assert few.result.n == 2
    for wrong in ({"images": 0}, {"draws": 0}, {"transforms": "rotatoin"}):
        with pytest.raises(StriateError):
            st.augment("shapes", limit=4, quiet=True, **wrong)


def test_a_flip_is_shown_in_every_picture_though_training_makes_it_in_half() -> None:
    data = shapes()
    _, album = augmented_grid(data, [0, 1, 2, 3], names=["flip"], limits=FEW)
    flip = RandomFlip(1.0)
    for row in range(4):
        sample = data.sample(row)
        expected = marked(sample.image.flip(2), flip.moved(sample, {"swapped": torch.tensor([True])}, (32, 32)))
        assert np.array_equal(
            opened(album[f"flip-{row}.png"]), (expected.permute(1, 2, 0) * 255).round().byte().numpy()
        )
