"""Folders of classes, with or without train, dev and test folders above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError

from ..dataset import Dataset, Splits
from ..division import Division
from ..source import Request
from ..splits import named, three_ways, with_dev
from ..tree import Listing, Tree
from .images import is_image, looked_at, open_files
from .recognise import Layout
from .vocabulary import SPLITS

Listed = list[tuple[str, str]]  # path under the folder, class


def is_classes(tree: Tree, listing: Listing) -> bool:
    """Whether folders hold images, as folders of classes do, with or without split folders above them."""
    del tree
    return any(is_image(name) for names in listing.by_top.values() for name in names)


def read_classes(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of a folder of classes, or of split folders that hold them.

    Raises:
        StriateError: The layout contradicts itself, class names differ only by case, or files are broken.
    """
    parts = {top: SPLITS[top.lower()] for top in listing.top_folders if top.lower() in SPLITS}
    parts = dict(sorted(parts.items(), key=lambda item: ("train", "dev", "test").index(item[1])))
    if parts and any(name.count("/") > 1 and is_image(name) for part in parts for name in listing.by_top[part]):
        return _divided(tree, listing, parts, request)
    inside = {top: [name for name in names if is_image(name)] for top, names in listing.by_top.items()}
    classes = class_names(top for top, names in inside.items() if names)
    labels = torch.cat([torch.full((len(inside[top]),), number) for number, top in enumerate(classes)])
    names = list(chain.from_iterable(inside[top] for top in classes))
    data = _opened(tree, names, labels, classes, request, split="all", layout="folder of classes")
    loose = sum(map(is_image, listing.top_files))
    beside = f", {loose} beside the class folders left out" if loose else ""
    said = f"folder of classes: {len(classes)} classes, {len(data):,} images{beside}{_left_out(data)}"
    return three_ways(data, seed=request.seed, said=said, division=request.division)


def gathered(
    tree: Tree, listed: Listed, request: Request, *, split: str, layout: str, classes: Sequence[str] | None = None
) -> Dataset:
    """A split of these files and classes, in the order given."""
    names = tuple(classes) if classes is not None else class_names(label for _, label in listed)
    numbers = {name: number for number, name in enumerate(names)}
    labels = torch.tensor([numbers[label] for _, label in listed], dtype=torch.int64)
    return _opened(tree, [name for name, _ in listed], labels, names, request, split=split, layout=layout)


def _opened(
    tree: Tree, names: list[str], labels: Tensor, classes: tuple[str, ...], request: Request, *, split: str, layout: str
) -> Dataset:
    store, kept, broken = open_files(tree, names, skip_broken=request.skip_broken, progress=request.progress)
    return Dataset(
        tree.name, split, classes, labels[list(kept)] if broken else labels, store.ids(), store,
        torch.arange(len(kept)), store.channels, layout=layout, broken=broken, licence="not stated",
    )  # fmt: skip


def class_names(labels: Iterable[str], *, numbers: bool = False) -> tuple[str, ...]:
    """The distinct labels by name, as torchvision's ImageFolder orders them.

    With ``numbers``, labels that are all whole numbers come in the order of their values.

    Raises:
        StriateError: Two differ only by the case of their letters.
    """
    distinct = set(labels)
    by_lower: dict[str, str] = {}
    for name in sorted(distinct):
        other = by_lower.setdefault(name.lower(), name)
        if other != name:
            raise StriateError(
                f"classes {other!r} and {name!r} differ only by case",
                accepted="one spelling a class",
                hint=f"rename one of them wherever it stands: the folder, the column or the mark {name!r}",
            )
    if numbers and all(name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct))


def _divided(tree: Tree, listing: Listing, parts: dict[str, str], request: Request) -> Splits:
    stray = [top for top, names in listing.by_top.items() if top not in parts and any(map(is_image, names))]
    if stray:
        raise StriateError(
            f"{tree.name} holds {', '.join(parts)} beside {', '.join(stray[:4])}",
            accepted="either class folders or split folders",
        )
    twice = [split for split in SPLITS.values() if list(parts.values()).count(split) > 1]
    if twice:
        same = ", ".join(top for top, split in parts.items() if split == twice[0])
        raise StriateError(f"{tree.name} holds {same}, which all mean {twice[0]}", accepted="one folder a split")
    files: dict[str, list[str]] = {}
    marks: dict[str, Tensor] = {}
    met: dict[str, int] = {}  # classes in the order in which they are met
    for top, split in parts.items():
        files[split] = [name for name in listing.by_top[top] if name.count("/") > 1 and is_image(name)]
        met_by = (met.setdefault(name.split("/", 2)[1], len(met)) for name in files[split])
        marks[split] = torch.from_numpy(np.fromiter(met_by, np.int64, len(files[split])))
    names = class_names(met)
    number = torch.empty(len(met), dtype=torch.int64)
    number[[met[name] for name in names]] = torch.arange(len(names))
    layout = f"folder of classes in {', '.join(parts)}"
    found = {
        split: _opened(tree, inside, number[marks[split]], names, request, split=split, layout=layout)
        for split, inside in files.items()
    }
    counts = ", ".join(f"{len(data):,} {split}" for split, data in found.items())
    left = "".join(_left_out(data) for data in found.values())
    return divided(found, f"{layout}: {len(names)} classes, {counts} images{left}", request.seed, request.division)


def divided(found: dict[str, Dataset], said: str, seed: int, division: Division | None = None) -> Splits:
    """Three splits from those that are there; what is missing is cut from train, or left empty without one."""
    given = next(iter(found.values()))
    nothing = torch.empty(0, dtype=torch.int64)
    if "train" not in found:
        parts = {split: found.get(split, named(given.take(nothing), split)) for split in ("train", "dev", "test")}
        return Splits(parts["train"], parts["dev"], parts["test"], f"{said}, nothing to train on")
    if "dev" in found and "test" in found:
        return Splits(found["train"], found["dev"], found["test"], said)
    if "test" in found:
        return with_dev(found["train"], found["test"], seed=seed, said=said)
    if "dev" in found:  # as ImageNet is handed out: what is held out measures, and must not also choose
        return with_dev(found["train"], found["dev"], seed=seed, said=f"{said}; what is held out is the test split")
    return three_ways(found["train"], seed=seed, said=said, division=division)


def _left_out(data: Dataset) -> str:
    broken = f", {len(data.broken):,} broken files left out" if data.broken else ""
    return f"{looked_at(data.store)}{broken}"


CLASSES = Layout(is_classes, read_classes)

__all__ = ["CLASSES", "class_names", "divided", "gathered", "is_classes", "read_classes"]
