"""Figures of class maps over a whole set, against fractions counted pixel by pixel."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import jaccard_score

from oracles import metrics_segmentation as oracle
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.segmentation import PixelCounts, SegmentationFigures, segmentation_figures

OVERALL = ("accuracy", "mean_accuracy", "mean_iou", "weighted_iou", "mean_dice")


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, int | None, torch.Tensor, torch.Tensor]:
    """Classes, void label, true and predicted maps; one pixel, one class, void everywhere and absent classes come."""
    classes = draw(st.integers(1, 4))
    void = draw(st.sampled_from([None, 255, classes]))
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    known = list(range(classes)) + ([] if void is None else [void])
    n = int(np.prod(shape))
    labels = draw(st.lists(st.sampled_from(known), min_size=n, max_size=n))
    predicted = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return classes, void, torch.tensor(labels).view(shape), torch.tensor(predicted).view(shape)


def agrees(number: Number, right: object) -> None:
    if right is None:
        assert number.value is None
        assert number.why.startswith("0/0")
    else:
        assert number.value == pytest.approx(float(right), abs=1e-12)  # type: ignore[arg-type]
        if number.low is not None:
            assert 0 <= number.low <= number.value <= (number.high or 0) <= 1
        else:
            assert "no interval" in number.why


@settings(max_examples=60, deadline=None)
@given(maps())
def test_every_figure_is_that_of_pixels_counted_one_by_one(
    drawn: tuple[int, int | None, torch.Tensor, torch.Tensor],
) -> None:
    classes, void, labels, predicted = drawn
    found = segmentation_figures(labels, predicted, classes, void=void)
    right = oracle.figures(labels.tolist(), predicted.tolist(), classes, void)
    for name in OVERALL:
        agrees(getattr(found, name), right[name])
    for each, (iou, dice, accuracy) in zip(found.classes, right["classes"], strict=True):  # type: ignore[call-overload]
        agrees(each.iou, iou)
        agrees(each.dice, dice)
        agrees(each.accuracy, accuracy)
    assert found.pixels + found.void == labels.numel()


@settings(max_examples=60, deadline=None)
@given(maps(), st.integers(1, 3))
def test_batches_and_merged_parts_give_the_figures_of_one_whole(
    drawn: tuple[int, int | None, torch.Tensor, torch.Tensor], size: int
) -> None:
    classes, void, labels, predicted = drawn
    whole = PixelCounts.empty(classes, void=void).update(labels, predicted)
    halves = [PixelCounts.empty(classes, void=void), PixelCounts.empty(classes, void=void)]
    for row in range(len(labels)):
        side = 0 if row < size else 1
        halves[side] = halves[side].update(labels[row], predicted[row])
    both = halves[0].merge(halves[1])
    assert torch.equal(both.counts, whole.counts)
    assert torch.equal(both.matrix, whole.matrix)
    assert both.compute(seed=3) == whole.compute(seed=3)


@settings(max_examples=60, deadline=None)
@given(maps())
def test_dice_is_a_function_of_iou_and_never_below_it(
    drawn: tuple[int, int | None, torch.Tensor, torch.Tensor],
) -> None:
    classes, void, labels, predicted = drawn
    for each in segmentation_figures(labels, predicted, classes, void=void).classes:
        if each.iou.value is not None:
            assert each.dice.value == pytest.approx(2 * each.iou.value / (1 + each.iou.value))


def test_mean_iou_agrees_with_scikit_learn_over_all_pixels_and_not_with_the_mean_of_images() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 5, (6, 8, 9), generator=generator)
    labels[:3] = labels[:3].clamp(max=1)
    predicted = torch.where(
        torch.rand(6, 8, 9, generator=generator) < 0.7, labels, torch.randint(0, 5, (6, 8, 9), generator=generator)
    )
    counts = PixelCounts.empty(5).update(labels, predicted)
    theirs = jaccard_score(labels.flatten(), predicted.flatten(), average="macro")
    assert float(counts.compute().mean_iou) == pytest.approx(theirs, abs=1e-12)
    assert abs(sum(map(float, counts.image_iou().means())) / 6 - theirs) > 0.02


def test_an_object_that_is_never_found_has_the_figures_of_the_lecture_but_its_dice() -> None:
    truth = torch.zeros(10, 10, dtype=torch.int64)
    truth[0, :5] = 1
    found = segmentation_figures(truth, torch.zeros_like(truth), 2)
    assert (found.accuracy.value, found.mean_iou.value) == (0.95, 0.475)
    assert float(found.mean_dice) == pytest.approx(95 / 195)


def test_an_absent_class_is_left_out_and_named_while_one_that_is_only_predicted_counts_0() -> None:
    labels = torch.tensor([[0, 0, 1, 1]])
    found = segmentation_figures(labels, torch.tensor([[0, 0, 1, 3]]), 4)
    assert float(found.mean_iou) == pytest.approx((1 + 0.5 + 0) / 3)
    assert "absent from labels and predictions: class 2" in found.mean_iou.why
    assert float(found.mean_accuracy) == 0.75
    assert "without labelled pixels: class 2, 3" in found.mean_accuracy.why
    assert found.classes[2].iou.why == "0/0: the class is neither labelled nor predicted"
    assert found.classes[3].iou.value == 0
    assert found.classes[3].accuracy.value is None


def test_void_everywhere_and_no_images_have_no_figures_but_reasons() -> None:
    labels = torch.full((2, 3, 3), 255)
    found = segmentation_figures(labels, torch.zeros_like(labels), 2)
    assert found.accuracy == Number(None, n=2, why="0/0: all pixels are void")
    assert (found.pixels, found.void) == (0, 18)
    nothing = PixelCounts.empty(2).compute()
    assert nothing.mean_iou == Number(None, n=0, why="0/0: no images")


def test_what_is_predicted_at_void_pixels_does_not_matter_even_if_it_is_no_class() -> None:
    labels = torch.tensor([[0, 1, 255]])
    one, other = (segmentation_figures(labels, torch.tensor([[0, 0, k]]), 2) for k in (1, 99))
    assert one == other


def test_the_interval_is_that_of_images_drawn_with_replacement_and_not_of_pixels() -> None:
    # half of the images are all right, half all wrong: the share of right images is what varies
    predicted = torch.zeros(100, 50, 50, dtype=torch.int64)
    labels = predicted.clone()
    labels[:50] = 1
    number = segmentation_figures(labels, predicted, 2).accuracy
    assert number.value == 0.5
    assert (number.high or 0) - (number.low or 0) == pytest.approx(2 * 1.96 * 0.05, abs=0.02)
    assert number.why == "95 % by bootstrap over 100 images"


def test_the_interval_of_mean_iou_covers_the_truth_in_about_95_of_100_sets() -> None:
    rng = np.random.default_rng(0)

    def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = rng.random((n, 1, 40)) < rng.beta(2, 3, (n, 1, 1))
        wrong = rng.random((n, 1, 40)) < rng.beta(1, 6, (n, 1, 1))
        return torch.from_numpy(labels).long(), torch.from_numpy(labels ^ wrong).long()

    truth = float(segmentation_figures(*images(20_000), 2, seed=0).mean_iou)
    covered, sets = 0, 120
    for seed in range(sets):
        number = segmentation_figures(*images(60), 2, seed=seed).mean_iou
        covered += (number.low or 0) <= truth <= (number.high or 0)
    assert 0.88 <= covered / sets <= 0.995  # binomial spread of 120 sets: 0.02


def test_the_draws_depend_on_the_seed_alone() -> None:
    labels = torch.randint(0, 3, (8, 5, 5), generator=torch.Generator().manual_seed(0))
    counts = PixelCounts.empty(3).update(labels, labels.roll(1, 0))
    before = torch.random.get_rng_state()
    assert counts.compute(seed=1) == counts.compute(seed=1)
    assert counts.compute(seed=1).mean_iou.low != counts.compute(seed=2).mean_iou.low
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_class_missing_from_many_draws_has_a_value_and_no_interval() -> None:
    labels = torch.zeros(4, 2, 2, dtype=torch.int64)
    labels[0, 0, 0] = 1
    number = segmentation_figures(labels, labels, 2).classes[1].iou
    assert number.value == 1
    assert number.low is None
    assert "bootstrap draws" in number.why


def test_iou_of_each_image_says_where_it_is_not_defined() -> None:
    labels = torch.tensor([[[0, 0]], [[1, 1]], [[255, 255]]])
    table = PixelCounts.empty(2).update(labels, torch.tensor([[[0, 1]], [[1, 1]], [[0, 0]]])).image_iou()
    assert table.values.tolist() == [[0.5, 0.0], [0.0, 1.0], [0.0, 0.0]]
    assert table.defined.tolist() == [[True, True], [False, True], [False, False]]
    means = table.means()
    assert [each.value for each in means] == [0.25, 1.0, None]


def test_what_is_kept_grows_with_images_and_classes_and_not_with_pixels() -> None:
    small, large = (PixelCounts.empty(3).update(*[torch.zeros(2, side, side).long()] * 2) for side in (4, 400))
    assert small.counts.shape == large.counts.shape == (2, 3, 3)


def test_the_figures_go_through_json_and_back() -> None:
    labels = torch.tensor([[[0, 1, 255]], [[1, 1, 0]]])
    found = segmentation_figures(labels, labels.clamp(max=1), 3)
    assert from_json(to_json(found), SegmentationFigures) == found


@pytest.mark.parametrize(
    ("labels", "predicted", "words"),
    [
        (torch.zeros(2, 2).long(), torch.zeros(2, 3).long(), r"shape \(2, 2\) and predictions \(2, 3\)"),
        (torch.zeros(4).long(), torch.zeros(4).long(), r"shape \(4,\)"),
        (torch.zeros(2, 2), torch.zeros(2, 2).long(), "labels are torch.float32"),
        (torch.tensor([[0, 7]]), torch.tensor([[0, 0]]), "label of image 0 at row 0, column 1 is 7"),
        (torch.tensor([[[0]], [[0]]]), torch.tensor([[[0]], [[-1]]]), "prediction of image 1 at row 0, column 0 is -1"),
    ],
)
def test_maps_that_cannot_be_counted_are_refused_with_their_place(
    labels: torch.Tensor, predicted: torch.Tensor, words: str
) -> None:
    with pytest.raises(StriateError, match=words):
        segmentation_figures(labels, predicted, 2)


def test_a_void_label_that_is_a_class_and_counts_of_other_classes_are_refused() -> None:
    with pytest.raises(StriateError, match="void is 1, which is one of 2 classes"):
        PixelCounts.empty(2, void=1)
    with pytest.raises(StriateError, match="classes is 0"):
        PixelCounts.empty(0)
    with pytest.raises(StriateError, match=r"2 classes \(void 255\) and 3 \(void 255\)"):
        PixelCounts.empty(2).merge(PixelCounts.empty(3))


def test_class_maps_of_real_street_scenes_are_counted_with_their_void_label(data_root: Path) -> None:
    with zipfile.ZipFile(data_root / "camvid" / "camvid_subset.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if "annot" in name and name.endswith(".png")][:4]
        labels = [
            torch.from_numpy(np.array(Image.open(io.BytesIO(archive.read(name)))).astype(np.int64)) for name in names
        ]
    counts = PixelCounts.empty(11, void=11)
    for each in labels:
        counts = counts.update(each, torch.zeros_like(each))
    found = counts.compute()
    sky = sum(int((each == 0).sum()) for each in labels)
    known = sum(int((each != 11).sum()) for each in labels)
    assert float(found.accuracy) == sky / known
    assert float(found.classes[0].iou) == sky / known
    assert found.void == sum(each.numel() for each in labels) - known > 0
