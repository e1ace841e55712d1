"""Run lengths and polygons give COCO's own pixels, and damaged ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import data_rle as oracle
from striate.core.errors import StriateError
from striate.data.rle import Runs, box_runs, decode, encode, fill, read_runs


def masks(count: int = 60) -> list[np.ndarray]:
    draws = np.random.default_rng(0)
    shapes = draws.integers(1, 30, (count, 2)).tolist()
    shares = [0, 1, 0.05, 0.5, 0.95]
    return [draws.random(shape) < shares[number % 5] for number, shape in enumerate(shapes)]


def polygons(count: int) -> list[tuple[list[float], int, int]]:
    """Random outlines, half of them with corners on whole or half pixels, some far outside."""
    draws = np.random.default_rng(1)
    out = []
    for number in range(count):
        height, width = draws.integers(1, 24, 2).tolist()
        points = draws.uniform(-8, 32, 2 * int(draws.integers(3, 9)))
        out.append(
            ([points, points.round(), (2 * points).round() / 2, points.round(1)][number % 4].tolist(), height, width)
        )
    return out


def test_runs_and_their_string_are_those_of_the_slow_oracle() -> None:
    for mask in masks():
        runs = encode(mask)
        assert runs.counts.tolist() == oracle.runs_of(mask.astype(int).tolist())
        assert runs.text() == oracle.text_of(runs.counts.tolist())
        assert oracle.counts_of(runs.text()) == runs.counts.tolist()
        for form in (runs.text(), runs.text().encode(), runs.counts.tolist()):
            assert np.array_equal(decode(read_runs(form, mask.shape)), mask)
        assert runs.area == mask.sum()


def test_the_box_of_runs_is_the_extent_of_the_pixels() -> None:
    for mask in masks():
        down, across = np.nonzero(mask)
        expected = (across.min(), down.min(), across.max() + 1, down.max() + 1) if mask.any() else None
        assert encode(mask).box == expected


def test_polygons_have_the_pixels_of_the_slow_oracle() -> None:
    for points, height, width in polygons(200):
        assert fill([points], (height, width)).astype(int).tolist() == oracle.polygon_mask(points, height, width)


def test_pixels_and_strings_are_those_of_the_reference_implementation() -> None:
    reference = pytest.importorskip("faster_coco_eval.core.mask")
    for points, height, width in polygons(300):
        found = reference.frPyObjects([points], height, width)
        assert np.array_equal(fill([points], (height, width)), reference.decode(found)[..., 0])
    for mask in masks():
        assert reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode() == encode(mask).text()


def test_the_masks_of_coco_are_those_of_the_reference_implementation(data_root: Path) -> None:
    reference = pytest.importorskip("faster_coco_eval.core.mask")
    given = json.loads((data_root / "coco-eval" / "instances_val2014_100.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in given["images"]}
    for one in given["annotations"][::4]:
        size, parts = sizes[one["image_id"]], one["segmentation"]
        if isinstance(parts, dict):
            mine, theirs = decode(read_runs(parts["counts"], size)), reference.frPyObjects(parts, *size)
        else:
            mine, theirs = fill(parts, size), reference.merge(reference.frPyObjects(parts, *size))
        assert np.array_equal(mine, reference.decode(theirs))


def test_several_polygons_are_joined_and_direction_does_not_matter() -> None:
    one, two = [1, 1, 5, 1, 5, 5, 1, 5], [3, 3, 9, 3, 9, 9, 3, 9]
    both = fill([one, two], (12, 12))
    assert np.array_equal(both, fill([one], (12, 12)) | fill([two], (12, 12)))
    turned = [number for pair in reversed(list(zip(one[0::2], one[1::2], strict=True))) for number in pair]
    assert np.array_equal(fill([turned], (12, 12)), fill([one], (12, 12)))
    assert not fill([], (3, 4)).any()


def test_a_box_on_whole_pixels_fills_those_pixels() -> None:
    mask = decode(box_runs((2, 1, 5, 4), (6, 7)))
    expected = np.zeros((6, 7), dtype=bool)
    expected[1:4, 2:5] = True
    assert np.array_equal(mask, expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=30))
def test_any_counts_come_back_from_their_string(counts: list[int]) -> None:
    counts[0] += 1
    runs = read_runs(counts, (sum(counts), 1))
    assert read_runs(runs.text(), (sum(counts), 1)).counts.tolist() == counts


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=12))
def test_any_bytes_are_either_a_mask_or_refused(data: bytes) -> None:
    try:
        runs = read_runs(data, (4, 5))
    except StriateError:
        return
    assert decode(runs).shape == (4, 5)


def test_empty_runs_in_the_middle_change_no_pixel() -> None:
    assert read_runs([2, 0, 1, 3], (2, 3)) == read_runs([3, 3], (2, 3)) != read_runs([2, 4], (2, 3))
    assert len({read_runs([2, 0, 1, 3], (2, 3)), read_runs([3, 3], (2, 3))}) == 1
    assert Runs(2, 3, np.array([6])) != "no runs"


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ("2~", "byte 126 at place 1"),
        ("2é", "byte 195"),
        ("2S", "end within a number"),
        ("PPPPPPPP0", "a number of 9 letters"),
        ("25", "cover 7 pixels; accepted: 6"),
        ("", "cover 0 pixels"),
        ([2, -1, 5], "a run of -1 pixels"),
        ([2, 4.5], "not a list of whole numbers"),
        ([2, "4"], "not a list of whole numbers"),
        ([[1], [2, 3]], "not a list of whole numbers"),
        ([10**30], "not a list of whole numbers"),
        ([2**40, 2**40], "cover"),
    ],
)
def test_damaged_runs_are_refused(counts: object, says: str) -> None:
    with pytest.raises(StriateError, match=says):
        read_runs(counts, (2, 3), name="annotation 7")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("polygon", "says"),
    [
        ([1, 2], "has 2 numbers"),
        ([1, 2, 3, 4, 5], "has 5 numbers"),
        ([1, 2, float("nan"), 4, 5, 6], "not finite"),
        ([1, 2, 1e12, 4, 5, 6], "far outside"),
        (["a", 2, 3, 4], "not a list of numbers"),
    ],
)
def test_damaged_polygons_are_refused(polygon: list[float], says: str) -> None:
    with pytest.raises(StriateError, match=says):
        fill([polygon], (4, 4), name="annotation 7")


def test_sizes_without_pixels_are_refused() -> None:
    with pytest.raises(StriateError, match="5x0 pixels"):
        read_runs([0], (0, 5))
    with pytest.raises(StriateError, match="shape"):
        encode(np.zeros((0, 3)))
