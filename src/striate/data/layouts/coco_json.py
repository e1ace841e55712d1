"""COCO's annotation files: parsed and checked, with or without their pictures.

Source: Lin et al. 2014, "Microsoft COCO: Common objects in context", and the data format page of its project.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from striate.core.errors import StriateError

from ..annotations import Annotations
from ..rle import polygon_of, read_runs
from .objects import Box, Marked, Picture, Segment, Size, Unread, decimal, exact, sound

OWN = "striate"  # the field that holds what COCO has no place for
_SLACK = 2.0  # pixels by which a box may differ from the extent of its polygons
_DOUBTS = 20  # that are told in full
_OBJECT = frozenset({"id", "image_id", "category_id", "bbox", "segmentation", "keypoints", "iscrowd", OWN})
_IMAGE = frozenset({"id", "file_name", "height", "width", OWN})
_CATEGORY = frozenset({"id", "name", "keypoints", "skeleton"})


@dataclass(frozen=True)
class Category:
    """One class, with the names of its keypoints and the pairs of them (from 1) that a skeleton joins."""

    id: int
    name: str
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image as the file lists it."""

    id: int
    file_name: str
    height: int
    width: int
    extras: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation as the file lists it; ``bbox`` is x, y, width, height as written."""

    id: int
    image_id: int
    category_id: int
    bbox: Box | None
    segment: Segment | None = None
    crowd: bool = False
    keypoints: tuple[float, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CocoFile:
    """What one annotation file says.

    Attributes:
        name: Of the file.
        images: In the order of the file.
        categories: By their ids.
        objects: In the order of the file; captions are not among them.
        captions: Sentences, by the id of their image.
        caption_ids: Their ids, likewise.
        doubts: What is odd but can be read: boxes that disagree with their polygons, names that occur twice.
        extras: ``info``, ``licenses`` and whatever else stands at the top.
    """

    name: str
    images: tuple[CocoImage, ...]
    categories: tuple[Category, ...]
    objects: tuple[CocoObject, ...]
    captions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    caption_ids: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories; one that occurs twice gets its id behind it the second time."""
        seen: set[str] = set()
        out = []
        for one in self.categories:
            out.append(f"{one.name} (id {one.id})" if one.name in seen else one.name)
            seen.add(one.name)
        return tuple(out)

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The class of each category id."""
        return {one.id: number for number, one in enumerate(self.categories)}

    @cached_property
    def by_image(self) -> dict[int, list[CocoObject]]:
        """The objects of each image, by its id."""
        found: dict[int, list[CocoObject]] = {one.id: [] for one in self.images}
        for one in self.objects:
            found[one.image_id].append(one)
        return found

    @cached_property
    def points(self) -> int:
        """Keypoints of an object, as many as the category with the most has; 0 where there are none."""
        return max((len(one.keypoints) // 3 for one in self.objects), default=0)

    def picture(self, image: CocoImage) -> Picture:
        """One image with its objects."""
        coco: dict[str, Any] = {"id": image.id, **image.extras}
        if image.id in self.caption_ids:
            coco["caption_ids"] = list(self.caption_ids[image.id])
        return Picture(
            image.file_name, (image.height, image.width),
            tuple(marked(one, self.numbers[one.category_id]) for one in self.by_image[image.id]),
            captions=self.captions.get(image.id, ()), extras={"coco": coco, **image.own},
        )  # fmt: skip

    def annotations(self, image_id: int) -> Annotations:
        """What is known of one image; masks are decoded when they are looked at.

        Raises:
            StriateError: No image has this id.
        """
        found = [one for one in self.images if one.id == image_id]
        if not found:
            raise StriateError(f"{self.name} has no image {image_id}")
        masked = any(one.segment is not None for one in self.objects)
        return Unread.of(self.picture(found[0]), masked=masked, points=self.points)


def read_coco(source: str | Path | bytes, *, name: str = "") -> CocoFile:
    """A COCO annotation file, checked, from a path or its bytes; no picture is needed.

    Raises:
        StriateError: It is not such a file; an id occurs twice; an annotation is of an unknown image or category, or a
            box, polygon, run or keypoint in it cannot be read. The message names the file and the annotation.

    >>> read_coco(b'{"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}').classes
    ('cat',)
    """
    if isinstance(source, bytes):
        data, name = source, name or "annotations"
    else:
        path = Path(source)
        name = name or path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StriateError(f"{path} cannot be read: {error.strerror}", accepted="a COCO annotation file") from error
    found = _parsed(data, name)
    images = tuple(_image(record, place, name) for place, record in enumerate(_list(found, "images", name)))
    _unique([one.id for one in images], "images", name)
    categories = tuple(
        sorted(
            (_category(one, place, name) for place, one in enumerate(found.get("categories") or [])), key=lambda c: c.id
        )
    )
    _unique([one.id for one in categories], "categories", name)
    known, kinds = {one.id: one for one in images}, {one.id: one for one in categories}
    objects: list[CocoObject] = []
    captions: dict[int, list[str]] = {}
    caption_ids: dict[int, list[int]] = {}
    doubts: list[str] = _twice(categories)
    seen: set[int] = set()
    for place, record in enumerate(_list(found, "annotations", name)):
        title = _title(record, place, name)
        number, image = _whole(record, "id", title), _whole(record, "image_id", title)
        if number in seen:
            raise StriateError(f"{title} has an id that another has too", accepted="each id once")
        seen.add(number)
        if image not in known:
            raise StriateError(f"{title} is of image {image}, which {name} does not list")
        if "caption" in record and "category_id" not in record:
            captions.setdefault(image, []).append(str(record["caption"]))
            caption_ids.setdefault(image, []).append(number)
            continue
        one = _object(record, number, image, known[image], title)
        if one.category_id not in kinds:
            raise StriateError(f"{title} has category {one.category_id}, which {name} does not list")
        if _disagrees(one):
            doubts.append(f"the box of annotation {number} is not the extent of its polygons")
        objects.append(one)
    extras = {key: value for key, value in found.items() if key not in {"images", "annotations", "categories"}}
    if len(doubts) > _DOUBTS:
        doubts = [*doubts[:_DOUBTS], f"and {len(doubts) - _DOUBTS:,} more of the kind"]
    return CocoFile(
        name, images, categories, tuple(objects), {key: tuple(value) for key, value in captions.items()},
        {key: tuple(value) for key, value in caption_ids.items()}, tuple(doubts), extras,
    )  # fmt: skip


def looks_like_coco(found: object) -> bool:
    """Whether parsed JSON has the two lists that every COCO annotation file has."""
    return (
        isinstance(found, dict) and isinstance(found.get("images"), list) and isinstance(found.get("annotations"), list)
    )


def marked(one: CocoObject, kind: int) -> Marked:
    """The object with its edges; what COCO says beside stands in ``extras["coco"]``."""
    box, written = None, {}
    if one.bbox is not None:
        box = exact(box_of_bbox(one.bbox), one.own.get("edges"))
        if written_bbox(box) != list(one.bbox):
            written = {"bbox": list(one.bbox)}
    elif one.segment is not None:
        box = extent(one.segment)
    difficult = bool(one.own.get("difficult", False))
    beside = {key: value for key, value in one.own.items() if key not in {"difficult", "edges"}}
    extras = {"coco": {"id": one.id, **one.extras, **written}, **beside}
    return Marked(kind, box, one.segment, one.crowd, difficult, one.keypoints, extras)


def box_of_bbox(bbox: Sequence[float]) -> Box:
    """Left, top, right, bottom edge of x, y, width, height."""
    x, y, width, height = bbox
    return x, y, float(decimal(x) + decimal(width)), float(decimal(y) + decimal(height))


def written_bbox(box: Box) -> list[float]:
    """x, y, width, height of these edges; figures of up to fifteen digits come back as they were written."""
    left, top, right, bottom = (decimal(edge) for edge in box)
    return [box[0], box[1], float(right - left), float(bottom - top)]


def extent(segment: Segment) -> Box | None:
    """Left, top, right, bottom edge of the pixels or of the polygons' corners; None where there are none."""
    if segment.counts is not None:
        box = read_runs(segment.counts, segment.size).box
        return None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    if not segment.polygons:
        return None
    points = np.concatenate(segment.polygons).reshape(-1, 2)
    low, high = points.min(0).tolist(), points.max(0).tolist()
    return low[0], low[1], high[0], high[1]


def segment_from(value: object, size: Size, title: str) -> Segment | None:
    """A segmentation as JSON has it, checked; None where it is empty.

    Raises:
        StriateError: It is neither polygons nor runs, or cannot be read as what it is, or is of another size.
    """
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return None
    if isinstance(value, Mapping):
        sides, counts = value.get("size"), value.get("counts")
        if not _wholes(sides, 2) or not isinstance(counts, (str, list)):
            raise StriateError(f"{title} has runs without size and counts", accepted="size [height, width] and counts")
        height, width = (int(side) for side in sides or ())
        if (height, width) != size:
            raise StriateError(
                f"{title} has runs of {width}x{height} pixels", accepted=f"the {size[1]}x{size[0]} of its image"
            )
        runs = read_runs(counts, size, name=title)
        return Segment(counts=counts if isinstance(counts, str) else runs.counts, size=size)
    if not isinstance(value, (list, tuple)):
        raise StriateError(f"{title} has a segmentation of type {type(value).__name__}", accepted="polygons or runs")
    polygons = []
    for one in value:
        array = one if isinstance(one, np.ndarray) else np.asarray(one) if _numbers(one) else None
        if array is None:
            raise StriateError(f"{title} has a polygon that is not a list of numbers", accepted="x, y, x, y, ...")
        polygons.append(polygon_of(array, name=title))
    return Segment(tuple(polygons))


def segment_json(segment: Segment) -> Any:
    """A segmentation as COCO writes it; whole numbers come without a point."""
    if segment.counts is not None:
        counts = segment.counts if isinstance(segment.counts, str) else segment.counts.tolist()
        return {"size": list(segment.size), "counts": counts}
    return [[brief(number) for number in one.tolist()] for one in segment.polygons]


def brief(number: float) -> float | int:
    """The same number, whole where it is."""
    return int(number) if number == math.floor(number) and abs(number) < 1 << 53 else number


def keypoints_from(value: object, title: str) -> tuple[float, ...]:
    """Keypoints as JSON has them: x, y and how well seen (0, 1, 2) in turn; raises `StriateError` for anything else."""
    if value is None:
        return ()
    if not _numbers(value) or len(value) % 3:  # type: ignore[arg-type]
        raise StriateError(f"{title} has keypoints that are not threes of numbers", accepted="x, y, 0 to 2, ...")
    found = tuple(float(number) for number in value)  # type: ignore[attr-defined]
    if any(seen not in {0.0, 1.0, 2.0} for seen in found[2::3]):
        raise StriateError(
            f"{title} has a keypoint that is neither 0, 1 nor 2", accepted="0 no label, 1 hidden, 2 seen"
        )
    return found


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    def refuse(word: str) -> float:
        raise StriateError(f"{name} holds the number {word}", accepted="finite numbers")

    def compact(record: dict[str, Any]) -> dict[str, Any]:
        polygons = record.get("segmentation")
        if isinstance(polygons, list) and all(map(_numbers, polygons)):
            record["segmentation"] = [np.array(one, dtype=np.float64) for one in polygons]  # a fifth of the memory
        return record

    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=refuse, object_hook=compact)
    except StriateError:
        raise
    except (ValueError, RecursionError) as error:
        raise StriateError(f"{name} is not JSON that can be read: {error}", hint="fetch or save it anew") from error
    if isinstance(found, list):
        raise StriateError(
            f"{name} is a list of {len(found):,} results", accepted="annotations: images, categories, ..."
        )
    if not looks_like_coco(found):
        raise StriateError(f"{name} lacks the lists images and annotations", accepted="a COCO annotation file")
    if not isinstance(found.get("categories", []), list):
        raise StriateError(f"{name} has categories that are no list")
    return dict(found)


def _list(found: Mapping[str, Any], key: str, name: str) -> Iterator[dict[str, Any]]:
    for place, record in enumerate(found[key]):
        if not isinstance(record, dict):
            raise StriateError(f"{key}[{place}] of {name} is a {type(record).__name__}", accepted="an object")
        yield record


def _image(record: Mapping[str, Any], place: int, name: str) -> CocoImage:
    title = f"images[{place}] of {name}"
    file = record.get("file_name")
    if not isinstance(file, str) or not file:
        raise StriateError(f"{title} has no file_name")
    sides = [_whole(record, side, title) if record.get(side) is not None else 0 for side in ("height", "width")]
    own = record.get(OWN)
    kept = sound(own, title) if isinstance(own, dict) else {}
    return CocoImage(
        _whole(record, "id", title), file, sides[0], sides[1],
        {key: value for key, value in record.items() if key not in _IMAGE}, kept,
    )  # fmt: skip


def _category(record: Any, place: int, name: str) -> Category:
    title = f"categories[{place}] of {name}"
    if not isinstance(record, dict) or not isinstance(record.get("name"), str) or not record["name"]:
        raise StriateError(f"{title} has no name")
    points, bones = record.get("keypoints") or [], record.get("skeleton") or []
    if not all(isinstance(one, str) for one in points) or not all(_wholes(one, 2) for one in bones):
        raise StriateError(
            f"{title} has keypoints or a skeleton that cannot be read", accepted="names; pairs of numbers"
        )
    return Category(
        _whole(record, "id", title), record["name"], tuple(points), tuple((int(a), int(b)) for a, b in bones),
        {key: value for key, value in record.items() if key not in _CATEGORY},
    )  # fmt: skip


def _object(record: Mapping[str, Any], number: int, image: int, of: CocoImage, title: str) -> CocoObject:
    bbox = record.get("bbox")
    if bbox is not None and (not _numbers(bbox) or len(bbox) != 4):
        raise StriateError(f"{title} has the box {bbox}", accepted="x, y, width, height")
    own = record.get(OWN)
    kept = sound(own, title) if isinstance(own, dict) else {}
    return CocoObject(
        number, image, _whole(record, "category_id", title),
        None if not bbox else (float(bbox[0]), float(bbox[1]), float(bbox[2]), float(bbox[3])),
        segment_from(record.get("segmentation"), (of.height, of.width), title), bool(record.get("iscrowd", 0)),
        keypoints_from(record.get("keypoints"), title),
        {key: value for key, value in record.items() if key not in _OBJECT}, kept,
    )  # fmt: skip


def _disagrees(one: CocoObject) -> bool:
    if one.bbox is None or one.segment is None or one.segment.counts is not None:
        return False
    x, y, width, height = one.bbox
    found = extent(one.segment)
    return found is not None and max(
        abs(a - b) for a, b in zip(found, (x, y, x + width, y + height), strict=True)
    ) > _SLACK  # fmt: skip


def _twice(categories: Sequence[Category]) -> list[str]:
    names = [one.name for one in categories]
    return [f"the category name {name!r} occurs twice" for name in dict.fromkeys(names) if names.count(name) > 1]


def _unique(ids: Sequence[int], what: str, name: str) -> None:
    if len(set(ids)) != len(ids):
        seen: set[int] = set()
        twice = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise StriateError(f"{name} lists the id {twice} twice among its {what}", accepted="each id once")


def _title(record: Mapping[str, Any], place: int, name: str) -> str:
    number = record.get("id")
    return f"annotation {number} of {name}" if isinstance(number, int) else f"annotations[{place}] of {name}"


def _whole(record: Mapping[str, Any], key: str, title: str) -> int:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != math.floor(value):
        raise StriateError(f"{title} has {key} {value!r}", accepted="a whole number")
    return int(value)


def _numbers(value: object) -> bool:
    return isinstance(value, list) and set(map(type, value)) <= {int, float}


def _wholes(value: object, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(type(one) is int for one in value)
