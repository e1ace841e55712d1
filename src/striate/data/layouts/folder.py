"""Folders of classes, with or without train, dev and test folders above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from striate.core.errors import StriateError

from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import named, three_ways, with_dev
from .images import entries, image_files, is_image, open_files

ACCEPTED = (
    "a folder of class folders, the same under train/ and test/ (and dev/, val/ or valid/), "
    "or images with one CSV that names files and labels"
)
_SPLITS = {
    "train": "train", "training": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip
Listed = list[tuple[str, str]]  # path under the folder, class


def read_folder(folder: Path, request: Request) -> Splits:
    """Splits of a folder, by whichever layout it has; `Splits.said` says which that was.

    Raises:
        StriateError: The folder is empty, its layout is not recognised, class names differ only by case, or files
            are broken.
    """
    inside = entries(folder)
    tables = [path for path in inside if path.suffix.lower() in {".csv", ".tsv"}]
    folders = [path for path in inside if path.is_dir()]
    loose = [path for path in inside if is_image(path)]
    parts = {path: _SPLITS[path.name.lower()] for path in folders if path.name.lower() in _SPLITS}
    parts = dict(sorted(parts.items(), key=lambda item: ("train", "dev", "test").index(item[1])))
    if parts and any(next(image_files(child), None) for part in parts for child in entries(part) if child.is_dir()):
        return _divided(folder, parts, [path for path in folders if path not in parts], request)
    if tables:
        from .table import read_table

        if len(tables) > 1:
            raise StriateError(
                f"{folder.name} holds {len(tables)} tables: {', '.join(path.name for path in tables)}",
                hint=f"give the one that counts: {folder / tables[0].name}",
            )
        return read_table(tables[0], request)
    listed = _classes(folder, folders)
    if not listed:
        raise StriateError(f"{folder.name} {_what(inside, loose)}", accepted=ACCEPTED)
    data = gathered(folder, listed, request, split="all", layout="folder of classes")
    beside = f", {len(loose)} beside the class folders left out" if loose else ""
    said = f"folder of classes: {len(data.classes)} classes, {len(data):,} images{beside}{_left_out(data)}"
    return three_ways(data, seed=request.seed, said=said)


def gathered(
    folder: Path, listed: Listed, request: Request, *, split: str, layout: str, classes: Sequence[str] | None = None
) -> Dataset:
    """A split of these files and classes, in the order given."""
    store, kept, broken = open_files(
        folder, [name for name, _ in listed], skip_broken=request.skip_broken, progress=request.progress
    )
    names = tuple(classes) if classes is not None else class_names(label for _, label in listed)
    numbers = {name: number for number, name in enumerate(names)}
    labels = torch.tensor([numbers[listed[number][1]] for number in kept], dtype=torch.int64)
    return Dataset(
        folder.name, split, names, labels, store.ids(), store, torch.arange(len(kept)), store.channels,
        layout=layout, broken=broken, licence="not stated",
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
            raise StriateError(f"classes {other!r} and {name!r} differ only by case", accepted="one spelling a class")
    if numbers and all(name.isdigit() for name in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct))


def _classes(folder: Path, folders: Sequence[Path]) -> Listed:
    return [(path.relative_to(folder).as_posix(), child.name) for child in folders for path in image_files(child)]


def _divided(folder: Path, parts: dict[Path, str], others: list[Path], request: Request) -> Splits:
    stray = [path.name for path in others if next(image_files(path), None) is not None]
    if stray:
        raise StriateError(
            f"{folder.name} holds {', '.join(path.name for path in parts)} beside {', '.join(stray[:4])}",
            accepted="either class folders or split folders",
        )
    twice = [split for split in _SPLITS.values() if list(parts.values()).count(split) > 1]
    if twice:
        same = ", ".join(path.name for path, split in parts.items() if split == twice[0])
        raise StriateError(f"{folder.name} holds {same}, which all mean {twice[0]}", accepted="one folder a split")
    listed = {
        split: [
            (f"{path.name}/{name}", label) for name, label in _classes(path, [c for c in entries(path) if c.is_dir()])
        ]
        for path, split in parts.items()
    }
    names = class_names(label for part in listed.values() for _, label in part)
    layout = f"folder of classes in {', '.join(path.name for path in parts)}"
    found = {
        split: gathered(folder, part, request, split=split, layout=layout, classes=names)
        for split, part in listed.items()
    }
    counts = ", ".join(f"{len(data):,} {split}" for split, data in found.items())
    left = "".join(_left_out(data) for data in found.values())
    return divided(found, f"{layout}: {len(names)} classes, {counts} images{left}", request.seed)


def divided(found: dict[str, Dataset], said: str, seed: int) -> Splits:
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
    return three_ways(found["train"], seed=seed, said=said)


def _left_out(data: Dataset) -> str:
    return f", {len(data.broken):,} broken files left out" if data.broken else ""


def _what(inside: list[Path], loose: list[Path]) -> str:
    if loose:
        return f"holds {len(loose):,} images that nothing gives a class"
    if not inside:
        return "is an empty folder"
    shown = ", ".join(path.name for path in inside[:4])
    return f"is a folder without images (it holds {shown}{', ...' if len(inside) > 4 else ''})"


__all__ = ["ACCEPTED", "class_names", "divided", "gathered", "read_folder"]
