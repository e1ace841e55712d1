"""What can be wrong with boxes, masks and maps is found where it was planted; of healthy marks nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from checks.drawn import photographs, splits_of
from striate.checks.check import check_data
from striate.checks.marks import FAULTS
from striate.checks.objects import look_at_marks
from striate.core.finding import Finding
from striate.core.image import to_bytes
from striate.data.annotations import VOID, Annotations
from striate.data.dataset import Dataset, Splits

SIDE = 64
HEALTHY = Annotations(
    boxes=torch.tensor([[4.0, 6.0, 30.0, 40.0], [20.0, 10.0, 64.0, 64.0]], dtype=torch.float64),
    box_classes=torch.tensor([0, 1]),
)


def masks_of(boxes: torch.Tensor) -> torch.Tensor:
    """Each box filled."""
    masks = torch.zeros(len(boxes), SIDE, SIDE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    return masks


def boxed(fault: Annotations, *, task: str = "boxes") -> Splits:
    """Twelve images with healthy marks, and this one at row 7."""
    healthy = HEALTHY if task == "boxes" else Annotations(regions=torch.arange(SIDE).view(-1, 1).expand(SIDE, SIDE) % 2)
    notes = [healthy] * 12
    notes[7] = fault
    data = Dataset.of(to_bytes(photographs(12, side=SIDE)), [0] * 12, classes=("cat", "dog"), name="marked",
                      notes=tuple(notes))  # fmt: skip
    return splits_of(replace(data, labels=torch.full((12,), -1), task=task))  # type: ignore[arg-type]


def with_box(box: tuple[float, ...], kind: int = 0) -> Annotations:
    """The healthy marks and one more box."""
    boxes = torch.cat([HEALTHY.boxes, torch.tensor([box], dtype=torch.float64)])  # type: ignore[list-item]
    return Annotations(boxes=boxes, box_classes=torch.tensor([0, 1, kind]))


def masked(change: Callable[[torch.Tensor], Any]) -> Annotations:
    """The healthy marks with masks, of which something was changed."""
    assert HEALTHY.boxes is not None
    masks = masks_of(HEALTHY.boxes)
    changed = change(masks)
    return replace(HEALTHY, masks=masks if changed is None else changed)


def regions(value: int, *, side: int = SIDE) -> Annotations:
    """A map with one patch of this value."""
    plane = torch.zeros(side, SIDE, dtype=torch.uint8)
    plane[:8, :8] = value
    return Annotations(regions=plane)


POINTS = torch.tensor([[[10.0, 80.0, 2.0], [5.0, 5.0, 2.0], [900.0, 5.0, 0.0]]], dtype=torch.float64)
PLANTED: dict[str, tuple[str, Annotations]] = {
    "outside": ("boxes-outside", with_box((50, 50, 70, 60))),
    "left of it": ("boxes-outside", with_box((-9, 5, 20, 20))),
    "no width": ("empty-boxes", with_box((10, 10, 10, 30))),
    "turned": ("empty-boxes", with_box((30, 10, 10, 30))),
    "a sliver": ("tiny-boxes", with_box((10, 10, 11, 30))),
    "the whole image": ("whole-image-boxes", with_box((0, 0, 64, 64))),
    "marked twice": ("repeated-boxes", with_box((4, 6, 30, 40.2))),
    "class out of range": ("unknown-class", with_box((1, 1, 9, 9), kind=2)),
    "mask of another size": ("mask-size", masked(lambda masks: masks[:, :60])),
    "an empty mask": ("empty-masks", masked(lambda masks: masks & (torch.arange(2) == 1)[:, None, None])),
    "masks exchanged": ("mask-boxes", masked(lambda masks: masks.flip(0))),
    "a mask too many": ("mask-boxes", masked(lambda masks: torch.cat([masks, masks[:1]]))),
    "a point outside": ("points-outside", replace(HEALTHY, keypoints=POINTS)),
    "no object": ("no-objects", Annotations(boxes=torch.zeros(0, 4, dtype=torch.float64),
                                            box_classes=torch.zeros(0, dtype=torch.int64))),
}  # fmt: skip


def said(splits: Splits) -> dict[str, Finding]:
    """Findings by check."""
    return {each.check: each for each in check_data(splits, learned=False).findings}


@pytest.mark.parametrize("name", list(PLANTED))
def test_what_is_planted_is_found_and_nothing_else_is_said(name: str) -> None:
    check, fault = PLANTED[name]
    found = said(boxed(fault))
    assert set(found) == {check}
    assert "marked 7" in found[check].seen or check == "no-objects"
    assert any(each.picture for each in found[check].evidence)
    if check in FAULTS:
        assert found[check].severity == FAULTS[check].severity
        assert found[check].mend == FAULTS[check].mend


@pytest.mark.parametrize(
    ("fault", "check"),
    [(regions(7), "unknown-class"), (regions(0, side=50), "mask-size"),
     (Annotations(regions=torch.full((SIDE, SIDE), VOID, dtype=torch.uint8)), "empty-masks")],
)  # fmt: skip
def test_maps_of_regions_are_looked_at_too(fault: Annotations, check: str) -> None:
    assert check in said(boxed(fault, task="regions"))


def test_healthy_marks_are_not_spoken_of() -> None:
    assert said(boxed(HEALTHY)) == {}
    assert said(boxed(masked(lambda masks: None))) == {}
    assert said(boxed(regions(VOID), task="regions")) == {}


def test_crowds_may_lie_on_objects_of_their_class() -> None:
    twice = with_box((4, 6, 30, 40))
    assert said(boxed(replace(twice, crowd=torch.tensor([False, False, True])))) == {}


def test_an_annotation_that_cannot_be_read_is_an_error_of_the_data_and_not_of_the_check() -> None:
    from striate.core.errors import StriateError

    class Torn(tuple):  # type: ignore[type-arg]
        def __getitem__(self, place):  # type: ignore[no-untyped-def]
            if place == 3:
                raise StriateError("mask 3 is missing")
            return super().__getitem__(place)

    splits = boxed(HEALTHY)
    store = replace(splits.train.store, notes=Torn(splits.train.store.notes))  # type: ignore[type-var, attr-defined]
    found = said(replace(splits, train=replace(splits.train, store=store)))
    assert found["unreadable-marks"].severity == "error"
    assert "mask 3 is missing" in found["unreadable-marks"].seen


def test_objects_are_counted_by_class() -> None:
    marked = look_at_marks(boxed(with_box((1, 1, 9, 9))).train)
    assert marked.objects.tolist() == [2] * 7 + [3] + [2] * 4
    assert marked.classes.tolist() == [13, 12]


def test_real_boxes_and_maps_are_left_in_peace(data_root: object) -> None:
    from pathlib import Path

    from striate.data.load import load_splits

    for place in ("raccoon/raccoon_train_val.zip", "camvid/camvid_subset.zip"):
        splits = load_splits(Path(str(data_root)) / place)
        errors = {check for part in splits for check in look_at_marks(part).problems
                  if FAULTS[check].severity != "note"}  # fmt: skip
        assert errors == set()
