"""WebDataset shards: tar files whose members of one key are one sample; read in place, nothing is unpacked to disk."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import torch

from striate.core.errors import ImageError, StriateError

from ..annotations import Annotations
from ..dataset import BrokenFile, Dataset, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Folder, Listing, Stamp, Tree
from .folder import class_names, divided
from .images import ENDINGS, is_image, open_files
from .recognise import Layout
from .vocabulary import SPLITS

LABELS = ("label", "class", "cls", "target", "class_name", "label_name")
NAMES = ("classes.txt", "classnames.txt", "class_names.txt", "labels.txt")
SMALL = 1 << 16  # bytes of a label, a caption or a JSON that are read while a shard is listed
_IMAGES = frozenset(ending.removeprefix(".") for ending in ENDINGS)


@dataclass(frozen=True, eq=False)
class Shards:
    """A tree whose files lie inside tar files; a name is the shard's name, a slash, the member's name.

    Attributes:
        path: The folder of the shards.
        places: Shard, offset and bytes of each image.
    """

    path: Path
    places: Mapping[str, tuple[str, int, int]]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def source(self, name: str) -> bytes:
        """The bytes of one image; raises `ImageError`, as the image door does of a file."""
        try:
            return self.read(name)
        except StriateError as error:
            raise ImageError(error.given, accepted=error.accepted, hint=error.hint) from error

    def read(self, name: str) -> bytes:
        """The bytes of one image.

        Raises:
            StriateError: The shard is gone, or shorter than it was.
        """
        shard, offset, size = self.places[name]
        try:
            with (self.path / shard).open("rb", buffering=0) as stream:
                stream.seek(offset)
                data = stream.read(size)
        except OSError as error:
            raise StriateError(f"{self.name}/{shard} cannot be read: {error.strerror}") from error
        if len(data) < size:
            inside = name.partition("/")[2]
            raise StriateError(f"{self.name}/{shard} ends inside {inside}", hint="fetch the shard again")
        return data

    def load(self, name: str) -> tuple[bytes, Stamp]:
        """The bytes of one image, and the stamp of its shard at that moment."""
        return self.source(name), self.stamp(name)

    def stamp(self, name: str) -> Stamp:
        """Bytes and time of change of the shard that holds it; raises `ImageError` where that is gone."""
        shard = self.places[name][0]
        try:
            known = (self.path / shard).stat()
        except OSError as error:
            raise ImageError(f"{self.name}/{shard} cannot be read: {error.strerror}") from error
        return Stamp(known.st_size, known.st_mtime_ns)

    def weight(self, name: str) -> int:
        """Its bytes."""
        return self.places[name][2]

    def files(self) -> Listing:
        """Every image; there are no folders but the shards."""
        return Listing(tuple(self.places), tuple(dict.fromkeys(name.partition("/")[0] for name in self.places)))


@dataclass(frozen=True)
class _Found:
    """One sample of a shard: the name of its image, and what its other members say."""

    image: str
    part: str
    label: str
    note: Annotations


def is_shards(tree: Tree, listing: Listing) -> bool:
    """Whether a folder holds tar files and no images beside them."""
    tars = [name for name in listing.top_files if name.lower().endswith(".tar")]
    return bool(tars) and isinstance(tree, Folder) and not any(map(is_image, listing.names))


def read_shards(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of a folder of shards; the split is read off a shard's name (``train-000000.tar``, ``val...``).

    A sample is all members that are called the same up to the first dot: an image, its label in ``.cls`` (a number or
    a word) or in a ``.json`` (``label``, ``class``, ...), its caption in ``.txt`` or ``caption``; what else the JSON
    says in words and numbers becomes attributes, ``group`` its group. Names of numbered classes may lie beside in
    ``classes.txt``. One pass over the heads of the members finds their places; images are read when they are wanted.

    Raises:
        StriateError: A shard is damaged or compressed, a sample lacks its image or label, or a key comes twice.
    """
    tars = [name for name in listing.top_files if name.lower().endswith(".tar")]
    places: dict[str, tuple[str, int, int]] = {}
    samples: list[_Found] = []
    with request.progress.task("list shards", len(tars), unit="shards") as step:
        for tar in tars:
            samples += _listed(tree.path / tar, tar, places)
            step()
    if not samples:
        raise StriateError(f"{tree.name} holds {len(tars)} shards without images", accepted="samples with an image")
    shards = Shards(tree.path, places)
    words = next((tree.read(name).decode("utf-8-sig").split("\n") for name in NAMES if name in listing.names), [])
    parts = {part: [one for one in samples if one.part == part] for part in dict.fromkeys(one.part for one in samples)}
    names, numbering = _classes(samples, [word.strip() for word in words if word.strip()])
    found = {
        part: _dataset(shards, those, part or "all", request, names=names, numbering=numbering)
        for part, those in parts.items()
    }
    total = sum(map(len, found.values()))
    kind = f"{len(names)} classes" if names else "no labels"
    said = f"WebDataset: {len(tars)} {'shard' if len(tars) == 1 else 'shards'}, {kind}, {total:,} images"
    if set(found) == {""}:
        return three_ways(found[""], seed=request.seed, said=said, division=request.division)
    return divided(found, said, request.seed, request.division)


def _listed(path: Path, tar: str, places: dict[str, tuple[str, int, int]]) -> list[_Found]:
    images: dict[str, str] = {}
    others: dict[str, dict[str, bytes]] = {}
    length = path.stat().st_size
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                key, ending = _key(member.name)
                if member.offset_data + member.size > length:
                    raise StriateError(f"{tar} ends inside {member.name}", hint="fetch the shard again")
                if ending.rpartition(".")[2] in _IMAGES:
                    if key in images:
                        raise StriateError(f"{tar} holds two images of {key}", accepted="one image a key")
                    images[key] = f"{tar}/{member.name}"
                    places[images[key]] = (tar, member.offset_data, member.size)
                elif ending in {"cls", "json", "txt"} and member.size <= SMALL:
                    others.setdefault(key, {})[ending] = _sought(stream, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise StriateError(f"{tar} cannot be read: {error}", accepted="a tar file that is not compressed") from error
    part = next((means for sign, means in SPLITS.items() if re.search(rf"(^|[^a-z]){sign}", tar.lower())), "")
    return [_sample(image, key, others.get(key, {}), part, tar) for key, image in images.items()]


def _sample(image: str, key: str, members: Mapping[str, bytes], part: str, tar: str) -> _Found:
    said: dict[str, Any] = {}
    if "json" in members:
        try:
            said = json.loads(members["json"])
        except ValueError as error:
            raise StriateError(f"{key}.json in {tar} is no JSON: {error}") from error
        if not isinstance(said, dict):
            raise StriateError(f"{key}.json in {tar} is a {type(said).__name__}", accepted="an object")
    label = _text(members.get("cls")) or next((str(said[name]) for name in LABELS if name in said), "")
    used = {*LABELS, "caption", "group"}
    attributes: dict[str, str | float] = {
        name: float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
        for name, value in said.items()
        if name not in used and isinstance(value, (str, int, float))
    }
    note = Annotations(
        caption=_text(members.get("txt")) or str(said.get("caption", "")),
        group=str(said.get("group", "")),
        attributes=MappingProxyType(attributes),
    )
    return _Found(image, part, label, note)


def _dataset(
    shards: Shards,
    samples: list[_Found],
    part: str,
    request: Request,
    *,
    names: tuple[str, ...],
    numbering: Mapping[str, int],
) -> Dataset:
    store, kept, broken = open_files(
        shards, [one.image for one in samples], skip_broken=request.skip_broken, progress=request.progress
    )
    chosen = [samples[place] for place in kept]
    if any(one.note.caption or one.note.group or one.note.attributes for one in chosen):
        store = replace(store, notes=tuple(one.note for one in chosen))
    lost = tuple(BrokenFile(one.image, "has no label") for one in chosen if names and not one.label)
    if lost and not request.skip_broken:
        raise StriateError(
            f"{len(lost):,} of {len(chosen):,} samples have no label: {lost[0].name}",
            accepted="a .cls or a .json with a label for each image, or for none",
        )
    labels = torch.tensor([numbering.get(one.label, -1) for one in chosen], dtype=torch.int64)
    data = Dataset(
        shards.name, part, names, labels, store.ids(), store, torch.arange(len(kept)), store.channels,
        layout="WebDataset shards", broken=(*broken, *lost), licence="not stated", task="classes" if names else "none",
    )  # fmt: skip
    return data.take(labels >= 0) if lost else data


def _classes(samples: list[_Found], words: list[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of the classes, and the number of each label as the shards write it."""
    given = class_names((one.label for one in samples if one.label), numbers=True)
    if not words or not all(name.isdigit() for name in given):
        return given, {name: place for place, name in enumerate(given)}
    if int(given[-1]) >= len(words):
        raise StriateError(f"the shards have class {given[-1]}, and {len(words)} names lie beside them")
    return tuple(words), {name: int(name) for name in given}


def _key(name: str) -> tuple[str, str]:
    """Key and ending of a member: the name up to the first dot after the last slash, and what follows it."""
    folder, sign, file = name.removeprefix("./").rpartition("/")
    stem, _, ending = file.partition(".")
    return f"{folder}{sign}{stem}", ending.lower()


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", errors="replace").strip()


def _sought(stream: IO[bytes], offset: int, size: int) -> bytes:
    here = stream.tell()
    stream.seek(offset)
    data = stream.read(size)
    stream.seek(here)
    return data


SHARDS = Layout(is_shards, read_shards)
