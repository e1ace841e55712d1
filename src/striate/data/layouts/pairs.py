"""Images with masks beside them: folders side by side, split folders, or a suffix in one folder.

Which mask goes with which image is told by names alone. A folder or an ending that says mask (``masks``, ``gtFine``,
``trainannot``, ``x_mask.png``) is taken away, what is left must be the name of an image with the like taken away. What
the numbers of the masks mean is read from a list of classes where one lies at the top (`find_coding`), else concluded
from the masks and said.

Source: for the names: CamVid (Brostow et al. 2009), Cityscapes (Cordts et al. 2016), PASCAL VOC (Everingham et al.
2010).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.core.decode import decode_stored
from striate.core.errors import ImageError, StriateError

from ..dataset import BrokenFile, Splits
from ..source import Request
from ..tree import Listing, Tree
from .images import is_image
from .masks import Coding, Colour, MaskFile, concluded, find_coding
from .objects import Picture, open_pictures, restored, sound
from .places import counted, kept_of, split_in
from .recognise import Layout
from .spread import spread
from .survey import survey

IMAGE_FOLDERS = frozenset({
    "image", "images", "img", "imgs", "jpegimages", "rgb", "photo", "photos", "leftimg8bit", "input", "inputs",
    "pictures",
})  # fmt: skip
MASK_FOLDERS = frozenset({
    "mask", "masks", "label", "labels", "annotation", "annotations", "annot", "annots", "gt", "gtfine", "groundtruth",
    "ground_truth", "seg", "segmentation", "segmentations", "segmentationclass", "labelids", "target", "targets",
})  # fmt: skip
_IGNORED_FOLDERS = frozenset({"segmentationobject", "segmentationclassvisualization", "visualization", "instances"})
_MASK_TAIL = re.compile(r"^(.+?)[_-]?(annot|annotations?|masks?|labels?|gt)$")  # of a folder: trainannot, train_labels
_SUFFIXES = (  # of a mask's file name; what is made for training goes before raw numbers
    "gtfine_labeltrainids", "labeltrainids", "gtfine_labelids", "labelids", "segmentation_mask", "segmentation", "mask",
    "masks", "label", "labels", "annotation", "gt", "seg",
)  # fmt: skip
_IN_FOLDER = ("l",)  # suffixes that say mask only within a folder of masks: CamVid's 0001TP_006690_L
_IMAGE_SUFFIXES = ("leftimg8bit", "image", "img", "rgb", "sat")
_HINT = re.compile(rf"[_\-.]({'|'.join(_SUFFIXES)})\.(png|bmp|tiff?|gif)$", re.IGNORECASE)
_OTHERS = re.compile(r"[_\-.](color|colour|instanceids|instancetrainids|polygons|depth|disparity)$")
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp")
_FRAME = re.compile(r"^(.+?)_f?(\d{4,})$")  # a film and the number of its frame
_FEW, _MANY = 16, 256  # colours: fewer make a mask, more a photograph; between them it depends on the size
_MANY_GREYS = 64


@dataclass(frozen=True)
class _Paired:
    """Which mask each image has, and what is left over."""

    masks: dict[str, str]
    bare: list[str]  # images without mask
    stray: list[str]  # masks without image
    lossy: list[str]  # masks in formats that lose numbers
    by_folder: bool


def is_pairs(tree: Tree, listing: Listing) -> bool:
    """Whether images lie beside masks of the same names; the first mask is looked at, a photograph is none."""
    if not _hinted(listing):
        return False
    paired = _paired(listing)
    found, bare = len(paired.masks), len(paired.bare)
    nested = any("/" in name for name in paired.bare)
    if not found and not (paired.lossy and paired.by_folder):
        return False
    doubtful = paired.by_folder or nested  # folders may be classes: most images must have a mask
    return (not doubtful or found + len(paired.lossy) >= bare) and (
        not found or not _is_photograph(tree, next(iter(paired.masks.values())))
    )


def read_pairs(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of images with masks.

    Images of one film, where file names end in the number of a frame (``0001TP_006690``), form a group.

    Raises:
        StriateError: Images without masks, masks saved as JPEG, of another size, or with numbers that are no class; the
            message counts them and names the first.
    """
    paired = _paired(listing)
    gone = [BrokenFile(name, "has no mask") for name in paired.bare]
    gone += [
        BrokenFile(name, f"is a mask saved as {name.rpartition('.')[2].upper()}: lossy, its classes are destroyed")
        for name in paired.lossy
    ]
    if not paired.masks and not gone:
        raise StriateError(
            f"{tree.name} holds no image with a mask", accepted="images/ and masks/, or x.jpg and x_mask.png"
        )
    coding = find_coding(tree, listing)
    first = list(paired.masks.values())
    if coding is None and first and (not gone or request.skip_broken):
        coding = _concluded(tree, first, request)
    groups = _films(list(paired.masks))
    splits = {name: split_in(_left_of(name) + _left_of(paired.masks[name])) for name in paired.masks}
    coding = coding or Coding(("background",), (0,))
    kept = sound(kept_of(tree, listing), tree.name)
    pictures = [
        _picture(Picture(name, regions=MaskFile(tree, mask, coding), group=groups.get(name, "")), kept)
        for name, mask in paired.masks.items()
    ]
    if gone and not request.skip_broken:
        fit, wrong = pictures, list[BrokenFile]()  # what is missing is told first
    else:
        fit, wrong = survey(tree, pictures, request)
    whole = {key: value for key, value in kept.items() if key != "images"}
    whole["colours"] = [list(one) for one in coding.colours or coding.palette]
    whole["numbers"] = list(coding.values)
    data, left = open_pictures(
        tree, fit, [*gone, *wrong], request, what="images", classes=coding.classes, task="regions",
        layout="images and masks", extras=whole,
    )  # fmt: skip
    films = {one.group for one in left if one.group}
    said = _said(paired, coding, len(left), broken=len(data.broken), films=len(films))
    if not all(splits.values()):
        return spread(data, left, dict.fromkeys(splits, ""), said, request, by="")
    return spread(data, left, splits, said, request, by="folders")


def _picture(picture: Picture, kept: Mapping[str, Any]) -> Picture:
    """The picture with what a converter kept of it."""
    images = kept.get("images")
    told = images.get(picture.name) if isinstance(images, Mapping) else None
    if not isinstance(told, Mapping):
        return picture
    captions = told.get("captions")
    words = tuple(map(str, captions)) if isinstance(captions, list) else ()
    extras = {key: value for key, value in told.items() if key != "captions"}
    return restored(replace(picture, captions=words, extras=sound(extras, picture.name)))


def _hinted(listing: Listing) -> bool:
    """Whether any folder or file is named as masks are, before names are paired one by one."""
    if any(_role(folder.rpartition("/")[2])[1] == "mask" for folder in listing.folders):
        return True
    return any(map(_HINT.search, listing.names))


def _role(folder: str) -> tuple[str, str]:
    """What is left of a folder's name, and whether it said image or mask."""
    low = folder.lower()
    if low in IMAGE_FOLDERS:
        return "", "image"
    if low in MASK_FOLDERS:
        return "", "mask"
    tail = _MASK_TAIL.match(low)
    if tail and (split_in([tail[1]]) or tail[1] in IMAGE_FOLDERS):
        return ("" if tail[1] in IMAGE_FOLDERS else tail[1]), "mask"
    front = re.fullmatch(r"(.+?)[_-]?(images?|imgs?)", low)
    if front and split_in([front[1]]):
        return front[1], "image"
    return low, ""


def _left_of(name: str) -> list[str]:
    """The folders of a path without the words image and mask."""
    return [_role(folder)[0] for folder in name.split("/")[:-1]]


def _stripped(stem: str, suffixes: Sequence[str]) -> list[str]:
    """What may be left of a name without one of these suffixes, the longest first."""
    fronts = [stem.removesuffix(suffix) for suffix in suffixes if stem.endswith(suffix)]
    left = [front[:-1] for front in fronts if front.endswith(("_", "-", "."))]
    return sorted(filter(None, left), key=len, reverse=True)


@dataclass(frozen=True)
class _File:
    """One picture by what its path says: where it lies without the words image and mask, and what it is called."""

    name: str
    place: str
    stem: str
    in_masks: bool

    @property
    def lossy(self) -> bool:
        return self.name.lower().endswith(_LOSSY)


def _files(listing: Listing) -> list[_File]:
    found = []
    for name in filter(is_image, listing.names):
        *folders, file = name.split("/")
        stem = file[: file.rfind(".")].lower()
        if _OTHERS.search(stem) or any(folder.lower() in _IGNORED_FOLDERS for folder in folders):
            continue
        roles = [_role(folder) for folder in folders]
        place = "/".join(rest for rest, _ in roles if rest)
        found.append(_File(name, place, stem, any(role == "mask" for _, role in roles)))
    return found


def _paired(listing: Listing) -> _Paired:
    files = _files(listing)
    images: dict[tuple[str, str], str] = {}
    for file in files:
        if not file.in_masks:
            images.setdefault((file.place, file.stem), file.name)
    for file in files:
        for left in [] if file.in_masks else _stripped(file.stem, _IMAGE_SUFFIXES):
            images.setdefault((file.place, left), file.name)
    found: dict[str, str] = {}
    masks: set[str] = set()
    rank: dict[str, int] = {}
    stray: list[str] = []
    for file in files:
        if file.lossy:
            continue
        keys = [file.stem] if file.in_masks else []
        keys += _stripped(file.stem, (*_SUFFIXES, *_IN_FOLDER) if file.in_masks else _SUFFIXES)
        image = next((images[(file.place, key)] for key in keys if (file.place, key) in images), None)
        if image is None or image == file.name:
            if file.in_masks:
                masks.add(file.name)
                stray.append(file.name)
            continue
        masks.add(file.name)
        order = next((n for n, suffix in enumerate(_SUFFIXES) if file.stem.endswith(suffix)), len(_SUFFIXES))
        if order < rank.get(image, len(_SUFFIXES) + 1):
            found[image], rank[image] = file.name, order
    found = {image: found[image] for image in dict.fromkeys(images.values()) if image in found and image not in masks}
    lossy, of_lossy = _destroyed(files, images, found)
    bare = [name for name in dict.fromkeys(images.values()) if name not in {*found, *masks, *lossy, *of_lossy}]
    return _Paired(found, bare, stray, lossy, any(file.in_masks for file in files))


def _destroyed(
    files: Sequence[_File], images: Mapping[tuple[str, str], str], found: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    """Masks in formats that lose numbers, of images that have no other, and these images."""
    lossy: list[str] = []
    of_lossy: set[str] = set()
    for file in files:
        if not file.lossy or file.name in found:
            continue
        keys = [*([file.stem] if file.in_masks else []), *_stripped(file.stem, _SUFFIXES)]
        image = next((images[(file.place, key)] for key in keys if (file.place, key) in images), None)
        if image is not None and image != file.name and image not in found:
            lossy.append(file.name)
            of_lossy.add(image)
    return lossy, of_lossy


def _is_photograph(tree: Tree, name: str) -> bool:
    """Whether a supposed mask is a picture: many colours, or many greys none of which prevails."""
    try:
        stored = decode_stored(tree.source(name), name=name)
    except ImageError:
        return False  # reading names what is wrong with it
    values = stored.values.astype(np.int64)
    if values.ndim == 3:
        values = (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]
        count = len(np.unique(values))
        return count > _FEW and (count > _MANY or 4 * count > values.size)
    times = np.sort(np.unique(values, return_counts=True)[1])
    return len(times) > _MANY_GREYS and 2 * int(times[-2:].sum()) < values.size


def _concluded(tree: Tree, masks: Sequence[str], request: Request) -> Coding:
    """Every mask is read for the numbers that occur; those that cannot be read are named later, when they are used."""
    seen = np.zeros(256, dtype=np.int64)
    palette: tuple[Colour, ...] = ()
    for name in request.progress.track(masks, "read the numbers of masks", len(masks), unit="files"):
        try:
            stored = decode_stored(tree.source(name), name=f"{tree.name}/{name}")
            palette = palette or stored.palette
            if stored.values.ndim == 2 and stored.values.max(initial=0) < 256:
                seen += np.bincount(stored.values.reshape(-1), minlength=256)
        except ImageError:
            continue
    if not seen.any():
        return Coding(("background",), (0,), source="one number a pixel")
    return concluded(seen, palette=palette)


def _films(names: Sequence[str]) -> dict[str, str]:
    """The film that each image is a frame of; empty where the names do not show at least three."""
    found: dict[str, str] = {}
    widths: dict[str, set[int]] = {}
    for name in names:
        bare = name.rpartition("/")[2].rpartition(".")[0]
        match = _FRAME.match(next((bare[: len(one)] for one in _stripped(bare.lower(), _IMAGE_SUFFIXES)), bare))
        if match is None:
            return {}
        found[name] = match[1]
        widths.setdefault(match[1], set()).add(len(match[2]))
    films = set(found.values())
    if not 3 <= len(films) <= len(names) / 2 or any(len(width) > 1 for width in widths.values()):
        return {}
    return found


def _said(paired: _Paired, coding: Coding, images: int, *, broken: int, films: int) -> str:
    image, mask = next(iter(paired.masks.items()), ("", ""))
    where = f"{_place(image)} and {_place(mask)}" if paired.by_folder else f"{image} and {mask}"
    parts = [counted(len(coding.classes), "class", "classes"), counted(images, "image"), coding.source]
    parts += [counted(films, "film")] if films else []
    parts += [f"{counted(len(paired.stray), 'mask')} without image left out"] if paired.stray else []
    parts += [f"{broken:,} broken or missing files left out"] if broken else []
    return f"images and masks (as in {where}): {', '.join(part for part in parts if part)}"


def _place(name: str) -> str:
    return f"{name.rpartition('/')[0]}/"


PAIRS = Layout(is_pairs, read_pairs)
