"""COCO's average precision against its published numbers and a slow reading of its rules; errors by kind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import metrics_detection as oracle
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.metrics.average_precision_voc import voc_figures
from striate.metrics.boxes import from_xywh
from striate.metrics.detection import CocoEvaluation, CocoFigures, Detections, Of, Truths, coco_figures
from striate.metrics.detection_errors import KINDS, ErrorTally, detection_errors, image_errors
from striate.metrics.runs import RunLengths

Scene = tuple[int, int, list[oracle.Thing], list[oracle.Thing]]


@pytest.fixture
def package() -> None:
    pytest.importorskip("faster_coco_eval", reason="the extra `detection` is not installed")


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Images, classes, objects, detections on a grid; crowds, all sizes, equal scores and empty images come."""
    images, classes = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    scale = draw(st.sampled_from([4, 12, 30]))  # sides of 1 to 6 squares: areas on both sides of 32 x 32 and 96 x 96

    def thing(**more: Any) -> oracle.Thing:
        left, top, across, down = draw(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 6), st.integers(1, 6))
        )
        box = tuple(scale * edge for edge in (left, top, left + across, top + down))
        return {
            "image": draw(st.integers(0, images - 1)),
            "class": draw(st.integers(0, classes - 1)),
            "box": box,
            "cells": oracle.cells(box, scale),  # type: ignore[arg-type]
            "area": (box[2] - box[0]) * (box[3] - box[1]),
            "crowd": False,
            "difficult": False,
            **more,
        }

    def mark() -> bool:
        return draw(st.integers(0, 4)) == 0

    truths = [thing(crowd=mark(), difficult=mark()) for _ in range(draw(st.integers(0, 6)))]
    found = [thing(score=draw(st.sampled_from([0.25, 0.5, 0.5, 0.75]))) for _ in range(draw(st.integers(0, 6)))]
    # some detections lie on objects, so that hits, duplicates and crowds come often
    near = draw(st.lists(st.sampled_from(truths), max_size=4)) if truths else []
    found += [{**each, "crowd": False, "score": draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]))} for each in near]
    return images, classes, truths, found


def masks_of(things: list[oracle.Thing]) -> torch.Tensor:
    """Masks with one pixel for each square, so that overlaps are those of the cells."""
    masks = torch.zeros(len(things), 9, 9, dtype=torch.bool)
    for mask, each in zip(masks, things, strict=True):
        for x, y in each["cells"]:
            mask[y, x] = True
    return masks


def values(
    images: int, truths: list[oracle.Thing], found: list[oracle.Thing], of: Of = "boxes", crowd: bool = True
) -> tuple[list[Truths], list[Detections]]:
    """The same scene as values, image by image."""
    known, guessed = [], []
    for image in range(images):
        mine = [each for each in truths if each["image"] == image]
        ours = [each for each in found if each["image"] == image]

        def column(things: list[oracle.Thing], name: str, kind: torch.dtype) -> torch.Tensor:
            return torch.tensor([each[name] for each in things], dtype=kind)

        known.append(
            Truths(
                column(mine, "box", torch.float64).view(-1, 4),
                column(mine, "class", torch.int64),
                masks_of(mine) if of == "masks" else None,
                crowd=column(mine, "crowd", torch.bool) if crowd else None,
                difficult=column(mine, "difficult", torch.bool),
                areas=column(mine, "area", torch.float64),
            )
        )
        guessed.append(
            Detections(
                column(ours, "box", torch.float64).view(-1, 4),
                column(ours, "class", torch.int64),
                column(ours, "score", torch.float64),
                masks_of(ours) if of == "masks" else None,
                areas=column(ours, "area", torch.float64),
            )
        )
    return known, guessed


@pytest.mark.usefixtures("package")
@settings(max_examples=50, deadline=None)
@given(scenes(), st.sampled_from(["boxes", "masks"]))
def test_the_twelve_figures_are_those_of_coco_s_rules_read_slowly(scene: Scene, of: Of) -> None:
    images, classes, truths, found = scene
    figures = coco_figures(*values(images, truths, found, of), classes, of=of)
    right = oracle.coco_twelve(*in_image_order(truths, found), images, classes)
    for ours, theirs in zip(figures.twelve, right, strict=True):
        assert ours.value == (None if theirs is None else pytest.approx(theirs, abs=1e-9))
        assert ours.why.startswith("0/0: no object" if theirs is None else "no interval")


def in_image_order(*lists: list[oracle.Thing]) -> list[list[oracle.Thing]]:
    return [sorted(things, key=lambda each: each["image"]) for things in lists]


@pytest.mark.usefixtures("package")
def test_one_ten_and_a_hundred_detections_an_image_are_the_surest() -> None:
    side = torch.arange(0, 1200, 10, dtype=torch.float64)
    boxes = torch.stack([side, torch.zeros(120), side + 10, torch.full((120,), 10.0)], 1)
    classes = torch.zeros(120, dtype=torch.int64)
    figures = coco_figures([Truths(boxes, classes)], [Detections(boxes, classes, torch.arange(120) / 120)], 1)
    ours = [float(each) for each in (figures.ar_1, figures.ar_10, figures.ar_100)]
    assert ours == pytest.approx([1 / 120, 10 / 120, 100 / 120])
    assert figures.ap.n == 120
    assert figures.ap_large.why == "0/0: no object larger than 96 x 96 pixels"


@pytest.mark.usefixtures("package")
def test_figures_by_class_average_to_those_of_all_and_carry_their_curve() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(12, 4, generator=generator) * 40
    boxes[:, 2:] += boxes[:, :2]
    classes = torch.arange(12) % 3
    moved = boxes + torch.rand(12, 1, generator=generator) * 6
    figures = coco_figures(
        [Truths(boxes, classes)], [Detections(moved, classes, torch.rand(12, generator=generator))], 4
    )
    known = figures.classes[:3]
    assert float(figures.ap) == pytest.approx(sum(float(each.ap) for each in known) / 3)
    assert float(figures.ar_100) == pytest.approx(sum(float(each.ar) for each in known) / 3)
    for each in known:
        assert float(each.ap50) == pytest.approx(sum(each.precision) / 101)
        assert (each.objects, each.detections) == (4, 4)
    assert figures.classes[3].ap.why == "0/0: no object of the class of any area"
    assert figures.classes[3].precision == ()


@pytest.mark.usefixtures("package")
def test_images_one_by_one_and_merged_parts_give_the_figures_of_all_and_go_through_json() -> None:
    truths, found = values(2, *example())
    whole = coco_figures(truths, found, 2)
    parts = [CocoEvaluation(2).update(a, b) for a, b in zip(truths, found, strict=True)]
    assert parts[0].merge(parts[1]).compute() == whole
    assert from_json(to_json(whole), CocoFigures) == whole


@pytest.mark.usefixtures("package")
def test_no_images_and_images_without_anything_have_no_figures() -> None:
    nothing = Truths(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    empty = Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    for truths, found in (([], []), ([nothing], [empty])):
        figures = coco_figures(truths, found, 2)
        assert [each.value for each in figures.twelve] == [None] * 12
    one = Truths(torch.tensor([[0, 0, 9, 9]]), torch.tensor([1]))
    missed = coco_figures([one], [empty], 2)
    assert missed.ap.value == missed.ar_100.value == 0
    assert missed.classes[0].ap.value is None


def example() -> tuple[list[oracle.Thing], list[oracle.Thing]]:
    def thing(image: int, number: int, box: tuple[int, int, int, int], **more: Any) -> oracle.Thing:
        marks = {"crowd": False, "difficult": False, "area": (box[2] - box[0]) * (box[3] - box[1])}
        return {"image": image, "class": number, "box": box, "cells": oracle.cells(box), **marks, **more}

    truths = [thing(0, 0, (0, 0, 10, 10)), thing(0, 1, (20, 0, 30, 10)), thing(1, 0, (0, 0, 40, 40))]
    found = [
        thing(0, 0, (0, 0, 10, 9), score=0.9),
        thing(0, 0, (0, 1, 10, 10), score=0.8),
        thing(0, 1, (0, 0, 10, 10), score=0.7),
        thing(0, 1, (24, 0, 34, 10), score=0.6),
        thing(1, 0, (60, 60, 70, 70), score=0.5),
        thing(1, 1, (0, 0, 20, 30), score=0.4),
    ]
    return truths, found


def read(root: Path, truth: str, found: str, of: Of) -> tuple[list[Truths], list[Detections], int, list[str]]:
    """Truths and detections of COCO files, which the package's tools turn from outlines into run lengths."""
    tools = pytest.importorskip("faster_coco_eval.core.mask")
    known, guessed = (json.loads((root / name).read_text()) for name in (truth, found))
    guessed = guessed if isinstance(guessed, list) else guessed["annotations"]
    numbers = {each: k for k, each in enumerate(sorted(one["id"] for one in known["categories"]))}

    def masks(notes: list[Any], size: tuple[int, int]) -> tuple[RunLengths, ...] | None:
        if of == "boxes":
            return None
        stored = [each["segmentation"] for each in notes]
        return tuple(
            RunLengths.from_coco(tools.merge(tools.frPyObjects(one, *size)) if isinstance(one, list) else one)
            for one in stored
        )

    truths, detections = [], []
    for image in sorted(known["images"], key=lambda each: each["id"]):
        size = (image["height"], image["width"])
        mine, ours = (
            [each for each in notes if each["image_id"] == image["id"]] for notes in (known["annotations"], guessed)
        )
        boxed = all("bbox" in each for each in ours)
        boxes = [
            from_xywh(torch.tensor([each.get("bbox", [0] * 4) for each in notes], dtype=torch.float64).view(-1, 4))
            for notes in (mine, ours)
        ]
        classes = [
            torch.tensor([numbers[each["category_id"]] for each in notes], dtype=torch.int64) for notes in (mine, ours)
        ]
        areas = torch.tensor([each["area"] for each in mine], dtype=torch.float64)
        crowd = torch.tensor([bool(each["iscrowd"]) for each in mine])
        truths.append(Truths(boxes[0], classes[0], masks(mine, size), crowd.to(torch.bool), areas=areas))
        scores = torch.tensor([each["score"] for each in ours], dtype=torch.float64)
        by_box = (boxes[1][:, 2:] - boxes[1][:, :2]).prod(1) if boxed else None  # as COCO's tools load results
        detections.append(Detections(boxes[1], classes[1], scores, masks(ours, size), by_box))
    names = [each["name"] for each in sorted(known["categories"], key=lambda each: each["id"])]
    return truths, detections, len(numbers), names


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(("of", "key"), [("boxes", "bbox"), ("masks", "segm")])
def test_the_published_numbers_of_coco_come_out_to_the_last_digit(data_root: Path, of: Of, key: str) -> None:
    root = data_root / "coco-eval"
    published = json.loads((root / "expected.json").read_text())
    truths, detections, classes, _ = read(root, published["gt"], published[key]["dt"], of)
    figures = coco_figures(truths, detections, classes, of=of)
    assert [f"{float(each):.3f}" for each in figures.twelve] == [f"{each:.3f}" for each in published[key]["stats"]]
    # VOC's matching and its whole area differ from COCO's 101 points by little at an IoU of .5
    ours = voc_figures(truths, detections, classes, of=of, draws=0)
    assert float(ours.mean_ap) == pytest.approx(published[key]["stats"][1], abs=0.01)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("of", ["boxes", "masks"])
def test_a_figure_that_coco_marks_with_minus_1_has_no_value_here(data_root: Path, of: Of) -> None:
    truths, found, classes, _ = read(data_root / "coco-eval", "mini_gt_dataset.json", "mini_dt_dataset.json", of)
    figures = coco_figures(truths, found, classes, of=of)
    theirs = [0.6947, 0.6947, 0.6947, None, 0.7921, 0.0, 0.6667, 0.75, 0.75, None, 0.7917, 0.0]
    assert [each.value if each.value is None else round(each.value, 4) for each in figures.twelve] == theirs
    assert figures.ar_small.why == "0/0: no object smaller than 32 x 32 pixels"


@pytest.mark.usefixtures("package")
def test_torchmetrics_gives_the_same_boxes(data_root: Path) -> None:
    detection = pytest.importorskip("torchmetrics.detection")
    root = data_root / "coco-eval"
    truths, found, classes, _ = read(root, "mini_gt_dataset.json", "mini_dt_dataset.json", "boxes")
    metric = detection.MeanAveragePrecision(backend="faster_coco_eval")
    metric.update(
        [{"boxes": each.boxes, "labels": each.classes, "scores": each.scores} for each in found],
        [{"boxes": each.boxes, "labels": each.classes} for each in truths],
    )
    theirs = metric.compute()
    # they have no areas of objects of their own, so both take those of the boxes
    ours = coco_figures([Truths(each.boxes, each.classes) for each in truths], found, classes)
    names = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large"]
    names += ["mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"]
    right = [float(theirs[name]) for name in names]
    assert [-1 if each.value is None else each.value for each in ours.twelve] == pytest.approx(right, abs=1e-6)
    assert -1 in right


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval.core.faster_eval_api", None)
    with pytest.raises(StriateError, match=r"pip install 'striate\[detection\]'"):
        coco_figures(*values(2, *example()), 2)


NO = torch.zeros(0, dtype=torch.int64)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Truths(torch.zeros(2, 4), torch.zeros(1).long()), r"classes have shape \(1,\).*\(2,\)"),
        (lambda: Truths(torch.zeros(1, 4), torch.tensor([-1])), r"classes are \[-1\]"),
        (lambda: Truths(torch.zeros(1, 4), torch.tensor([0.5])), r"classes are \[0.5\]"),
        (lambda: Truths(torch.zeros(1, 4), torch.tensor([0]), torch.zeros(2, 3, 3)), "2 masks for 1 boxes"),
        (lambda: Truths(torch.zeros(1, 4), torch.tensor([0]), crowd=torch.zeros(2)), r"crowd have shape \(2,\)"),
        (lambda: Detections(torch.zeros(1, 4), torch.tensor([0]), torch.tensor([torch.nan])), "detection 0 is nan"),
        (
            lambda: coco_figures([], [Detections(torch.zeros(0, 4), NO, torch.zeros(0))], 1),
            "truths of 0 images and detections of 1",
        ),
        (lambda: coco_figures([], [], 0), "classes is 0"),
        (lambda: CocoEvaluation(1, "pixels"), "of is 'pixels'"),  # type: ignore[arg-type]
        (lambda: CocoEvaluation(1).merge(CocoEvaluation(2)), "boxes of 1 classes and boxes of 2"),
        (lambda: ErrorTally.empty(1, threshold=0.1), "an IoU of 0.1"),
        (lambda: ErrorTally.empty(1).merge(ErrorTally.empty(2)), "do not add up"),
        (lambda: detection_errors([], [Detections(torch.zeros(0, 4), NO, torch.zeros(0))], 1), "and detections of 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(make: Any, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        make()


def test_a_class_or_a_mask_that_does_not_fit_names_its_image() -> None:
    truths, found = values(2, *example())
    with pytest.raises(StriateError, match=r"the class of object 1 of image 0 is 1.*0 to 0"):
        CocoEvaluation(1).update(truths[0], found[0])
    tally = ErrorTally.empty(2).update(truths[0], found[0])
    with pytest.raises(StriateError, match="the class of detection 0 of image 1 is 5"):
        tally.update(truths[1], Detections(torch.zeros(1, 4), torch.tensor([5]), torch.ones(1)))
    with pytest.raises(StriateError, match="the objects of image 0 have no masks"):
        coco_figures(truths, found, 2, of="masks")
    one = Truths(torch.zeros(1, 4), torch.tensor([0]), torch.zeros(1, 3, 3))
    other = Detections(torch.zeros(1, 4), torch.tensor([0]), torch.ones(1), torch.zeros(1, 3, 4))
    with pytest.raises(StriateError, match="masks of image 0 are of 3 x 3 and 3 x 4 pixels"):
        coco_figures([one], [other], 1, of="masks")


def test_every_kind_of_error_is_told_apart() -> None:
    truths, found = values(2, *example())
    parts = [ErrorTally.empty(2).update(a, b) for a, b in zip(truths, found, strict=True)]
    assert parts[0].merge(parts[1]).compute() == detection_errors(truths, found, 2)
    first, second = (image_errors(a, b) for a, b in zip(truths, found, strict=True))
    assert first.kinds == ("hit", "duplicate", "classification", "localisation")
    assert second.kinds == ("background", "both")
    assert first.missed.tolist() == [False, False]  # the badly placed one points at the second
    assert second.missed.tolist() == [True]
    counted = detection_errors(truths, found, 2)
    assert (counted[0].hit, counted[0].duplicate, counted[0].background, counted[0].missed) == (1, 1, 1, 1)
    assert (counted[1].classification, counted[1].localisation, counted[1].both, counted[1].missed) == (1, 1, 1, 0)


def test_overlaps_of_exactly_a_half_and_a_tenth_are_well_placed_and_near() -> None:
    truths = Truths(torch.tensor([[0, 0, 10, 10]]), torch.tensor([0]))
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 1]])
    for number, kinds in (
        (0, ("hit", "duplicate", "localisation")),
        (1, ("classification", "classification", "background")),
    ):
        found = Detections(boxes, torch.full((3,), number), torch.tensor([0.9, 0.8, 0.7]))
        assert image_errors(truths, found).kinds == kinds


@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from(["boxes", "masks"]))
def test_each_detection_has_one_kind_and_hits_and_asides_are_those_of_voc(scene: Scene, of: Of) -> None:
    images, classes, truths, found = scene
    known, guessed = values(images, truths, found, of)
    counted = detection_errors(known, guessed, classes, of=of)
    figures = voc_figures(known, guessed, classes, of=of, draws=0)
    for k, (errors, voc) in enumerate(zip(counted, figures.classes, strict=True)):
        of_class = sum(each["class"] == k for each in found)
        assert sum(getattr(errors, kind) for kind in KINDS) == of_class
        assert (errors.hit, of_class - errors.aside) == (voc.hits, voc.detections)
        assert errors.missed <= voc.objects - voc.hits


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_kinds_follow_from_the_overlaps_with_the_objects_asked_for(scene: Scene) -> None:
    images, _, truths, found = scene
    known, guessed = values(images, truths, found)
    for image in range(images):
        ours = [each for each in found if each["image"] == image]
        asked = [each for each in truths if each["image"] == image and not (each["crowd"] or each["difficult"])]
        for kind, each in zip(image_errors(known[image], guessed[image]).kinds, ours, strict=True):
            own, other = (
                max((oracle.overlap(each, one) for one in asked if (one["class"] == each["class"]) == same), default=0)
                for same in (True, False)
            )
            if kind in {"hit", "duplicate"}:
                assert own >= 0.5
            elif kind == "localisation":
                assert 0.1 <= own < 0.5
            elif kind == "classification":
                assert other >= 0.5
            elif kind == "both":
                assert own < 0.1 < other < 0.5
            elif kind == "background":
                assert own < 0.1
                assert other <= 0.1
            else:
                assert len(asked) < sum(one["image"] == image for one in truths)
