"""PASCAL VOC: one XML an image with its boxes, class maps and object maps beside, lists of what belongs to a split.

Read as the challenge lays it out (``Annotations``, ``JPEGImages``, ``ImageSets``, ``SegmentationClass``,
``SegmentationObject``) and as others do: XML beside the images, ``images`` and ``annotations``, split folders.

Source: Everingham et al. 2010, "The PASCAL Visual Object Classes (VOC) challenge", and its development kit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

from striate.core.errors import StriateError

from ..dataset import BrokenFile, Dataset, Splits, Task
from ..source import Request
from ..tree import Listing, Tree
from .coco_json import keypoints_from, segment_from
from .folder import class_names
from .images import is_image
from .masks import Coding, MaskFile, NumberFile, find_coding
from .objects import Marked, Picture, Size, exact, open_pictures, restored, sound
from .places import Images, counted, kept_of, split_in, stem
from .recognise import Layout
from .spread import spread
from .survey import survey
from .voc_xml import OWN, box_of, number_of, own_of, parse_xml, plain, text_of, written_box

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
OFFICIAL = Coding(VOC_CLASSES, tuple(range(21)), source="PASCAL VOC's own; another list goes into labelmap.txt")
_CLASS_MAPS, _OBJECT_MAPS = "segmentationclass", "segmentationobject"
_MAPS = frozenset({_CLASS_MAPS, _OBJECT_MAPS})
_LISTS = {"train": "train", "val": "dev", "test": "test"}


@dataclass(frozen=True)
class _Base:
    """The folder of a tree that holds the annotations, and what lies under it.

    Attributes:
        tree: Where everything lies.
        start: The folder with its ``/``, "" for the top.
        listing: What lies under it.
        first: Number of the top left pixel.
    """

    tree: Tree
    start: str
    listing: Listing
    first: int


@dataclass(frozen=True)
class _Maps:
    """Paths of the class maps and object maps, by stem, and what the numbers of the former mean."""

    tree: Tree
    classes: Mapping[str, str]
    objects: Mapping[str, str]
    coding: Coding | None

    def regions(self, key: str) -> MaskFile | None:
        """The class map of the image with this stem, if it has one."""
        if self.coding is None or key not in self.classes:
            return None
        return MaskFile(self.tree, self.classes[key], self.coding)


@dataclass(frozen=True, eq=False)
class _Read:
    """What one XML says, before classes have numbers."""

    picture: Picture
    names: tuple[str, ...]


def is_voc(tree: Tree, listing: Listing) -> bool:
    """Whether XML files go with images and the first is a VOC annotation, or class maps lie beside JPEGImages."""
    if not any(map(_is_xml, listing.names)) and not any(name.endswith("JPEGImages") for name in listing.folders):
        return False
    base = _base(tree, listing, 1)
    inside = base.listing
    if {"jpegimages", _CLASS_MAPS} <= {top.lower() for top in inside.top_folders}:
        return True
    images = {stem(name) for name in Images(inside, leave_out=_MAPS).names}
    files = [name for name in inside.names if _is_xml(name) and stem(name) in images]
    told = any(name.lower().startswith("annotations/") for name in files)
    if not files or (2 * len(files) < len(images) and not told):
        return False
    try:
        return parse_xml(tree.read(base.start + files[0]), files[0]).tag == "annotation"
    except StriateError:  # damaged: reading will name the damage, where the folder's name says what it is
        return told


def read_voc(tree: Tree, listing: Listing, request: Request, *, first: int = 1) -> Splits:
    """Splits of a VOC tree; ``first`` is the number of the top left pixel: 1 as VOC has it, or 0.

    Where both are there, numbers of classes are those of the class maps, background being 0. The n-th object of an XML
    is n in the object map.

    Raises:
        StriateError: XML that cannot be read, images or maps that are missing or do not fit, lists that contradict.
    """
    base = _base(tree, listing, first)
    images = Images(base.listing, leave_out=_MAPS)
    found, gone = _annotations(base, images, request)
    maps, kept = (
        _maps(base, {stem(one.picture.name) for one in found if one.picture.drawn}),
        sound(kept_of(tree, base.listing, start=base.start), tree.name),
    )
    task: Task = "boxes" if any(one.names for one in found) or not maps.classes else "regions"
    classes = _classes(found, maps.coding, kept)
    pictures = [_complete(one, classes, maps) for one in found]
    if task == "regions":
        pictures = _regional(pictures, images, maps, base.start)
    if not pictures and not gone:
        raise StriateError(f"{tree.name} holds no annotation whose image is there", accepted="Annotations, JPEGImages")
    layout = "PASCAL VOC" if first == 1 else "PASCAL VOC counted from 0"
    pictures, wrong = survey(tree, pictures, request)
    data, left = open_pictures(
        tree, pictures, [*gone, *wrong], request, what="annotations", classes=classes, task=task, layout=layout,
        extras=kept,
    )  # fmt: skip
    beside = len(images.names) - len(pictures) - len(gone) - len(wrong)
    said = _said(layout, data, left, beside, first=first)
    return _split(base, data, left, said, request)


def _base(tree: Tree, listing: Listing, first: int) -> _Base:
    roots = sorted({folder.rpartition("/")[0] for folder in listing.folders if folder.endswith("/JPEGImages")})
    if "JPEGImages" in listing.top_folders or not roots:
        return _Base(tree, "", listing, first)
    if len(roots) > 1:
        raise StriateError(
            f"{tree.name} holds several PASCAL VOC folders: {', '.join(roots)}",
            hint=f"give one: {tree.path / roots[0]}",
        )
    return _Base(tree, f"{roots[0]}/", listing.under(roots[0]), first)


def _maps(base: _Base, drawn: set[str]) -> _Maps:
    """The maps that lie beside; class maps that a converter drew after the objects tell nothing more than they."""
    found = {
        kind: {
            stem(name): base.start + name
            for name in base.listing.names
            if name.lower().startswith(f"{kind}/") and is_image(name)
        }
        for kind in _MAPS
    }
    told = {key: path for key, path in found[_CLASS_MAPS].items() if key not in drawn}
    coding = (find_coding(base.tree, base.listing, start=base.start) or OFFICIAL) if told else None
    return _Maps(base.tree, told, found[_OBJECT_MAPS], coding)


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")


def _annotations(base: _Base, images: Images, request: Request) -> tuple[list[_Read], list[BrokenFile]]:
    files = [name for name in base.listing.names if _is_xml(name)]
    found: list[_Read] = []
    gone: list[BrokenFile] = []
    owner: dict[str, str] = {}
    for path in request.progress.track(files, "read annotations", len(files), unit="files"):
        title = f"{base.tree.name}/{base.start}{path}"
        try:
            root = parse_xml(base.tree.read(base.start + path), title)
            if root.tag != "annotation":
                continue
            folder = path.rpartition("/")[0]
            near, split = f"{folder}/" if folder else "", split_in(path.split("/")[:-1])
            told = (root.findtext("filename") or "").strip()
            image = images.find(stem(path), near=near, split=split) or images.find(told, near=near, split=split)
            one = None if image is None else _read(root, base.start + image, title, first=base.first)
        except StriateError as error:
            gone.append(BrokenFile(path, str(error).removeprefix(title).lstrip(", ")))
            continue
        if one is None or image is None:
            gone.append(BrokenFile(path, f"its image {told or stem(path)!r} is not there"))
            continue
        if image in owner:
            raise StriateError(f"{image} is annotated in {owner[image]} and in {path}", accepted="one XML an image")
        owner[image] = path
        found.append(one)
    return found, gone


def _read(root: Element, image: str, title: str, *, first: int) -> _Read:
    size: Size = (0, 0)
    if root.find("size/width") is not None:
        size = (int(number_of(root, "size/height", title)), int(number_of(root, "size/width", title)))
        size = size if min(size) > 0 else (0, 0)  # some writers leave zeros
    elements = root.findall("object")
    names = tuple(text_of(element, "name", f"{title}, object {n}") for n, element in enumerate(elements, start=1))
    objects = tuple(
        _object(element, f"{title}, object {number}", size, first=first)
        for number, element in enumerate(elements, start=1)
    )
    own = sound(own_of(root, title), title)
    captions = own.pop("captions", [])
    drawn = bool(own.pop("drawn", False))
    rest = plain(root, without=frozenset({"object", "size", OWN}))
    told = {"voc": rest} if isinstance(rest, dict) else {}
    depth = (root.findtext("size/depth") or "").strip()
    if depth and isinstance(rest, dict):
        rest["size"] = {"depth": depth}
    picture = Picture(
        image, size, objects, captions=tuple(str(one) for one in captions if isinstance(captions, list)), drawn=drawn,
        attributes=_attributes(objects), extras={**told, **own},
    )  # fmt: skip
    return _Read(restored(picture), names)


def _object(element: Element, title: str, size: Size, *, first: int) -> Marked:
    box, ends = box_of(element, title, first=first)
    said = plain(element, without=frozenset({"name", "bndbox", OWN}))
    told: dict[str, Any] = dict(said) if isinstance(said, dict) else {}
    difficult = str(told.get("difficult", "0")).strip() not in {"", "0"}
    if told.get("difficult") in {"0", "1"}:
        del told["difficult"]
    kept = sound(own_of(element, title), title)
    box = exact(box, kept.pop("edges", None))
    if written_box(box, first=first) != ends:
        told["bndbox"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), ends, strict=True))
    own = {**({"voc": told} if told else {}), **kept}
    coco = own.get("coco")
    if not isinstance(coco, dict):
        return Marked(0, box, difficult=difficult, extras=own)
    coco = dict(coco)
    segment = segment_from(coco.pop("segmentation", None), size, title)
    points = keypoints_from(coco.pop("keypoints", None), title)
    crowd = bool(coco.pop("iscrowd", 0))
    return Marked(0, box, segment, crowd, difficult, points, {**own, "coco": coco})


def _attributes(objects: Sequence[Marked]) -> dict[str, str | float]:
    """How many objects are truncated, occluded, difficult, where the file says it of any, and the poses it names."""
    told = [one.extras.get("voc", {}) for one in objects]
    out: dict[str, str | float] = {}
    for flag in ("truncated", "occluded"):
        marks = [str(one[flag]).strip() for one in told if flag in one]
        if marks:
            out[flag] = float(sum(mark not in {"", "0"} for mark in marks))
    if any(one.difficult for one in objects):
        out["difficult"] = float(sum(one.difficult for one in objects))
    poses = [str(one.get("pose") or "Unspecified") for one in told]
    if any(pose != "Unspecified" for pose in poses):
        out["pose"] = ", ".join(poses)
    return out


def _classes(found: Sequence[_Read], coding: Coding | None, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Classes of the maps, then those that only objects have; without maps, in the order kept, or by name."""
    names = class_names(name for one in found for name in one.names)
    first = coding.classes if coding is not None else tuple(map(str, kept.get("classes", ())))
    return (*first, *(name for name in names if name not in first))


def _complete(one: _Read, classes: tuple[str, ...], maps: _Maps) -> Picture:
    """The picture with its maps and the numbers of its classes."""
    key = stem(one.picture.name)
    objects = tuple(
        replace(each, kind=classes.index(name)) for each, name in zip(one.picture.objects or (), one.names, strict=True)
    )
    outlined = any(each.segment is not None for each in objects)
    return replace(
        one.picture,
        objects=objects,
        regions=maps.regions(key),
        instances=NumberFile(maps.tree, maps.objects[key]) if key in maps.objects and not outlined else None,
    )


def _regional(pictures: Sequence[Picture], images: Images, maps: _Maps, start: str) -> list[Picture]:
    """Pictures that have a class map; their XML, where there is one, says nothing but what stands beside."""
    known = {stem(one.name): one for one in pictures}
    return [
        replace(
            known.get(stem(name), Picture(start + name)), objects=None, instances=None, regions=maps.regions(stem(name))
        )
        for name in images.names
        if stem(name) in maps.classes
    ]


def _said(layout: str, data: Dataset, pictures: Sequence[Picture], beside: int, *, first: int) -> str:
    objects = [one for picture in pictures for one in picture.objects or ()]
    parts = [counted(len(data.classes), "class", "classes"), counted(len(data), "image")]
    if data.task == "boxes":
        parts.append(counted(len(objects), "box", "boxes"))
    hard = sum(one.difficult for one in objects)
    parts += [f"{hard:,} of them difficult"] if hard else []
    outlined = sum(
        picture.instances is not None or any(one.segment for one in picture.objects or ()) for picture in pictures
    )
    parts += [f"{counted(outlined, 'image')} with object masks"] if outlined else []
    mapped = sum(picture.regions is not None for picture in pictures)
    parts += [f"{counted(mapped, 'image')} with class maps"] if mapped else []
    parts += [f"{counted(beside, 'image')} without annotation left out"] if beside > 0 else []
    parts += [f"{len(data.broken):,} broken or missing files left out"] if data.broken else []
    if first == 1 and any(one.box is not None and min(one.box[:2]) < 0 for one in objects):
        parts.append("some boxes begin at 0: if their writer counts pixels from 0, read them by layout voc0")
    return f"{layout}: {', '.join(parts)}"


def _split(base: _Base, data: Dataset, pictures: Sequence[Picture], said: str, request: Request) -> Splits:
    """By the lists of ImageSets, else by folders named train, val, test, else by the seed."""
    for folder in ("Segmentation", "Main") if data.task == "regions" else ("Main", "Segmentation"):
        where = f"ImageSets/{folder}"
        lists = {
            stem(name): name for name in base.listing.names
            if name.rpartition("/")[0] == where and stem(name) in {*_LISTS, "trainval"}
        }  # fmt: skip
        if lists:
            splits = _listed(base, pictures, lists, request)
            out = len(pictures) - len(splits)
            left = f", {counted(out, 'image')} in no list left out" if out else ""
            return spread(data, pictures, splits, f"{said}{left}", request, by=where)
    folders = {one.name: split_in(one.name.removeprefix(base.start).split("/")[:-1]) for one in pictures}
    if all(folders.values()):
        return spread(data, pictures, folders, said, request, by="folders")
    return spread(data, pictures, {one.name: "" for one in pictures}, said, request, by="")


def _listed(base: _Base, pictures: Sequence[Picture], lists: Mapping[str, str], request: Request) -> dict[str, str]:
    names = {stem(one.name): one.name for one in pictures}
    wanted = _LISTS if {"train", "val"} & set(lists) else {"trainval": "train", "test": "test"}
    splits: dict[str, str] = {}
    gone: list[str] = []
    for key, split in wanted.items():
        if key not in lists:
            continue
        lines = base.tree.read(base.start + lists[key]).decode("utf-8", "replace").split("\n")
        for line in filter(None, (line.strip() for line in lines)):
            name = names.get(line) or names.get(stem(line)) or names.get(line.split()[0])
            if name is None:
                gone.append(f"{line.split()[0]} ({lists[key]})")
            elif splits.setdefault(name, split) != split:
                raise StriateError(
                    f"{line.split()[0]} is listed for {splits[name]} and for {split}", accepted="one of them"
                )
    if gone and not request.skip_broken:
        more = f" and {len(gone) - 5:,} more" if len(gone) > 5 else ""
        raise StriateError(
            f"the lists of {base.tree.name} name {counted(len(gone), 'image')} without annotation: "
            f"{', '.join(gone[:5])}{more}",
            hint="skip_broken=True (--skip-broken) leaves them out",
        )
    return splits


def _from_0(tree: Tree, listing: Listing, request: Request) -> Splits:
    return read_voc(tree, listing, request, first=0)


VOC = Layout(is_voc, read_voc)
VOC0 = Layout(is_voc, _from_0)
