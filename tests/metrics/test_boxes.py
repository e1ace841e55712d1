"""Boxes against sets of pixels and torchvision; masks as run lengths against the pixels themselves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou as their_iou
from torchvision.ops import generalized_box_iou as their_generalised

from oracles.metrics_detection import cells
from striate.core.errors import StriateError
from striate.metrics.boxes import (
    box_areas,
    box_iou,
    crowd_overlap,
    from_centre,
    from_xywh,
    generalised_iou,
    to_centre,
    to_xywh,
)
from striate.metrics.runs import RunLengths, mask_iou

Whole = tuple[int, int, int, int]
BOX = st.tuples(st.integers(-3, 8), st.integers(-3, 8), st.integers(0, 8), st.integers(0, 8)).map(
    lambda each: (each[0], each[1], each[0] + each[2], each[1] + each[3])
)
LISTS = st.tuples(st.lists(BOX, max_size=4), st.lists(BOX, max_size=4))


def boxes(values: list[Whole]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 4)


@settings(deadline=None)
@given(LISTS)
def test_overlaps_are_shares_of_pixels(both: tuple[list[Whole], list[Whole]]) -> None:
    ours, theirs = both
    iou, crowd = box_iou(boxes(ours), boxes(theirs)), crowd_overlap(boxes(ours), boxes(theirs))
    assert iou.shape == crowd.shape == (len(ours), len(theirs))
    assert box_areas(boxes(ours)).tolist() == [len(cells(each)) for each in ours]
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            inside, union = len(cells(one) & cells(other)), len(cells(one) | cells(other))
            assert float(iou[i, j]) == (inside / union if union else 0)
            assert float(crowd[i, j]) == (inside / len(cells(one)) if cells(one) else 0)


@settings(deadline=None)
@given(LISTS)
def test_generalised_iou_takes_off_the_empty_share_of_the_hull(both: tuple[list[Whole], list[Whole]]) -> None:
    ours, theirs = both
    found = generalised_iou(boxes(ours), boxes(theirs))
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            hull = (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))
            inside, union, whole = (
                len(each) for each in (cells(one) & cells(other), cells(one) | cells(other), cells(hull))
            )
            right = (inside / union if union else 0) - ((whole - union) / whole if whole else 0)
            assert float(found[i, j]) == pytest.approx(right, abs=1e-12)


def test_overlaps_of_any_boxes_are_those_of_torchvision() -> None:
    corners = torch.rand(2, 30, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 100
    ours, theirs = torch.cat([corners.amin(2), corners.amax(2)], 2)
    assert torch.allclose(box_iou(ours, theirs), their_iou(ours, theirs), atol=1e-12)
    assert torch.allclose(generalised_iou(ours, theirs), their_generalised(ours, theirs), atol=1e-12)


@given(st.lists(BOX, max_size=4))
def test_ways_to_write_a_box_lead_back_exactly(values: list[Whole]) -> None:
    given_ = boxes(values)
    assert torch.equal(from_xywh(to_xywh(given_)), given_)
    assert torch.equal(from_centre(to_centre(given_)), given_)
    assert torch.equal(box_areas(given_), to_xywh(given_)[:, 2] * to_xywh(given_)[:, 3])


def test_a_box_of_voc_with_1_taken_from_its_left_and_top_has_voc_s_overlaps() -> None:
    # the development kit: widths of whole pixels counted from 1, both ends inside
    one, other = (48, 240, 195, 371), (8, 12, 352, 498)
    inside = (min(one[2], other[2]) - max(one[0], other[0]) + 1) * (min(one[3], other[3]) - max(one[1], other[1]) + 1)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (one, other)]
    ours = [torch.tensor([[x1 - 1, y1 - 1, x2, y2]]) for x1, y1, x2, y2 in (one, other)]
    assert float(box_iou(*ours)) == inside / (sum(areas) - inside)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.zeros(3), r"shape \(3,\)"),
        (torch.tensor([[0.0, 0, 1, 1], [5, 0, 4, 1]]), r"box 1 is \[5.0, 0.0, 4.0, 1.0\].*from_xywh"),
        (torch.tensor([[0.0, 0, torch.nan, 1]]), "box 0 is .*nan.*finite"),
    ],
)
def test_what_is_no_box_is_refused_with_its_row(values: torch.Tensor, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        box_areas(values)


MASKS = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda size: st.lists(
        st.lists(st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
            lambda bits: torch.tensor(bits).view(size)
        ),
        min_size=2,
        max_size=3,
    )
)


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_hold_every_pixel_and_their_overlaps_are_those_of_pixels(masks: list[torch.Tensor]) -> None:
    runs = [RunLengths.of(each) for each in masks]
    for mask, run in zip(masks, runs, strict=True):
        assert torch.equal(run.mask(), mask)
        assert RunLengths.from_coco(run.to_coco()) == run
        assert RunLengths.from_coco({"size": list(run.size), "counts": list(run.counts)}) == run
        assert run.area == int(mask.sum())
        left, top, right, bottom = (int(edge) for edge in run.box)
        assert int(mask[top:bottom, left:right].sum()) == run.area
        if run.area:
            assert all(bool(side.any()) for side in (mask[top], mask[bottom - 1], mask[:, left], mask[:, right - 1]))
    found = mask_iou(runs, runs)
    for i, one in enumerate(masks):
        for j, other in enumerate(masks):
            union = int((one | other).sum())
            assert float(found[i, j]) == (int((one & other).sum()) / union if union else 0)


def test_packed_run_lengths_are_those_of_coco() -> None:
    # runs 6, 1, 40, 5, 4, 8: '6', '1', then 40 in two characters, then changes since two before: 4, -36, 3
    stored = RunLengths((8, 8), (6, 1, 40, 5, 4, 8)).to_coco()
    assert stored == {"size": [8, 8], "counts": "61X14lN3"}
    assert RunLengths.from_coco({"size": [8, 8], "counts": b"61X14lN3"}).counts == (6, 1, 40, 5, 4, 8)


def test_packed_run_lengths_agree_with_the_package() -> None:
    tools = pytest.importorskip("faster_coco_eval.core.mask")
    generator = torch.Generator().manual_seed(0)
    for share in torch.linspace(0, 1, 20):
        mask = torch.rand(23, 47, generator=generator) < share
        theirs = tools.encode(mask.to(torch.uint8).t().contiguous().t().numpy())["counts"]
        assert RunLengths.of(mask).to_coco()["counts"] == (theirs.decode() if isinstance(theirs, bytes) else theirs)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunLengths((2, 2), (1, 2)), "runs sum to 3 in a mask of 2 x 2"),
        (lambda: RunLengths((2, 2), (5, -1)), "lengths of at least 0"),
        (lambda: RunLengths.of(torch.zeros(2)), r"shape \(2,\)"),
        (lambda: RunLengths.from_coco({"size": [2, 2], "counts": "X"}), "end within a number"),
        (lambda: RunLengths.from_coco({"size": [2, 2], "counts": "~"}), "hold '~'"),
        (lambda: RunLengths((1, 2), (2,)).overlap(RunLengths((2, 1), (2,))), "masks of"),
    ],
)
def test_runs_that_make_no_mask_are_refused(make: object, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        make()  # type: ignore[operator]
