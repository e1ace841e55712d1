"""Properties of images equal the papers' formulas, do not depend on the batch, and are taken from images as stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from checks.drawn import photographs
from oracles.checks_pixels import blur, colourfulness, luma, mean_and_deviation
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.data.load import load_splits
from striate.data.properties import PROPERTIES, edge_sharpness, image_properties, pixel_properties, stored_images
from striate.data.stores import TensorStore


def drawn(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Images of noise on a slope."""
    noise = Rng(3, "properties").uniform(torch.arange(count), (channels, height, width))
    return 0.6 * noise + 0.4 * torch.linspace(0, 1, width)


def test_they_equal_the_papers_formulas_in_double_precision() -> None:
    images = drawn(3, 3, 21, 34)
    found = pixel_properties(images)
    assert tuple(found) == PROPERTIES
    for row, image in enumerate(images):
        planes = [plane.tolist() for plane in image]
        grey = luma(*planes)
        mean, deviation = mean_and_deviation(grey)
        expected = {
            "brightness": mean, "contrast": deviation, "colourfulness": colourfulness(*planes),
            "sharpness": 1 - blur(grey), "height": 21, "width": 34, "aspect": 34 / 21,
        }  # fmt: skip
        for name, value in expected.items():
            assert float(found[name][row]) == pytest.approx(value, rel=2e-5), name


def test_a_blurred_image_is_less_sharp_whatever_its_contrast() -> None:
    images = photographs(4)[:, :1]
    soft = torch.nn.functional.avg_pool2d(torch.nn.functional.avg_pool2d(images, 7, 1, 3), 7, 1, 3)
    sharp, blurred = edge_sharpness(images[:, 0]), edge_sharpness(soft[:, 0])
    assert bool((blurred < 0.6 * sharp).all())
    assert torch.allclose(edge_sharpness(0.1 * images[:, 0] + 0.4), sharp, atol=1e-4)


def test_motion_blur_is_seen_and_stripes_are_not_taken_for_it() -> None:
    images = photographs(4)[:, 0]
    moved = torch.nn.functional.avg_pool2d(images[:, None], (1, 15), 1, (0, 7))[:, 0]
    stripes = images[:, :1].expand(-1, 96, -1)
    assert bool((edge_sharpness(moved) < 0.6 * edge_sharpness(images)).all())
    assert bool((edge_sharpness(stripes) > 0.4).all())


def test_an_image_of_one_colour_has_no_contrast_and_no_sharpness() -> None:
    found = pixel_properties(torch.full((1, 3, 9, 9), 0.25))
    assert float(found["brightness"][0]) == pytest.approx(0.25)
    assert all(
        float(found[name][0]) == pytest.approx(0, abs=1e-6) for name in ("contrast", "sharpness", "colourfulness")
    )


def test_streamed_they_are_what_one_image_alone_gives() -> None:
    data = load_splits("shapes:train=1500").train
    streamed = image_properties(data)
    for row in (0, 700, 1499):
        alone = pixel_properties(data.images([row]))
        assert all(float(streamed[name][row]) == pytest.approx(float(alone[name][0]), rel=1e-12) for name in PROPERTIES)


def test_the_geometry_of_the_data_is_not_applied() -> None:
    data = load_splits("shapes:train=5").train
    resized = image_properties(data.resized(Geometry((8, 12))))
    plain = image_properties(data)
    assert all(torch.equal(plain[name], resized[name]) for name in PROPERTIES)


def test_images_of_any_size_come_in_order_with_those_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(7):
        Image.new("RGB", (20 + number, 30), (10 * number, 0, 0)).save(tmp_path / "a" / f"{number}.png")
    victim = load_splits(tmp_path).train.name_of(2)
    (tmp_path / victim).write_bytes((tmp_path / victim).read_bytes()[:60])  # its header can still be read
    train = load_splits(tmp_path).train
    rows, broken = [], []
    for row, images in stored_images(train, workers=3):
        rows += row.tolist()
        broken += [int(row[0])] if isinstance(images, ImageError) else []
    assert rows == list(range(len(train)))
    assert broken == [2]
    with pytest.raises(ImageError, match=Path(victim).name):
        image_properties(train)


class Mixed(TensorStore):
    """A store that gives images one at a time alone, as one does whose first files agree in size and others do not."""

    def read(self, places, channels, geometry):  # type: ignore[no-untyped-def]
        if len(places) > 1:
            raise StriateError("the images differ in size")
        if int(places[0]) == 5:
            raise StriateError("the archive is gone")
        return super().read(places, channels, geometry)


def test_a_chunk_that_cannot_be_read_whole_is_read_one_by_one_and_other_errors_are_raised() -> None:
    images = drawn(6, 1, 8, 8)
    data = Dataset.of(images, [0] * 6)
    mixed = replace(data, store=Mixed(TensorStore.of(images, name="mixed").pixels, "mixed"))
    found = list(stored_images(mixed.take(range(5))))
    assert [row.tolist() for row, _ in found] == [[0], [1], [2], [3], [4]]
    with pytest.raises(StriateError, match="the archive is gone"):
        list(stored_images(mixed))


def test_a_negative_number_of_workers_is_refused() -> None:
    data = Dataset.of(torch.zeros(1, 1, 4, 4), [0])
    with pytest.raises(StriateError, match="workers is -1"):
        image_properties(data, workers=-1)


def test_nothing_gives_nothing() -> None:
    data = Dataset.of(torch.zeros(1, 1, 4, 4), [0]).take([])
    assert all(len(values) == 0 for values in image_properties(data).values())
