"""Data sets of Hugging Face by name, ``hf/NAME`` or ``hf/NAME:CONFIG``, through their own library where it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from striate.core.errors import ImageError, StriateError

from ..annotations import Annotations
from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Listing, Stamp
from .folder import class_names, divided
from .images import open_files
from .vocabulary import CAPTIONS, GROUPS, SPLITS

START = "hf/"
IMAGES = ("image", "img", "picture", "photo", "pixels", "pixel_values")
LABELS = ("label", "labels", "class", "category", "target", "fine_label")


@dataclass(frozen=True, eq=False)
class Rows:
    """One part of such a data set as a tree: row 12 of ``train`` is the file ``train/12``."""

    table: Any
    column: str
    name: str
    part: str

    @property
    def path(self) -> Path:
        """Where it would lie."""
        return Path(self.name)

    def source(self, name: str) -> bytes:
        """The image as it was stored; `ImageError` where a row holds none."""
        held = self.table[int(name.rpartition("/")[2])][self.column]
        if not isinstance(held, dict) or (held.get("bytes") is None and not held.get("path")):
            raise ImageError(f"{self.name}/{name} holds no image")
        if held.get("bytes") is not None:
            return bytes(held["bytes"])
        try:
            return Path(held["path"]).read_bytes()
        except OSError as error:
            raise ImageError(f"{self.name}/{name} cannot be read: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        """The image as it was stored."""
        return self.source(name)

    def weight(self, name: str) -> int:
        """Its bytes."""
        return len(self.source(name))

    def stamp(self, name: str) -> Stamp:
        """The same as long as the table is: it cannot change under a run."""
        del name
        return Stamp(0, 0)

    def load(self, name: str) -> tuple[bytes, Stamp]:
        """Its bytes and its stamp."""
        return self.source(name), self.stamp(name)

    def files(self) -> Listing:
        """A name for every row."""
        return Listing(tuple(f"{self.part}/{row}" for row in range(len(self.table))), (self.part,))


@dataclass(frozen=True)
class _Form:
    """What was recognised: name, the columns of images and labels, the classes, the number of each label."""

    name: str
    image: str
    label: str | None
    classes: tuple[str, ...]
    numbering: Mapping[Any, int]


def read_hub(given: str, request: Request) -> Splits:
    """Splits of a data set by its name on the hub, or by the path of a folder that ``save_to_disk`` wrote.

    Images come as they were stored and pass our own door. The first column of images and the first of labels (by type,
    then by name) are taken and said aloud; whole numbers and words of other columns become attributes.

    Raises:
        StriateError: The library is not installed, the name is not found, or there is no column of images.
    """
    name, _, config = given.removeprefix(START).partition(":")
    parts = _loaded(name, config)
    first = next(iter(parts.values()))
    image, label = _columns(first, name)
    classes, numbering = _classes(parts, label)
    form = _Form(name, image, label, classes, numbering)
    found: dict[str, Dataset] = {}
    for part, table in parts.items():
        split = SPLITS.get(part.partition("[")[0], "" if len(parts) == 1 else part)
        if split in {"train", "dev", "test", ""} and split not in found:
            found[split] = _dataset(table, part, form, request)
    total = sum(map(len, found.values()))
    left = ", ".join(part for part in parts if SPLITS.get(part) is None and len(parts) > 1)
    kind = f"{len(classes)} classes" if classes else "no labels"
    columns = f"column {image}" if label is None else f"columns {image} and {label}"
    said = f"Hugging Face {name} ({columns}): {kind}, {total:,} images{f', parts left out: {left}' if left else ''}"
    if set(found) == {""}:
        return three_ways(found[""], seed=request.seed, said=said, division=request.division)
    return divided(found, said, request.seed, request.division)


def _loaded(name: str, config: str) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise StriateError(
            f"{START}{name} needs the package datasets", hint="pip install 'striate[huggingface]'"
        ) from error
    datasets.disable_progress_bars()
    try:
        if Path(name).is_dir() and any((Path(name) / mark).exists() for mark in ("dataset_dict.json", "state.json")):
            held = datasets.load_from_disk(name)
        else:
            held = datasets.load_dataset(name, config or None)
    except Exception as error:  # the library raises nearly anything, from network errors to its own
        words = str(error).strip().split("\n")[0]
        raise StriateError(
            f"{START}{name} cannot be loaded: {words or type(error).__name__}",
            accepted="a name such as hf/ylecun/mnist, hf/NAME:CONFIG, or a folder that save_to_disk wrote",
            hint="a data set that is on this machine already is found without a network (HF_HOME)",
        ) from error
    return dict(held) if isinstance(held, Mapping) else {"all": held}


def _columns(table: Any, name: str) -> tuple[str, str | None]:
    import datasets

    kinds = dict(table.features)
    pictures = [column for column, kind in kinds.items() if isinstance(kind, datasets.Image)]
    image = next((column for column in IMAGES if column in pictures), pictures[0] if pictures else None)
    if image is None:
        raise StriateError(f"{START}{name} has the columns {', '.join(kinds)}", accepted="one with images")
    typed = [column for column, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)]
    label = next((column for column in LABELS if column in typed), typed[0] if typed else None)
    plain = [column for column in LABELS if column in kinds and getattr(kinds[column], "dtype", "") in _PLAIN]
    return image, label or next(iter(plain), None)


_PLAIN = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "string", "large_string"}


def _classes(parts: Mapping[str, Any], label: str | None) -> tuple[tuple[str, ...], dict[Any, int]]:
    if label is None:
        return (), {}
    first = next(iter(parts.values()))
    names = getattr(first.features[label], "names", None)
    if names is not None:
        return tuple(names), {number: number for number in range(len(names))}
    values = {value for table in parts.values() for value in table.unique(label) if value is not None}
    words = class_names((str(value) for value in values), numbers=True)
    places = {word: place for place, word in enumerate(words)}
    return words, {value: places[str(value)] for value in values}


def _dataset(table: Any, part: str, form: _Form, request: Request) -> Dataset:
    name, image, label, classes = form.name, form.image, form.label, form.classes
    import datasets

    rows = Rows(table.cast_column(image, datasets.Image(decode=False)), image, name, part)
    store, kept, broken = open_files(
        rows, rows.files().names, skip_broken=request.skip_broken, progress=request.progress
    )
    plain = table.remove_columns([column for column in table.column_names if column == image]).to_dict()
    given = [form.numbering.get(value, -1) for value in plain[label]] if label is not None else [-1] * len(table)
    unlabelled = sum(given[place] < 0 for place in kept) if label is not None else 0
    if unlabelled:
        raise StriateError(
            f"{unlabelled:,} of {len(kept):,} images in {part} of {START}{name} have no label",
            accepted="a label an image (a part without labels cannot measure)",
        )
    notes = _notes(plain, label, kept)
    return Dataset(
        name.rpartition("/")[2], part, classes, torch.tensor([given[place] for place in kept], dtype=torch.int64),
        store.ids(), replace(store, notes=notes) if notes else store, torch.arange(len(kept)), store.channels,
        layout="Hugging Face", broken=broken, licence=str(table.info.license or "not stated"),
        task="none" if label is None else "classes",
    )  # fmt: skip


def _notes(plain: Mapping[str, list[Any]], label: str | None, kept: Sequence[int]) -> tuple[Annotations, ...] | None:
    caption = next((column for column in CAPTIONS if column in plain), None)
    group = next((column for column in GROUPS if column in plain), None)
    others = [
        column
        for column, values in plain.items()
        if column not in {label, caption, group} and all(isinstance(value, (str, int, float)) for value in values)
    ]
    if caption is None and group is None and not others:
        return None
    return tuple(
        Annotations(
            caption="" if caption is None else str(plain[caption][row]),
            group="" if group is None else str(plain[group][row]),
            attributes=MappingProxyType({column: _value(plain[column][row]) for column in others}),
        )
        for row in kept
    )


def _value(one: Any) -> str | float:
    return one if isinstance(one, str) else float(one)
