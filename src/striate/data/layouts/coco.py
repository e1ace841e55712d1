"""COCO: one JSON a split with boxes, outlines, keypoints and captions; pictures are found by their file names.

Read as COCO hands it out (``annotations/instances_train2017.json`` and its companions beside ``train2017``), as
Roboflow does (``train/_annotations.coco.json`` beside the pictures), or as any one JSON with ``images`` and
``annotations``. Masks are decoded when they are looked at.

Source: Lin et al. 2014, "Microsoft COCO: Common objects in context".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.core.errors import StriateError

from ..annotations import VOID
from ..dataset import BrokenFile, Splits, Task
from ..source import Request
from ..tree import Listing, Tree
from .coco_json import Category, CocoFile, CocoObject, looks_like_coco, read_coco, segment_from
from .images import is_image
from .objects import Map, Numbers, Picture, Segment, Size, open_pictures, restored
from .places import Images, counted, split_in, stem
from .recognise import Layout
from .spread import spread

_KINDS = ("instances", "person_keypoints", "stuff", "captions", "panoptic")  # beginnings of COCO's own file names
_RESULTS = frozenset({"results", "result", "predictions", "detections", "expected"})
_SMALL = 1 << 22  # bytes of a JSON that is read to see what it is
_TRIED = 4


@dataclass(frozen=True, eq=False)
class RegionRuns:
    """A class map kept as the pixels of each class; what none covers is void."""

    parts: tuple[tuple[int, Segment], ...]
    name: str

    def read(self, size: Size) -> Numbers:
        """The class of every pixel (H, W); raises `StriateError` where two classes claim one."""
        out = np.full(size, VOID, dtype=np.uint8)
        for kind, segment in self.parts:
            mask = segment.mask(size, self.name)
            if (out[mask] != VOID).any():
                raise StriateError(f"regions of {self.name} overlap", accepted="one class a pixel")
            out[mask] = kind
        return out


@dataclass(frozen=True, eq=False)
class InstanceRuns:
    """A map of objects kept as the pixels of each: n for the n-th, 255 for what counts for none."""

    parts: tuple[Segment | None, ...]
    void: Segment | None
    name: str

    def read(self, size: Size) -> Numbers:
        """The numbers (H, W); raises `StriateError` where two objects claim a pixel."""
        out = np.zeros(size, dtype=np.uint8)
        for number, segment in [*enumerate(self.parts, start=1), (VOID, self.void)]:
            if segment is not None:
                mask = segment.mask(size, self.name)
                if out[mask].any() or number > VOID:
                    raise StriateError(f"objects of {self.name} overlap", accepted="one object a pixel, at most 254")
                out[mask] = number
        return out


def is_coco(tree: Tree, listing: Listing) -> bool:
    """Whether a JSON is named as COCO's are, or a small one beside images has their lists."""
    named, others = _candidates(listing)
    if named:
        return True
    if not others or not any(map(is_image, listing.names)):
        return False
    return any(_is_annotation(tree, name) for name in others[:_TRIED] if tree.weight(name) <= _SMALL)


def read_coco_tree(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of a tree with COCO annotations.

    Raises:
        StriateError: No JSON is one, or a panoptic one alone; several are for the same split, they disagree on
            categories, or as `read_coco`; pictures are missing or of another size than the JSON says.
    """
    named, others = _candidates(listing)
    names = named or [name for name in others if _is_annotation(tree, name)]
    if any(_kind(name) == "panoptic" for name in names):
        raise StriateError(
            f"{names[0]} of {tree.name} is a panoptic annotation, which is not read",
            accepted="instances, person_keypoints, stuff or captions",
            hint="stuff_*.json of COCO holds the same regions, instances_*.json the same objects",
        )
    if not names:
        raise StriateError(
            f"{tree.name} holds no COCO annotation", accepted="a JSON with images, annotations, categories"
        )
    by_split = _by_split(tree, names)
    files: dict[str, tuple[CocoFile, str, str]] = {}
    for split, kinds in by_split.items():
        main = next(kind for kind in ("instances", "person_keypoints", "", "stuff", "captions") if kind in kinds)
        file = read_coco(tree.read(kinds[main]), name=kinds[main])
        for kind in ("person_keypoints", "captions"):
            if kind in kinds and kind != main:
                file = _joined(file, read_coco(tree.read(kinds[kind]), name=kinds[kind]))
        files[split] = (file, kinds[main], main)
    categories = _categories([file for file, _, _ in files.values()])
    return _opened(tree, listing, request, files, categories)


def _opened(
    tree: Tree, listing: Listing, request: Request, files: Mapping[str, tuple[CocoFile, str, str]],
    categories: tuple[Category, ...],
) -> Splits:  # fmt: skip
    images = Images(listing)
    pictures: list[Picture] = []
    gone: list[BrokenFile] = []
    splits: dict[str, str] = {}
    whole = CocoFile("", (), categories, ())
    tasks: list[Task] = []
    for split, (file, path, main) in files.items():
        marks = file.extras.get("striate")
        regional = main == "stuff" or (isinstance(marks, dict) and marks.get("task") == "regions")
        tasks.append("none" if main == "captions" else "regions" if regional else "boxes")
        aligned = replace(file, categories=categories)
        for image in file.images:
            where = images.find(image.file_name, near=_folder(path), split=split)
            if where is None:
                gone.append(BrokenFile(image.file_name, "is not there"))
            elif where in splits:
                raise StriateError(f"{path} lists {where}, which is listed already", accepted="each image once")
            else:
                splits[where] = split
                pictures.append(_picture(aligned.picture(image), where, whole, tasks[-1]))
    if len(set(tasks)) > 1:
        raise StriateError(f"{tree.name} holds {' and '.join(sorted(set(tasks)))}", accepted="one kind for every split")
    if not pictures:
        listed = sum(len(file.images) for file, _, _ in files.values())
        paths = ", ".join(path for _, path, _ in files.values())
        raise StriateError(
            f"{paths} of {tree.name} names {counted(listed, 'image')}, and none of them lies there",
            accepted="annotations beside their pictures",
            hint="read_coco(path) of striate.data.layouts.coco_json reads the annotations alone",
        )
    first = next(iter(files.values()))[0]
    marks = first.extras.get("striate")
    kept = {key: value for key, value in (marks if isinstance(marks, dict) else {}).items() if key != "task"}
    kept["coco"] = {"categories": [_record(one) for one in categories], **_plain(first.extras)}
    data, left = open_pictures(
        tree, pictures, gone, request, what="listed images", classes=whole.classes, task=tasks[0], layout="COCO",
        extras=kept,
    )  # fmt: skip
    said = _said(
        files, left, whole.classes, tasks[0], unlisted=len(images.names) - len(pictures), broken=len(data.broken)
    )
    where_split = {picture.name: splits[picture.name] for picture in left}
    return spread(data, left, where_split, said, request, by=", ".join(path for _, path, _ in files.values()))


def _picture(picture: Picture, where: str, whole: CocoFile, task: Task) -> Picture:
    """The picture under its path in the tree, with the maps that a converter kept in its record, if any."""
    coco, extras = dict(picture.extras["coco"]), dict(picture.extras)
    if picture.name != where:
        coco["file_name"] = picture.name
    extras["coco"] = coco
    objects = picture.objects or ()
    if task == "none":
        return restored(replace(picture, name=where, objects=None, extras=extras))
    if task == "regions":
        parts = tuple((one.kind, one.segment) for one in objects if one.segment is not None)
        coco["annotations"] = {whole.classes[one.kind]: dict(one.extras["coco"]) for one in objects}
        regional = replace(picture, name=where, objects=None, regions=RegionRuns(parts, where), extras=extras)
        return restored(replace(regional, shows=tuple({kind for kind, _ in parts})))
    regions = _regions(extras.pop("regions", None), picture, whole.classes)
    instances: Map | None = None
    kept = extras.pop("instances", None)
    if isinstance(kept, dict):  # these masks came from one map without overlaps, and go back to one
        void = segment_from(kept.get("void"), picture.size, picture.name)
        instances = InstanceRuns(tuple(one.segment for one in objects), void, where)
        objects = tuple(replace(one, segment=None) for one in objects)
    return restored(replace(picture, name=where, objects=objects, regions=regions, instances=instances, extras=extras))


def _regions(kept: object, picture: Picture, classes: tuple[str, ...]) -> RegionRuns | None:
    if not isinstance(kept, dict):
        return None
    numbers = {name: number for number, name in enumerate(classes)}
    unknown = [name for name in kept if name not in numbers]
    if unknown:
        raise StriateError(f"regions of {picture.name} hold the class {unknown[0]!r}", accepted="a category")
    found = ((numbers[name], segment_from(one, picture.size, picture.name)) for name, one in kept.items())
    return RegionRuns(tuple((kind, one) for kind, one in found if one is not None), picture.name)


def _candidates(listing: Listing) -> tuple[list[str], list[str]]:
    """JSON files named as COCO's are, and others not too deep that may be COCO's all the same."""
    found = [name for name in listing.names if name.lower().endswith(".json")]
    found = [name for name in found if not _RESULTS & set(_words(name)) and stem(name) != "striate"]
    named = [name for name in found if _kind(name) in {"instances", "person_keypoints", "stuff", "captions"}]
    if any(_kind(name) != "captions" for name in named) or (named and len(named) == len(found)):
        return named, []
    others = [name for name in found if name.count("/") <= 1]
    return [], others if len(others) <= 2 * _TRIED else []


def _kind(name: str) -> str:
    low = name.rpartition("/")[2].lower()
    if low in {"_annotations.coco.json", "annotations.coco.json"} or low.endswith(".coco.json"):
        return "instances"
    return next((kind for kind in _KINDS if re.match(rf"{kind}[_.\-0-9]", low)), "")


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", stem(name).lower())


def _is_annotation(tree: Tree, name: str) -> bool:
    try:
        return looks_like_coco(json.loads(tree.read(name)))
    except (ValueError, RecursionError):
        return False


def _by_split(tree: Tree, names: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name in names:
        split = split_in(_words(name)) or split_in(name.split("/")[:-1])
        kinds = found.setdefault(split, {})
        if _kind(name) in kinds:
            raise StriateError(
                f"{tree.name} holds {kinds[_kind(name)]} and {name}, both for {split or 'the whole'}",
                accepted="one annotation file a split",
                hint="name them by split, as instances_train.json, or give a folder that holds one",
            )
        kinds[_kind(name)] = name
    if "" in found and len(found) > 1:
        raise StriateError(
            f"{tree.name} holds {next(iter(found[''].values()))}, which names no split, beside others that do",
            accepted="one annotation file a split",
        )
    return {split: found[split] for split in ("train", "dev", "test", "") if split in found}


def _joined(file: CocoFile, other: CocoFile) -> CocoFile:
    """Captions and keypoints of the companion file, put to the same images and the same annotations."""
    known = {one.id for one in file.images}
    stray = [one.id for one in other.images if one.id not in known]
    if stray:
        raise StriateError(f"{other.name} lists image {stray[0]}, which {file.name} does not list")
    captions, ids = {**file.captions, **other.captions}, {**file.caption_ids, **other.caption_ids}
    by_id: dict[int, CocoObject] = {one.id: one for one in other.objects}
    objects = tuple(
        replace(one, keypoints=by_id[one.id].keypoints, extras={**one.extras, **by_id[one.id].extras})
        if one.id in by_id and not one.keypoints else one
        for one in file.objects
    )  # fmt: skip
    named = {one.id: one for one in other.categories}
    categories = tuple(
        replace(one, keypoints=named[one.id].keypoints, skeleton=named[one.id].skeleton)
        if one.id in named and not one.keypoints else one
        for one in file.categories
    )  # fmt: skip
    return replace(file, captions=captions, caption_ids=ids, objects=objects, categories=categories)


def _categories(files: Sequence[CocoFile]) -> tuple[Category, ...]:
    found: dict[int, tuple[Category, str]] = {}
    for file in files:
        for one in file.categories:
            other, where = found.setdefault(one.id, (one, file.name))
            if other.name != one.name:
                raise StriateError(
                    f"category {one.id} is {other.name!r} in {where} and {one.name!r} in {file.name}",
                    accepted="the same categories in every split",
                )
    return tuple(found[number][0] for number in sorted(found))


def _record(one: Category) -> dict[str, Any]:
    bones = {"keypoints": list(one.keypoints), "skeleton": [list(pair) for pair in one.skeleton]}
    return {"id": one.id, "name": one.name, **one.extras, **(bones if one.keypoints else {})}


def _plain(extras: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in extras.items() if key != "striate"}


def _folder(path: str) -> str:
    above = path.rpartition("/")[0]
    return f"{above}/" if above else ""


def _said(
    files: Mapping[str, tuple[CocoFile, str, str]], left: Sequence[Picture], classes: tuple[str, ...], task: Task,
    *, unlisted: int, broken: int,
) -> str:  # fmt: skip
    objects = [one for picture in left for one in picture.objects or ()]
    parts = [counted(len(classes), "class", "classes"), counted(len(left), "image")]
    outlined = sum(one.segment is not None for one in objects)
    outlined += sum(len(picture.objects or ()) for picture in left if picture.instances is not None)
    if task == "boxes":
        parts.append(counted(len(objects), "box", "boxes"))
        for count, word in (
            (outlined, "with outlines"),
            (sum(one.crowd for one in objects), "crowds"),
            (sum(any(one.points[2::3]) for one in objects), "with keypoints"),
        ):
            parts += [f"{count:,} {word}"] if count else []
    elif task == "regions":
        parts.append("a class for every pixel")
    captions = sum(len(picture.captions) for picture in left)
    parts += [counted(captions, "caption")] if captions else []
    parts += [f"{counted(unlisted, 'image')} not listed left out"] if unlisted else []
    parts += [f"{broken:,} broken or missing files left out"] if broken else []
    doubts = [doubt for file, _, _ in files.values() for doubt in file.doubts]
    parts += [f"doubtful: {doubts[0]}{f' and {len(doubts) - 1} more' if len(doubts) > 1 else ''}"] if doubts else []
    return f"COCO: {', '.join(parts)}"


COCO = Layout(is_coco, read_coco_tree)
