"""Figures of outlines, against sets of pixels and distances pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import metrics_segmentation as oracle
from striate.core.errors import StriateError
from striate.metrics.boundary import (
    BandCounts,
    BoundaryCounts,
    Reach,
    boundary_f,
    boundary_iou,
    edge_band,
    matched_pixels,
    outline,
)

Maps = tuple[int, int | None, torch.Tensor, torch.Tensor]


@st.composite
def maps(draw: st.DrawFn) -> Maps:
    """Blocky maps with a few classes, so that there are outlines; also one pixel, one class, void everywhere."""
    classes = draw(st.integers(1, 3))
    void = draw(st.sampled_from([None, 9]))
    n, rows, columns, block = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
    )
    known = list(range(classes)) + ([] if void is None else [void])
    cells = n * rows * columns
    labels = torch.tensor(draw(st.lists(st.sampled_from(known), min_size=cells, max_size=cells)))
    predicted = torch.tensor(draw(st.lists(st.integers(0, classes - 1), min_size=cells, max_size=cells)))
    grow = [
        each.view(n, rows, columns).repeat_interleave(block, 1).repeat_interleave(block, 2)
        for each in (labels, predicted)
    ]
    return classes, void, grow[0], grow[1].roll(draw(st.integers(0, 2)), 2)


@settings(max_examples=60, deadline=None)
@given(maps(), st.sampled_from([0.5, 1.0, 1.5, 5**0.5, 3.0]))
def test_outlines_are_matched_as_pair_by_pair_distances_say(drawn: Maps, distance: float) -> None:
    classes, void, labels, predicted = drawn
    counts = BoundaryCounts(classes, Reach(pixels=distance), void).update(labels, predicted)
    right = [
        [oracle.boundary(one, other, k, void, distance) for k in range(classes)]
        for one, other in zip(labels.tolist(), predicted.tolist(), strict=True)
    ]
    assert counts.counts.tolist() == [[list(each) for each in image] for image in right]
    found = counts.compute()
    means = []
    for k, each in enumerate(found.classes):
        scores = [score for image in right if (score := oracle.f_score(*image[k])) is not None]
        assert each.images == len(scores)
        if not scores:
            assert each.f.value is None
            assert each.f.why.startswith("0/0")
            continue
        assert float(each.f) == pytest.approx(sum(scores) / len(scores), abs=1e-12)
        means.append(sum(scores) / len(scores))
        near, ours, far, theirs = (sum(image[k][i] for image in right) for i in range(4))
        assert each.precision.value == (pytest.approx(near / ours) if ours else None)
        assert each.recall.value == (pytest.approx(far / theirs) if theirs else None)
        assert float(each.pooled_f) == pytest.approx(oracle.f_score(near, ours, far, theirs), abs=1e-12)
    assert found.mean_f.value == (pytest.approx(sum(means) / len(means)) if means else None)


@settings(max_examples=60, deadline=None)
@given(maps(), st.integers(1, 3))
def test_boundary_iou_counts_pixels_within_kings_moves_of_an_edge(drawn: Maps, distance: int) -> None:
    classes, void, labels, predicted = drawn
    found = boundary_iou(labels, predicted, classes, reach=Reach(pixels=distance), void=void)
    size = (labels.shape[1], labels.shape[2])
    for k, number in enumerate(found.classes):
        both = either = 0
        for one, other in zip(labels.tolist(), predicted.tolist(), strict=True):
            truth, guess, counted = oracle.class_sets(one, other, k, void)
            a, b = (oracle.band(mask, counted, size, distance) for mask in (truth, guess))
            both, either = both + len(a & b), either + len(a | b)
        assert number.value == (pytest.approx(both / either) if either else None)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5, unique=True).flatmap(
        lambda points: st.tuples(
            st.just(points), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5, unique=True)
        )
    ),
    st.sampled_from([0.4, 1.0, 1.5, 2.0]),
)
def test_one_to_one_makes_as_many_pairs_as_can_be(
    both: tuple[list[tuple[int, int]], list[tuple[int, int]]], distance: float
) -> None:
    masks = [torch.zeros(5, 5, dtype=torch.bool) for _ in both]
    for mask, points in zip(masks, both, strict=True):
        for y, x in points:
            mask[y, x] = True
    found = matched_pixels(masks[0], masks[1], distance, matching="one_to_one")
    assert found == (oracle.most_pairs(*both, distance),) * 2
    nearest = matched_pixels(masks[0], masks[1], distance)
    assert found[0] <= min(nearest)


def square(left: int, side: int = 20, size: int = 60) -> torch.Tensor:
    labels = torch.zeros(size, size, dtype=torch.int64)
    labels[20 : 20 + side, left : left + side] = 1
    return labels


def test_a_shift_within_reach_is_perfect_and_one_beyond_loses_the_upright_edges() -> None:
    assert float(boundary_f(square(20), square(22), 2, reach=Reach(pixels=2)).classes[1].f) == 1
    far = boundary_f(square(20), square(24), 2, reach=Reach(pixels=2)).classes[1]
    assert float(far.f) == float(far.precision) == float(far.recall)
    # of 76 outline pixels: upper and lower edge overlap in 16 each and reach 2 further; 2 of an upright at each of them
    assert float(far.precision) == pytest.approx((2 * (16 + 2) + 2 * 2) / 76)


def test_a_pixel_exactly_at_the_reach_counts() -> None:
    one, other = torch.zeros(9, 9, dtype=torch.bool), torch.zeros(9, 9, dtype=torch.bool)
    one[1, 1], other[4, 5] = True, True
    assert matched_pixels(one, other, 5.0) == (1, 1)
    assert matched_pixels(one, other, 4.999999) == (0, 0)


def test_the_frame_of_the_image_is_no_outline_but_is_an_edge_of_the_band() -> None:
    whole = torch.ones(6, 7, dtype=torch.bool)
    assert int(outline(whole).sum()) == 0
    assert int(edge_band(whole, 1).sum()) == 2 * 6 + 2 * 7 - 4


def test_an_edge_towards_void_is_no_outline() -> None:
    mask = torch.tensor([[1, 1, 0, 0]]).bool()
    assert outline(mask).tolist() == [[False, True, False, False]]
    assert not outline(mask, torch.tensor([[1, 1, 0, 1]]).bool()).any()


def test_boundary_iou_sees_what_iou_of_a_large_region_hides() -> None:
    labels, predicted = square(10, 40, 64)[None], square(12, 40, 64)[None]
    inside = float(boundary_iou(labels, predicted, 2, reach=Reach(pixels=2)).classes[1])
    assert inside < 0.6 < 38 / 42


def test_parts_and_batches_are_counted_as_one_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (5, 4, 4), generator=generator).repeat_interleave(3, 1).repeat_interleave(3, 2)
    predicted = labels.roll(1, 2)
    for empty in (BoundaryCounts(3, Reach(pixels=1)), BandCounts(3, Reach(pixels=1))):
        parts = empty.update(labels[:2], predicted[:2]).merge(empty.update(labels[2], predicted[2]))
        whole = empty.update(labels, predicted)
        assert parts.update(labels[3:], predicted[3:]).compute(seed=4) == whole.compute(seed=4)
        number = whole.compute().classes[0]
        assert getattr(number, "f", number).why == "95 % by bootstrap over 5 images"
        with pytest.raises(StriateError, match="do not add up"):
            empty.merge(type(empty)(3, Reach(pixels=2)))


def test_maps_without_an_outline_have_no_f_and_one_pixel_has_none() -> None:
    found = boundary_f(torch.zeros(1, 1).long(), torch.zeros(1, 1).long(), 1)
    assert found.mean_f.value is None
    assert found.mean_f.why == "0/0: no outlines"
    assert boundary_iou(torch.zeros(1, 1).long(), torch.zeros(1, 1).long(), 1).mean_iou.value == 1


@pytest.mark.parametrize("given_", [{}, {"pixels": 1.0, "share": 0.1}, {"pixels": 0.0}, {"share": np.nan}])
def test_a_reach_that_is_none_or_two_is_refused(given_: dict[str, float]) -> None:
    with pytest.raises(StriateError, match="a reach of pixels"):
        Reach(**given_)
