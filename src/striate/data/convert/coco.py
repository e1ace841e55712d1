"""To COCO: one JSON a split, pictures beside it; what PASCAL VOC and masks say more stands in fields ``striate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.version import VERSION

from ..annotations import VOID
from ..dataset import Dataset, Splits
from ..layouts.coco_json import OWN, Category, CocoFile, box_of_bbox, brief, segment_json, written_bbox
from ..layouts.objects import Box, decimal
from ..layouts.places import KEPT, counted
from ..rle import encode
from .made import class_runs, extent_of, segment_of
from .target import Item, Written, extras_of, fresh, items_of, put, put_json

_INSIDE = frozenset({"caption_ids", "annotations", "file_name", "bbox"})  # kept among extras, written elsewhere


def write_coco(
    data: Dataset | Splits, out: str | Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> Written:
    """Write data with boxes, regions or captions as COCO: ``annotations/instances_train.json``, ``train/`` and so on.

    Objects keep their outlines as written (polygons, run lengths) or get run lengths. A class map becomes one
    annotation a class where the data have regions alone, else a field of the image. Ids are kept where they are unique.
    Undivided data (a `Dataset`) become ``annotations/instances.json`` beside ``images/``.

    Raises:
        StriateError: The data are of another task or resized, or ``out`` is not empty.

    >>> from striate.data.load import load_splits
    >>> data = load_splits("raccoon.zip")  # doctest: +SKIP
    >>> write_coco(data, "raccoon-coco").said  # doctest: +SKIP
    'COCO: 134 images, 143 objects'
    """
    items = items_of(data, tasks=("boxes", "regions", "none"))
    extras = extras_of(data)
    records = _categories(items[0].data.classes, extras)
    ids = [int(record["id"]) for record in records]
    task = items[0].data.task
    objects = 0
    with fresh(out, overwrite=overwrite) as folder, progress.task("write", len(items)) as step:
        for split in dict.fromkeys(item.folder for item in items):
            part = [item for item in items if item.folder == split]
            numbers = _numbered([item.picture.extras.get("coco", {}).get("id") for item in part])
            names = _file_names(part)
            images, annotations = [], []
            for item, number, name in zip(part, numbers, names, strict=True):
                images.append(_image(item, number, name, regional=task == "regions"))
                found = _regions(item, ids) if task == "regions" else _objects(item, ids)
                annotations += [{"image_id": number, **record} for record in found]
                put(folder, f"{split or 'images'}/{name}", item.content())
                step()
            objects += len(annotations)
            own = {key: value for key, value in extras.items() if key not in {"coco", "classes", "images"}}
            top = {key: value for key, value in extras.get("coco", {}).items() if key != "categories"}
            own |= {"task": "regions"} if task == "regions" else {}
            whole = {**top, "images": images, "categories": records, **({OWN: own} if own else {})}
            ending = f"_{split}.json" if split else ".json"
            if task != "none":
                given = _numbered([record.pop("id", None) for record in annotations])
                whole["annotations"] = [{"id": n, **record} for n, record in zip(given, annotations, strict=True)]
                put_json(folder, f"annotations/instances{ending}", whole)
            captions = _captions(part, numbers)
            if captions or task == "none":
                put_json(folder, f"annotations/captions{ending}", {"images": images, "annotations": captions})
        put_json(folder, KEPT, {"striate": VERSION, "format": "COCO"})
    said = f"COCO: {counted(len(items), 'image')}, {counted(objects, 'object' if task == 'boxes' else 'annotation')}"
    return Written(Path(out), len(items), objects, said)


def _categories(classes: Sequence[str], extras: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The categories as they came, where they are still the classes of the data; else numbered from 1."""
    kept = extras.get("coco", {}).get("categories") or []
    known = tuple(Category(int(one["id"]), str(one["name"])) for one in kept)
    if CocoFile("", (), known, ()).classes == tuple(classes):
        return [dict(one) for one in kept]
    return [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]


def _numbered(given: Sequence[object]) -> list[int]:
    """The ids as they came where each is there once; else from 1."""
    whole = [one for one in given if isinstance(one, int)]
    return whole if len(set(whole)) == len(given) else list(range(1, len(given) + 1))


def _file_names(items: Sequence[Item]) -> list[str]:
    """Names as an earlier COCO file had them, where they stay inside the folder and differ; else the images' own."""
    told = [item.picture.extras.get("coco", {}).get("file_name") for item in items]
    safe = [
        isinstance(one, str) and not PurePosixPath(one).is_absolute() and ".." not in one.split("/") for one in told
    ]
    names = [str(one) if good else item.file for one, good, item in zip(told, safe, items, strict=True)]
    if len({name.casefold() for name in names}) == len(names) and not any("\\" in name for name in names):
        return names
    return [item.file for item in items]


def _image(item: Item, number: int, name: str, *, regional: bool) -> dict[str, Any]:
    picture = item.picture
    own = {key: value for key, value in picture.extras.items() if key != "coco"}
    if picture.regions is not None and not regional and not picture.drawn:
        values = picture.regions.read(picture.size)
        parts = class_runs(values, void=VOID)
        own["regions"] = {item.data.classes[kind]: _runs(runs) for kind, runs in parts.items()}
    if picture.instances is not None:
        void = encode(picture.instances.read(picture.size) == VOID)
        own["instances"] = {"void": _runs(void) if void.area else None}
    coco = {key: value for key, value in picture.extras.get("coco", {}).items() if key not in {"id", *_INSIDE}}
    record = {"id": number, "file_name": name, "height": picture.size[0], "width": picture.size[1], **coco}
    return {**record, **({OWN: own} if own else {})}


def _runs(runs: Any) -> dict[str, Any]:
    return {"size": [runs.height, runs.width], "counts": runs.text()}


def _regions(item: Item, ids: Sequence[int]) -> list[dict[str, Any]]:
    picture = item.picture
    if picture.regions is None:
        raise StriateError(f"{picture.name} has no class map", accepted="one for every image")
    kept = picture.extras.get("coco", {}).get("annotations", {})
    records = []
    for kind, runs in class_runs(picture.regions.read(picture.size), void=VOID).items():
        left, top, right, bottom = runs.box or (0, 0, 0, 0)
        records.append({
            "category_id": ids[kind], "bbox": [left, top, right - left, bottom - top], "area": runs.area, "iscrowd": 0,
            "segmentation": _runs(runs), **kept.get(item.data.classes[kind], {}),
        })  # fmt: skip
    return records


def _objects(item: Item, ids: Sequence[int]) -> list[dict[str, Any]]:
    picture = item.picture
    masks = picture.masks() if picture.instances is not None else None
    records = []
    for number, one in enumerate(picture.objects or ()):
        coco = dict(one.extras.get("coco", {}))
        segment = one.segment if masks is None else segment_of(encode(masks[number]))
        box = one.box
        if box is None and segment is not None:
            box = extent_of(segment.mask(picture.size, picture.name))
        record: dict[str, Any] = {"category_id": ids[one.kind], "iscrowd": int(one.crowd)}
        if "id" in coco:
            record["id"] = coco.pop("id")
        own = {key: value for key, value in one.extras.items() if key != "coco"}
        if box is not None:
            written = coco.pop("bbox", None) or written_bbox(box)
            own |= {"edges": list(box)} if box_of_bbox(written) != box else {}
            record["bbox"] = [brief(float(edge)) for edge in written]
        if segment is not None:
            record["segmentation"] = segment_json(segment)
        record["area"] = _area(box, None if segment is None else segment.mask(picture.size, picture.name), coco)
        if one.points:
            record["keypoints"] = [brief(value) for value in one.points]
            record["num_keypoints"] = sum(seen > 0 for seen in one.points[2::3])
        own |= {"difficult": True} if one.difficult else {}
        records.append({**record, **coco, **({OWN: own} if own else {})})
    return records


def _area(box: Box | None, mask: Any, coco: Mapping[str, Any]) -> float:
    """As it came; else the pixels of the mask, else the box."""
    if "area" in coco:
        return float(coco["area"])
    if mask is not None:
        return int(np.count_nonzero(mask))
    if box is None:
        return 0
    left, top, right, bottom = (decimal(edge) for edge in box)
    return brief(float((right - left) * (bottom - top)))


def _captions(items: Sequence[Item], numbers: Sequence[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    told: list[object] = []
    for item, number in zip(items, numbers, strict=True):
        captions = item.picture.captions
        kept = item.picture.extras.get("coco", {}).get("caption_ids") or []
        told += kept if len(kept) == len(captions) else [None] * len(captions)
        found += [{"image_id": number, "caption": caption} for caption in captions]
    return [{"id": n, **record} for n, record in zip(_numbered(told), found, strict=True)]
