"""To PASCAL VOC: XML, class and object maps, lists; what COCO says more stands in elements ``striate``, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.version import VERSION

from ..dataset import Dataset, Splits
from ..layouts.coco_json import segment_json
from ..layouts.masks import Colour, voc_colours
from ..layouts.objects import Marked, Numbers, Picture
from ..layouts.places import KEPT, counted
from ..layouts.voc_xml import OWN, edges_of, shown, unplain, written_box, xml_bytes
from .made import extent_of, one_map
from .masks import BACKGROUND, check_classes, colours_of, palette_png
from .target import Item, Written, extras_of, fresh, items_of, put, put_json

_LISTS = {"train": "train", "val": "val", "test": "test"}
_BEFORE = ("folder", "filename", "path", "source", "owner")  # of an annotation, before its size
_ROUNDING = 1e-6
_FLAGS = ("pose", "truncated", "occluded", "difficult")  # of an object, before its box


def write_voc(
    data: Dataset | Splits, out: str | Path, *, first: int = 1, overwrite: bool = False, progress: Progress = SILENT
) -> Written:
    """Write data with boxes or regions as PASCAL VOC: ``Annotations``, ``JPEGImages``, ``ImageSets`` and maps.

    Pixels are counted from ``first``: a box of edges (0, 0, 8, 8) is written 1, 1, 8, 8. Masks of objects go into
    ``SegmentationObject`` where no two of an image overlap; outlines as COCO writes them are kept in the XML as well.

    Args:
        data: Splits, or one of them, which gets no lists.
        out: A folder that is not there or empty.
        first: Number of the top left pixel, 1 as VOC has it; 0 is read again by the layout ``voc0``.
        overwrite: Replace what a converter wrote there.
        progress: How the writing of many files is shown.

    Raises:
        StriateError: The data are of another task or resized, an object has neither box nor mask, a name cannot stand
            in XML, or ``out`` is not empty.

    >>> from striate.data.load import load_splits
    >>> data = load_splits("coco-folder")  # doctest: +SKIP
    >>> write_voc(data, "as-voc").said  # doctest: +SKIP
    'PASCAL VOC: 3 images, 9 objects, 3 images with object maps'
    """
    if first not in {0, 1}:
        raise StriateError(f"first is {first}", accepted="1 or 0")
    items = items_of(data, tasks=("boxes", "regions"))
    extras = extras_of(data)
    classes = items[0].data.classes
    regional = any(item.picture.regions is not None and not item.picture.drawn for item in items)
    shift = int(not regional and (not classes or classes[0].lower() not in BACKGROUND))
    names = ("background", *classes) if shift else tuple(classes)
    lists: dict[str, list[str]] = {}
    mapped: dict[str, list[str]] = {}
    objects, alone = 0, 0
    with fresh(out, overwrite=overwrite) as folder, progress.task("write", len(items)) as step:
        for item in items:
            found = item.picture.objects or ()
            objects += len(found)
            instances, values, drawn = _maps(item.picture, shift, regional=regional)
            alone += int(instances is None and any(one.segment is not None for one in found))
            if instances is not None:
                put(folder, f"SegmentationObject/{item.stem}.png", palette_png(instances, voc_colours()))
            if values is not None:
                check_classes(names)
                put(folder, f"SegmentationClass/{item.stem}.png", palette_png(values, colours_of(extras, len(names))))
                mapped.setdefault(item.folder, []).append(item.stem)
            put(folder, f"JPEGImages/{item.file}", item.content())
            root = _annotation(item, first=first, drawn=drawn, maps=instances is not None or values is not None)
            put(folder, f"Annotations/{item.stem}.xml", xml_bytes(root))
            lists.setdefault(item.folder, []).append(item.stem)
            step()
        for kind, found_lists in (("Main", lists), ("Segmentation", mapped)):
            for split, stems in found_lists.items():
                if split:
                    put(folder, f"ImageSets/{kind}/{_LISTS[split]}.txt", "".join(f"{stem}\n" for stem in stems))
        if mapped:
            put(folder, "labelmap.txt", _labelmap(names, colours_of(extras, len(names))))
        kept = {key: value for key, value in extras.items() if key not in {"striate", "format", "classes"}}
        put_json(folder, KEPT, {**kept, "striate": VERSION, "format": "VOC", "classes": list(classes)})
    parts = [counted(len(items), "image"), counted(objects, "object")]
    maps = sum(map(len, mapped.values()))
    parts += [f"{counted(maps, 'image')} with maps"] if maps else []
    parts += [f"outlines of {counted(alone, 'image')} in <{OWN}> alone: objects overlap"] if alone else []
    return Written(Path(out), len(items), objects, f"PASCAL VOC: {', '.join(parts)}")


def _maps(picture: Picture, shift: int, *, regional: bool) -> tuple[Numbers | None, Numbers | None, bool]:
    """The object map, the class map, and whether the latter is drawn after the objects."""
    instances = picture.instances.read(picture.size) if picture.instances is not None else None
    objects = picture.objects or ()
    if instances is None and objects and all(one.segment is not None for one in objects):
        masks = picture.masks()
        instances = None if masks is None else one_map(masks)
    if picture.regions is not None and not picture.drawn:
        return instances, picture.regions.read(picture.size), False
    if instances is None or regional:
        return instances, None, False
    numbers = np.zeros(256, dtype=np.uint8)
    numbers[255] = 255
    kinds = [one.kind + shift for one in objects]
    if kinds and max(kinds) > 254:
        return instances, None, False
    numbers[1 : len(kinds) + 1] = kinds
    return instances, numbers[instances], True


def _annotation(item: Item, *, first: int, drawn: bool, maps: bool) -> Element:
    picture, name = item.picture, item.picture.name
    voc = dict(picture.extras.get("voc", {}))
    own = {key: value for key, value in picture.extras.items() if key != "voc"}
    if voc.get("filename") not in {None, item.file}:
        own["filename"] = voc["filename"]
    voc["filename"] = item.file
    if "coco" in own and "file_name" not in own["coco"] and picture.name != item.file:
        own["coco"] = {**own["coco"], "file_name": picture.name}
    voc.setdefault("segmented", str(int(maps)))
    if picture.captions:
        own["captions"] = list(picture.captions)
    if drawn:
        own["drawn"] = True
    root = Element("annotation")
    unplain(root, {key: value for key, value in voc.items() if key.startswith("@") or key in _BEFORE}, name)
    size = SubElement(root, "size")
    told = voc.pop("size", None)
    depth = str(told.get("depth") if isinstance(told, Mapping) else item.data.store.channels)
    for tag, value in (("width", picture.size[1]), ("height", picture.size[0]), ("depth", depth)):
        SubElement(size, tag).text = str(value)
    unplain(root, {key: value for key, value in voc.items() if not key.startswith("@") and key not in _BEFORE}, name)
    for number, one in enumerate(picture.objects or (), start=1):
        _object(SubElement(root, "object"), one, item, number, first=first)
    if own:
        SubElement(root, OWN).text = _json(own)
    return root


def _object(element: Element, one: Marked, item: Item, number: int, *, first: int) -> None:
    name = f"{item.picture.name}, object {number}"
    voc = dict(one.extras.get("voc", {}))
    own: dict[str, Any] = {key: value for key, value in one.extras.items() if key not in {"voc", "coco"}}
    coco = dict(one.extras.get("coco", {}))
    if one.segment is not None:
        coco["segmentation"] = segment_json(one.segment)
    if one.points:
        coco["keypoints"] = list(one.points)
    if one.crowd:
        coco["iscrowd"] = 1
    if coco:
        own["coco"] = coco
    box = one.box
    if box is None:
        masks = item.picture.masks()
        box = None if masks is None else extent_of(masks[number - 1])
    if box is None:
        raise StriateError(f"{name} has neither box nor mask", accepted="a box, which every object of PASCAL VOC has")
    SubElement(element, "name").text = item.data.classes[one.kind]
    voc.setdefault("difficult", str(int(one.difficult)))
    told = voc.pop("bndbox", None)
    unplain(element, {key: voc[key] for key in _FLAGS if key in voc}, name)
    edges = SubElement(element, "bndbox")
    written = written_box(box, first=first)
    if isinstance(told, Mapping):  # figures so long that adding and taking 1 does not give them back
        kept = [float(edge) for edge in told.values()]
        written = kept if max(abs(a - b) for a, b in zip(kept, written, strict=True)) < _ROUNDING else written
    if edges_of(written, first=first) != box:
        own["edges"] = list(box)
    for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), written, strict=True):
        SubElement(edges, tag).text = shown(edge)
    unplain(element, {key: value for key, value in voc.items() if key not in _FLAGS}, name)
    if own:
        SubElement(element, OWN).text = _json(own)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _labelmap(names: Sequence[str], colours: Sequence[Colour]) -> str:
    wrong = next((name for name in names if ":" in name), None)
    if wrong is not None:
        raise StriateError(f"the class {wrong!r} holds a colon", accepted="names that labelmap.txt can hold")
    return "# label:color_rgb:parts:actions\n" + "".join(
        f"{name}:{red},{green},{blue}::\n" for name, (red, green, blue) in zip(names, colours, strict=False)
    )
