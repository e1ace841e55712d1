"""VOC's average precision against its development kit read slowly, in fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from oracles import metrics_detection as oracle
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.metrics.average_precision_voc import (
    PrecisionRecall,
    VocFigures,
    VocMatches,
    voc_figures,
    voc_matching,
)
from striate.metrics.detection import Detections, Truths
from striate.metrics.image_intervals import image_draws, interval_over_images

RANKS = st.lists(st.booleans(), max_size=12).flatmap(
    lambda hits: st.tuples(st.just(hits), st.integers(max(1, sum(hits)), sum(hits) + 5))
)


@settings(deadline=None)
@given(RANKS)
def test_area_eleven_and_hundred_and_one_points_are_those_of_fractions(ranks: tuple[list[bool], int]) -> None:
    hits, objects = ranks
    curve = PrecisionRecall(torch.tensor(hits, dtype=torch.bool), objects)
    right = oracle.points([(0.0, int(hit), int(not hit)) for hit in hits], objects)
    assert curve.recall.tolist() == pytest.approx([float(r) for r, _ in right])
    assert curve.precision.tolist() == pytest.approx([float(p) for _, p in right])
    assert curve.area().value == pytest.approx(float(oracle.area_under(right)))
    for points in (2, 11, 101):
        assert curve.sampled(points).value == pytest.approx(float(oracle.at_levels(right, points)))
    gained = [p for hit, (_, p) in zip(hits, right, strict=True) if hit]
    assert curve.steps().value == pytest.approx(float(sum(gained, Fraction(0)) / objects))
    assert float(curve.steps()) <= float(curve.area()) + 1e-12
    assert bool((curve.envelope[1:] <= curve.envelope[:-1]).all())


def test_the_lectures_ten_detections_have_four_average_precisions() -> None:
    curve = PrecisionRecall(torch.tensor([letter == "T" for letter in "TTFFFTTFFT"]), objects=5)
    found = [float(each) for each in (curve.area(), curve.sampled(11), curve.sampled(101), curve.steps())]
    assert found == pytest.approx([0.728571, 0.753247, 0.731259, 0.714286], abs=1e-6)


def test_a_perfect_ranking_has_average_precision_one_in_every_form_and_objects_not_found_cost() -> None:
    perfect, half = (PrecisionRecall(torch.ones(n, dtype=torch.bool), 4) for n in (4, 2))
    assert [float(each) for each in (perfect.area(), perfect.sampled(11), perfect.steps())] == [1, 1, 1]
    assert float(half.area()) == 0.5


def test_the_sum_of_steps_is_scikit_learns_average_precision_where_all_is_found() -> None:
    hits = torch.rand(50, generator=torch.Generator().manual_seed(0)) < 0.4
    curve = PrecisionRecall(hits, int(hits.sum()))
    assert float(curve.steps()) == pytest.approx(average_precision_score(hits, -torch.arange(50)))


def test_three_of_ten_reach_the_recall_of_three_tenths_although_floats_differ() -> None:
    curve = PrecisionRecall(torch.tensor([True, True, True]), objects=10)
    assert 3 / 10 < 3 * 0.1
    assert float(curve.sampled(11)) == pytest.approx(4 / 11)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[int, list[oracle.Thing], list[oracle.Thing]]:
    """Images, objects and detections of two classes; scores differ, since the kit's order of equal ones is a file's."""
    images = draw(st.integers(1, 3))

    def thing(**more: Any) -> oracle.Thing:
        left, top, across, down = draw(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
        )
        box = (left, top, left + across, top + down)
        place = {"image": draw(st.integers(0, images - 1)), "class": draw(st.integers(0, 1))}
        return {**place, "box": box, "cells": oracle.cells(box), "difficult": False, **more}

    truths = [thing(difficult=draw(st.integers(0, 3)) == 0) for _ in range(draw(st.integers(0, 6)))]
    found = [thing() for _ in range(draw(st.integers(0, 4)))]
    found += draw(st.lists(st.sampled_from(truths), max_size=5)) if truths else []
    order = draw(st.permutations(range(len(found))))
    return images, truths, [{**each, "score": float(rank)} for rank, each in zip(order, found, strict=True)]


def values(images: int, truths: list[oracle.Thing], found: list[oracle.Thing]) -> tuple[list[Truths], list[Detections]]:
    """The same as values, image by image."""
    known, guessed = [], []
    for image in range(images):
        mine, ours = ([each for each in things if each["image"] == image] for things in (truths, found))
        boxes = [
            torch.tensor([each["box"] for each in things], dtype=torch.float64).view(-1, 4) for things in (mine, ours)
        ]
        classes = [torch.tensor([each["class"] for each in things], dtype=torch.int64) for things in (mine, ours)]
        difficult = torch.tensor([each["difficult"] for each in mine], dtype=torch.bool)
        known.append(Truths(boxes[0], classes[0], difficult=difficult))
        guessed.append(Detections(boxes[1], classes[1], torch.tensor([each["score"] for each in ours])))
    return known, guessed


@settings(max_examples=80, deadline=None)
@given(scenes(), st.sampled_from([0.3, 0.5, 0.75]), st.sampled_from(["all", "eleven"]))
def test_average_precision_is_that_of_the_development_kit(
    scene: tuple[int, list[oracle.Thing], list[oracle.Thing]], threshold: float, points: Any
) -> None:
    images, truths, found = scene
    figures = voc_figures(*values(images, truths, found), 2, threshold=threshold, points=points, draws=0)
    right = []
    for k, each in enumerate(figures.classes):
        mine, ours = ([one for one in things if one["class"] == k] for things in (truths, found))
        rows, objects = oracle.voc_ranks(mine, ours, threshold)
        assert (each.objects, each.hits) == (objects, sum(hit for _, hit, _ in rows))
        assert each.detections == sum(hit + miss for _, hit, miss in rows)
        if objects == 0:
            assert each.ap.value is None
            assert each.ap.why == "0/0: no object of the class"
            continue
        curve = oracle.points(rows, objects)
        right.append(float(oracle.area_under(curve) if points == "all" else oracle.at_levels(curve, 11)))
        assert each.ap.value == pytest.approx(right[-1])
    assert figures.mean_ap.value == (pytest.approx(sum(right) / len(right)) if right else None)


def one_class(boxes: list[list[float]], **more: Any) -> dict[str, Any]:
    return {"boxes": torch.tensor(boxes), "classes": torch.zeros(len(boxes), dtype=torch.int64), **more}


def test_a_detection_looks_at_its_best_object_even_if_taken_while_coco_would_take_the_next() -> None:
    truths = Truths(**one_class([[0, 0, 10, 10], [0, 0, 10, 7]]))
    found = Detections(**one_class([[0, 0, 10, 10], [0, 0, 10, 9]], scores=torch.tensor([0.9, 0.8])))
    hits, counts, best = voc_matching(truths, found)
    assert hits.tolist() == [True, False]  # .9 with the first object, .78 with the second, which stays free
    assert counts.tolist() == [True, True]
    assert best.tolist() == [0, 0]


def test_an_overlap_of_exactly_the_threshold_is_enough() -> None:
    truths, found = (
        Truths(**one_class([[0, 0, 10, 10]])),
        Detections(**one_class([[0, 0, 10, 5]], scores=torch.tensor([0.9]))),
    )
    assert voc_matching(truths, found, threshold=0.5)[0].tolist() == [True]
    assert voc_matching(truths, found, threshold=0.5000001)[0].tolist() == [False]


def test_a_difficult_object_costs_nothing_and_a_crowd_is_treated_alike() -> None:
    boxes = one_class([[0, 0, 10, 10]])
    found = Detections(**boxes, scores=torch.tensor([0.9]))
    for marks in ({"difficult": torch.tensor([True])}, {"crowd": torch.tensor([True])}):
        figures = voc_figures([Truths(**boxes, **marks)], [found], 1)
        assert (figures.classes[0].objects, figures.classes[0].detections) == (0, 0)
        assert figures.mean_ap.why == "0/0: no objects"


def scattered(images: int, seed: int = 0) -> VocMatches:
    """Images with objects of two classes and detections that hit more often the surer they are."""
    generator = torch.Generator().manual_seed(seed)
    matches = VocMatches(2)
    for _ in range(images):
        n = int(torch.randint(0, 4, (), generator=generator))
        boxes = torch.rand(n, 4, generator=generator) * 20
        boxes[:, 2:] += boxes[:, :2] + 5
        classes = torch.randint(0, 2, (n,), generator=generator)
        scores = torch.rand(n, generator=generator)
        moved = boxes + (1 - scores[:, None]) * 8
        truths = Truths(boxes, classes)
        matches = matches.update(truths, Detections(moved, classes, scores))
    return matches


@pytest.mark.parametrize("points", ["all", "eleven"])
def test_draws_are_average_precisions_of_images_put_together_again(points: Any) -> None:
    matches = scattered(9)
    drawn = []
    for times in next(image_draws(9, seed=3, draws=100)).tolist():
        chosen = [part for part, n in zip(matches.parts, times, strict=True) for _ in range(int(n))]
        drawn.append(float(VocMatches(2, parts=tuple(chosen)).compute(points=points, draws=0).mean_ap))
    number = matches.compute(points=points, seed=3, draws=100).mean_ap
    right = interval_over_images(float(number), torch.tensor(drawn, dtype=torch.float64), 9)
    assert (number.low, number.high) == pytest.approx((right.low, right.high), abs=1e-12)
    assert number.why == right.why


def test_intervals_depend_on_the_seed_and_shrink_with_images() -> None:
    few, many = scattered(20), scattered(200)
    assert few.compute(seed=1) == few.compute(seed=1)
    assert few.compute(seed=1).mean_ap.low != few.compute(seed=2).mean_ap.low
    widths = [float(each.high or 0) - float(each.low or 0) for each in (few.compute().mean_ap, many.compute().mean_ap)]
    assert widths[1] < widths[0] / 2
    assert few.compute().mean_ap.why == "95 % by bootstrap over 20 images"
    assert few.compute(draws=0).mean_ap.why == "no interval was asked for"


def test_parts_merge_to_the_whole_and_curves_come_by_class() -> None:
    whole = scattered(12)
    parts = VocMatches(2, parts=whole.parts[:5]).merge(VocMatches(2, parts=whole.parts[5:]))
    assert parts.compute(seed=4) == whole.compute(seed=4)
    for k, each in enumerate(whole.compute().classes):
        curve = whole.curve(k)
        assert curve.area().value == each.ap.value
        assert curve.scores is not None
        assert bool((curve.scores.diff() <= 0).all())
    assert from_json(to_json(whole.compute()), VocFigures) == whole.compute()


def test_no_images_no_detections_and_no_objects_have_their_reasons() -> None:
    assert VocMatches(2).compute().mean_ap.why == "0/0: no objects"
    boxes = one_class([[0, 0, 10, 10]])
    empty = one_class([])
    empty["boxes"] = torch.zeros(0, 4)
    missed = voc_figures([Truths(**boxes)], [Detections(**empty, scores=torch.zeros(0))], 1)
    assert missed.mean_ap.value == 0
    figures = voc_figures([Truths(**empty)], [Detections(**boxes, scores=torch.tensor([0.3]))], 1)
    assert figures.classes[0].ap.value is None
    assert figures.classes[0].detections == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PrecisionRecall(torch.tensor([True, True]), 1), r"2 hits \(shape \(2,\)\) of 1 objects"),
        (lambda: PrecisionRecall(torch.tensor([True]), 1).sampled(1), "points is 1"),
        (lambda: VocMatches(0), "0 classes"),
        (lambda: VocMatches(1, threshold=0.0), "an IoU of 0.0"),
        (lambda: VocMatches(1).compute(points="ten"), "points is 'ten'"),  # type: ignore[arg-type]
        (lambda: VocMatches(1).merge(VocMatches(1, threshold=0.7)), "do not add up"),
        (lambda: voc_figures([Truths(torch.zeros(0, 4), torch.zeros(0).long())], [], 1), "detections of 0"),
    ],
)
def test_what_cannot_be_ranked_is_refused(make: Any, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        make()
