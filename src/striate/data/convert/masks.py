"""To images with masks: palette PNG whose indices are classes, 255 void, with their names in ``classes.txt``."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.version import VERSION

from ..dataset import Dataset, Splits
from ..layouts.masks import MOST_CLASSES, VOID_NAMES, Colour, voc_colours
from ..layouts.objects import Numbers, Picture
from ..layouts.places import KEPT, counted
from .target import Written, extras_of, fresh, items_of, put, put_json

BACKGROUND = ("background", "_background_", "__background__")


def write_masks(
    data: Dataset | Splits, out: str | Path, *, draw: bool = False, overwrite: bool = False,
    progress: Progress = SILENT,
) -> Written:  # fmt: skip
    """Write data with regions as ``images/train/x.jpg`` and ``masks/train/x.png`` (and val, test), or undivided.

    Args:
        data: Splits, or one of them.
        out: A folder that is not there or empty.
        draw: Take objects with masks as well and draw their classes into a map; which object a pixel is of, boxes and
            keypoints are then lost. Objects of different classes that overlap are refused.
        overwrite: Replace what a converter wrote there.
        progress: How the writing of many files is shown.

    Raises:
        StriateError: Objects without ``draw``, or without masks; more than 255 classes; ``out`` is not empty.

    >>> from striate.data.load import load_splits
    >>> data = load_splits("camvid.zip")  # doctest: +SKIP
    >>> write_masks(data, "camvid-masks").said  # doctest: +SKIP
    'images and masks: 122 images, 11 classes'
    """
    items = items_of(data, tasks=("regions", "boxes"))
    classes, extras = items[0].data.classes, extras_of(data)
    if items[0].data.task == "boxes" and not draw:
        raise StriateError(
            f"{items[0].data.name} has objects, which masks cannot tell apart",
            accepted="data with a class for every pixel",
            hint="draw=True draws the objects' classes and drops the rest",
        )
    shift = 0
    if draw and items[0].data.task == "boxes":
        shift = 0 if classes[:1] and classes[0].lower() in BACKGROUND else 1
        classes = classes if shift == 0 else ("background", *classes)
    check_classes(classes)
    colours = colours_of(extras, len(classes))
    with fresh(out, overwrite=overwrite) as folder, progress.task("write", len(items)) as step:
        images = {}
        for item in items:
            values = drawn_map(item.picture, shift) if draw else None
            if values is None:
                if item.picture.regions is None:
                    raise StriateError(f"{item.picture.name} has no class map", accepted="one for every image")
                values = item.picture.regions.read(item.picture.size)
            where = f"{item.folder}/" if item.folder else ""
            put(folder, f"images/{where}{item.file}", item.content())
            put(folder, f"masks/{where}{item.stem}.png", palette_png(values, colours))
            told = {
                **item.picture.extras,
                **({"captions": list(item.picture.captions)} if item.picture.captions else {}),
            }
            if told:
                images[f"images/{where}{item.file}"] = told
            step()
        put(folder, "classes.txt", "\n".join(_lines(classes)) + "\n")
        kept = {key: value for key, value in extras.items() if key not in {"striate", "format", "classes", "colours"}}
        put_json(folder, KEPT, {**kept, "striate": VERSION, "format": "masks", "images": images})
    said = f"images and masks: {counted(len(items), 'image')}, {counted(len(classes), 'class', 'classes')}"
    return Written(Path(out), len(items), 0, said)


def palette_png(values: Numbers, colours: Sequence[Colour]) -> bytes:
    """A PNG (H, W) whose indices are these numbers."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(values))
    picture.putpalette([part for colour in colours for part in colour])
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def drawn_map(picture: Picture, shift: int) -> Numbers | None:
    """The classes of the objects (plus ``shift``) drawn over background 0; None where regions are there already.

    Raises:
        StriateError: Objects without masks, or two classes claim a pixel.
    """
    if picture.regions is not None:
        return None
    objects = picture.objects or ()
    masks = picture.masks()
    if objects and masks is None:
        raise StriateError(f"{picture.name} has boxes without masks", accepted="objects with masks")
    out = np.zeros(picture.size, dtype=np.uint8)
    for one, mask in zip(objects, masks if masks is not None else (), strict=True):
        wrong = (out[mask] != 0) & (out[mask] != one.kind + shift)
        if wrong.any():
            raise StriateError(
                f"objects of different classes overlap in {picture.name}, {int(wrong.sum()):,} pixels",
                accepted="one class a pixel",
            )
        out[mask] = one.kind + shift
    return out


def check_classes(classes: Sequence[str]) -> None:
    """Nothing where a list of names can hold these classes.

    Raises:
        StriateError: There are more than 255, or a name would be read as void, as a comment, or broken over lines.
    """
    if len(classes) > MOST_CLASSES:
        raise StriateError(f"{len(classes)} classes", accepted=f"at most {MOST_CLASSES} in masks of 8 bits")
    for name in classes:
        if name.lower() in VOID_NAMES or name != name.strip() or not name or "\n" in name or "\r" in name:
            raise StriateError(f"the class {name!r} cannot stand in a list of names", accepted="another name")


def _lines(classes: Sequence[str]) -> list[str]:
    plain = not all(re.match(r"\d{1,3}\s*[:,;\s]", name) for name in classes) and not any(
        name.startswith("#") for name in classes
    )
    return list(classes) if plain else [f"{number}: {name}" for number, name in enumerate(classes)]


def colours_of(extras: Mapping[str, Any], count: int) -> list[Colour]:
    """Colours of so many classes as they came, filled up with those of PASCAL VOC."""
    kept, out = extras.get("colours"), list(voc_colours())
    for number, one in enumerate(kept[:count] if isinstance(kept, list) else ()):
        if isinstance(one, (list, tuple)) and len(one) == 3 and all(isinstance(part, int) for part in one):
            out[number] = (one[0] & 255, one[1] & 255, one[2] & 255)
    return out
