"""Pictures made from annotations that came from no file: masks as run lengths or as one map, regions as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.core.errors import StriateError

from ..annotations import Annotations
from ..layouts.masks import same_size
from ..layouts.objects import Box, Marked, Numbers, Picture, Segment, Size
from ..rle import Mask, Runs, encode

MOST_OBJECTS = 254  # that one map of 8 bits can tell apart


@dataclass(frozen=True, eq=False)
class Given:
    """A map in memory."""

    values: Numbers
    name: str

    def read(self, size: Size) -> Numbers:
        """The numbers (H, W); raises `ImageError` where the image has another size."""
        return same_size(self.values, size, self.name)


def picture_of(known: Annotations, name: str, size: Size) -> Picture:
    """The picture with all that the annotations tell.

    Raises:
        StriateError: Masks, boxes and classes do not fit each other.
    """
    extras: dict[str, Any] = {}
    if known.attributes:
        extras["attributes"] = dict(known.attributes)
    if known.group:
        extras["group"] = known.group
    regions = None if known.regions is None else Given(known.regions.numpy(), name)
    captions = (known.caption,) if known.caption else ()
    if known.boxes is None and known.masks is None and known.keypoints is None:
        return Picture(name, size, None, regions=regions, captions=captions, extras=extras)
    count = known.objects
    kinds = known.box_classes
    if kinds is None or len(kinds) != count or (known.masks is not None and len(known.masks) != count):
        raise StriateError(f"{name} has {count} objects and not as many classes or masks", accepted="one of each")
    masks = None if known.masks is None else known.masks.numpy()
    merged = None if masks is None else one_map(masks)
    objects = []
    for number in range(count):
        segment = None if masks is None or merged is not None else segment_of(encode(masks[number]))
        box: Box | None = None
        if known.boxes is not None:
            left, top, right, bottom = known.boxes[number].tolist()
            box = (left, top, right, bottom)
        points = () if known.keypoints is None else tuple(known.keypoints[number].reshape(-1).tolist())
        objects.append(
            Marked(
                int(kinds[number]), box, segment,
                known.crowd is not None and bool(known.crowd[number]),
                known.difficult is not None and bool(known.difficult[number]), points,
            )
        )  # fmt: skip
    instances = None if merged is None else Given(merged, name)
    return Picture(name, size, tuple(objects), instances, regions, captions=captions, extras=extras)


def segment_of(runs: Runs) -> Segment | None:
    """The runs as COCO's string; None where there is no pixel."""
    return Segment(counts=runs.text(), size=(runs.height, runs.width)) if runs.area else None


def one_map(masks: npt.NDArray[np.bool_]) -> Numbers | None:
    """The objects (n, H, W) in one map, n for the n-th; None where two claim a pixel or there are too many."""
    if len(masks) > MOST_OBJECTS or (len(masks) and int(masks.sum(0, dtype=np.int64).max()) > 1):
        return None
    out = np.zeros(masks.shape[1:], dtype=np.uint8)
    for number, mask in enumerate(masks, start=1):
        out[mask] = number
    return out


def extent_of(mask: Mask) -> Box | None:
    """Left, top, right, bottom edge of a mask's pixels; None where it has none."""
    found = encode(mask).box
    return None if found is None else (float(found[0]), float(found[1]), float(found[2]), float(found[3]))


def class_runs(values: Numbers, *, void: int) -> dict[int, Runs]:
    """The runs of each number that a map holds, but for the void one."""
    return {int(number): encode(values == number) for number in np.unique(values) if number != void}
