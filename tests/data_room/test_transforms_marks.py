"""Boxes, masks, regions and points go where the pixels go, by the same map."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles.data_transforms import hull
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.annotations import VOID, Annotations
from striate.data.dataset import Sample
from striate.data.transforms import (
    TRANSFORMS,
    Chain,
    Elastic,
    Perspective,
    RandomCrop,
    RandomFlip,
    ResizedCrop,
    Rotation,
    Scale,
    Shear,
    Translation,
    described,
)

SIZE = (80, 96)
MOVING = [name for name in TRANSFORMS if described(name).family == "moves"]


def drawn_rectangle(box: tuple[int, int, int, int]) -> Annotations:
    """A filled rectangle: its box, its mask, its region, its corners as points."""
    left, top, right, bottom = box
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    regions = mask.to(torch.uint8) * 3
    points = torch.tensor([[left + 1.0, top + 1.0, 2.0], [right - 1.0, bottom - 1.0, 1.0], [0.0, 0.0, 0.0]])
    return Annotations(
        boxes=torch.tensor([box], dtype=torch.float64),
        box_classes=torch.tensor([4]),
        masks=mask[None],
        regions=regions,
        keypoints=points[None].double(),
        crowd=torch.tensor([False]),
        difficult=torch.tensor([True]),
    )


def box_of(mask: Tensor) -> list[float]:
    """The box around the pixels of a mask."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]


@pytest.mark.parametrize("name", [*MOVING, "rand_augment", "trivial_augment", "chain"])
def test_the_box_of_a_moved_rectangle_is_the_moved_box_to_a_pixel(name: str) -> None:
    chain = Chain((RandomFlip(), Rotation(25.0), Scale(), Translation(), Perspective()))
    change: Any = chain if name == "chain" else TRANSFORMS.load(name)
    ids, met = torch.arange(60), 0
    drawn = change.draw(ids, Rng(7, "x"), shape=(1, *SIZE))
    for row, box in enumerate([(20, 16, 60, 50), (4, 30, 40, 76), (50, 5, 90, 40)] * 20):
        known = drawn_rectangle(box)
        moved = change.moved(known, drawn, SIZE, row=row, visible=0.0)
        image = known.masks.float().expand(60, 1, *SIZE) if known.masks is not None else torch.zeros(1)
        assert moved.boxes is not None
        assert moved.masks is not None
        assert moved.regions is not None
        if not moved.objects or not bool(moved.masks.any()):
            continue
        met += 1
        expected = torch.tensor(box_of(moved.masks[0]), dtype=torch.float64)
        slack = 1.6 if name in {"elastic", "rand_augment", "chain"} else 1.0  # slivers hold no pixel's centre
        assert float((moved.boxes[0] - expected).abs().max()) <= slack, (name, row)
        assert bool(((moved.regions == 3) == moved.masks[0]).all())
        if row < 6 and name not in {"rand_augment", "trivial_augment", "crop"}:
            pixels = change.apply(image, drawn)[row, 0]
            wrong = ((pixels > 0.5) != moved.masks[0]).float().mean()
            assert float(wrong) < 0.02, (name, row)
    assert met > 40


def test_hulls_are_those_of_clipped_polygons() -> None:
    change = Rotation(180.0)
    drawn = change.draw(torch.arange(80), Rng(1, "x"), shape=(1, *SIZE))
    made = torch.Generator().manual_seed(3)
    for row in range(80):
        low = torch.rand(2, generator=made, dtype=torch.float64) * torch.tensor([60.0, 50.0])
        high = low + 4 + torch.rand(2, generator=made, dtype=torch.float64) * 40
        box = torch.cat([low, torch.minimum(high, torch.tensor([96.0, 80.0], dtype=torch.float64))])
        angle = math.radians(float(drawn["angle"][row]))
        corners = []
        for x, y in ((box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])):
            dx, dy = float(x) - 48.0, float(y) - 40.0
            turned = (math.cos(angle) * dx + math.sin(angle) * dy, -math.sin(angle) * dx + math.cos(angle) * dy)
            corners.append((48.0 + turned[0], 40.0 + turned[1]))
        found = change.moved(Annotations(boxes=box[None]), drawn, SIZE, row=row, visible=0.0).boxes
        expected = hull(corners, 96.0, 80.0)
        if found is not None and len(found):
            torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)
        else:
            assert (expected[2] - expected[0]) * (expected[3] - expected[1]) < 4.0


def test_a_flip_and_a_crop_move_everything_exactly() -> None:
    known = drawn_rectangle((10, 20, 30, 60))
    mirrored = RandomFlip(1.0).moved(known, {"swapped": torch.tensor([True])}, SIZE)
    assert mirrored.boxes is not None
    assert mirrored.boxes.tolist() == [[66.0, 20.0, 86.0, 60.0]]
    assert mirrored.keypoints is not None
    assert mirrored.keypoints.tolist() == [[[85.0, 21.0, 2.0], [67.0, 59.0, 1.0], [0.0, 0.0, 0.0]]]
    assert known.masks is not None
    assert mirrored.masks is not None
    assert torch.equal(mirrored.masks, known.masks.flip(2))
    shifted = RandomCrop(12).moved(known, {"moves": torch.tensor([[-5, 11]])}, SIZE)
    assert shifted.boxes is not None
    assert shifted.boxes.tolist() == [[0.0, 25.0, 19.0, 65.0]]
    assert shifted.keypoints is not None
    assert shifted.keypoints.tolist() == [[[0.0, 0.0, 0.0], [18.0, 64.0, 1.0], [0.0, 0.0, 0.0]]]
    assert shifted.regions is not None
    assert bool((shifted.regions[:5] == VOID).all())
    assert bool((shifted.regions[:, 85:] == VOID).all())
    assert not bool((shifted.regions[5:, :85] == VOID).any())
    assert shifted.masks is not None
    assert torch.equal(shifted.masks[0], shifted.regions == 3)


def test_an_object_that_mostly_leaves_is_dropped_with_all_that_belongs_to_it() -> None:
    boxes = torch.tensor(
        [[0.0, 0.0, 20.0, 20.0], [40.0, 20.0, 60.0, 40.0], [10.0, 0.0, 30.0, 20.0]], dtype=torch.float64
    )
    masks = torch.zeros(3, *SIZE, dtype=torch.bool)
    for mask, box in zip(masks, boxes.long().tolist(), strict=True):
        mask[box[1] : box[3], box[0] : box[2]] = True
    known = Annotations(
        boxes=boxes,
        box_classes=torch.tensor([5, 6, 7]),
        masks=masks,
        keypoints=torch.zeros(3, 2, 3),
        difficult=torch.tensor([True, False, True]),
        attributes={"place": "here"},
    )
    by = {"pixels": torch.tensor([[-15.0, 0.0]])}  # the first keeps a quarter, the third three quarters
    kept = Translation().moved(known, by, SIZE, visible=0.25)
    assert kept.box_classes is not None
    assert kept.box_classes.tolist() == [5, 6, 7]
    fewer = Translation().moved(known, by, SIZE, visible=0.3)
    assert fewer.box_classes is not None
    assert fewer.difficult is not None
    assert fewer.masks is not None
    assert fewer.boxes is not None
    assert fewer.box_classes.tolist() == [6, 7]
    assert fewer.difficult.tolist() == [False, True]
    assert fewer.masks.shape == (2, *SIZE)
    assert fewer.boxes.tolist() == [[25.0, 20.0, 45.0, 40.0], [0.0, 0.0, 15.0, 20.0]]
    assert fewer.attributes == known.attributes
    by_mask = Translation().moved(replace(known, boxes=None), by, SIZE, visible=0.3)
    assert by_mask.box_classes is not None
    assert by_mask.box_classes.tolist() == [6, 7]
    gone = Translation(1.0).moved(known, {"pixels": torch.tensor([[96.0, 0.0]])}, SIZE, visible=0.0)
    assert gone.objects == 0
    for share in (-0.1, 1.1):
        with pytest.raises(StriateError, match="visible"):
            Translation().moved(known, by, SIZE, visible=share)
    with pytest.raises(StriateError, match="marks of"):
        Translation().moved(known, by, (40, 40))


def test_points_of_an_object_are_followed_through_a_bent_picture() -> None:
    bent = Elastic()
    drawn = bent.draw(torch.tensor([3]), Rng(0, "x"), shape=(1, *SIZE))
    (motion,) = bent.motions(drawn, SIZE)
    made = torch.Generator().manual_seed(0)
    points = torch.rand(1, 50, 2, generator=made, dtype=torch.float64) * torch.tensor([80.0, 60.0]) + 8
    there = motion.forward(points)
    assert float((there - points).abs().max()) > 1.0
    back = there + motion._field_at(there)
    torch.testing.assert_close(back, points, atol=1e-3, rtol=0)


def test_marks_without_objects_and_images_without_marks_pass() -> None:
    nothing = Annotations()
    empty = Annotations(
        boxes=torch.zeros(0, 4, dtype=torch.float64),
        box_classes=torch.zeros(0, dtype=torch.int64),
        masks=torch.zeros(0, *SIZE, dtype=torch.bool),
        keypoints=torch.zeros(0, 2, 3),
    )
    for name in MOVING:
        change = TRANSFORMS.load(name)
        drawn = change.draw(torch.tensor([1]), Rng(0), shape=(1, *SIZE))
        assert change.moved(nothing, drawn, SIZE) == nothing
        assert change.moved(empty, drawn, SIZE).masks.shape == (0, *SIZE)
    light = TRANSFORMS.load("hue")
    assert light.moved(empty, {"by": torch.tensor([0.1])}, SIZE) is empty


def test_a_sample_is_changed_whole() -> None:
    known = drawn_rectangle((20, 16, 60, 50))
    assert known.masks is not None
    image = known.masks.float()
    sample = Sample(
        image=image, label=-1, id=9, name="one", boxes=known.boxes, box_classes=known.box_classes, masks=known.masks
    )
    done = Rotation(45.0).on(sample, Rng(0, "x"), step=2)
    assert isinstance(done, Sample)
    assert done.masks is not None
    assert float(((done.image[0] > 0.5) != done.masks[0]).float().mean()) < 0.02
    assert not torch.equal(done.image, image)
    assert torch.equal(done.image, Rotation(45.0)(image[None], torch.tensor([9]), Rng(0, "x"), step=2)[0])


def test_visible_shares_of_slanted_maps_are_those_of_counted_points() -> None:
    change = Chain((Shear(fill="edge"), ResizedCrop((0.3, 0.6))))
    drawn = change.draw(torch.arange(30), Rng(2, "x"), shape=(1, *SIZE))
    (motion,) = change.motions(drawn, SIZE)
    box = np.array([30.0, 20.0, 70.0, 60.0])
    made = np.random.default_rng(0)
    points = torch.from_numpy(made.uniform(box[:2], box[2:], (20_000, 2)))
    for row in range(30):
        seen = motion.row(row).forward(points[None])[0]
        share = float(((seen > 0) & (seen < torch.tensor([96.0, 80.0]))).all(1).double().mean())
        for visible in (share - 0.03, share + 0.03):
            if 0 < visible < 1:
                kept = change.moved(
                    Annotations(boxes=torch.from_numpy(box)[None]), drawn, SIZE, row=row, visible=visible
                )
                assert kept.objects == (1 if visible < share else 0)


def test_a_chain_moves_points_in_the_order_of_its_parts() -> None:
    chain = Chain((Rotation(), Shear(), Perspective()))
    drawn = chain.draw(torch.arange(6), Rng(4, "x"), shape=(1, *SIZE))
    (joined,) = chain.motions(drawn, SIZE)
    points = torch.tensor([[30.0, 20.0], [60.0, 50.0]], dtype=torch.float64).expand(6, 2, 2)
    there = points
    for place, part in enumerate(chain.parts):
        own = {name.partition("/")[2]: value for name, value in drawn.items() if name.startswith(f"{place}/")}
        there = part.motions(own, SIZE)[0].forward(there)
    torch.testing.assert_close(joined.forward(points), there)


def test_what_has_left_the_image_does_not_come_back() -> None:
    there_and_back = Chain((Translation(1.0), RandomCrop(1), Translation(1.0)))
    known = drawn_rectangle((20, 16, 60, 50))
    by = {
        "0/pixels": torch.tensor([[96.0, 0.0]]),
        "1/moves": torch.tensor([[0, 0]]),
        "2/pixels": torch.tensor([[-96.0, 0.0]]),
    }
    assert there_and_back.moved(known, by, SIZE, visible=0.0).objects == 0
    assert float(there_and_back.apply(torch.ones(1, 1, *SIZE), by).sum()) == 0.0


def test_an_elastic_field_bends_large_images_as_it_bends_small_ones() -> None:
    spreads = []
    for side in (29, 58, 116):
        field = Elastic().draw(torch.arange(12), Rng(0, "x"), shape=(1, side, side))["field"]
        spreads.append(float(field.std()) / side)
    assert spreads == pytest.approx([spreads[0]] * 3, rel=0.15)
