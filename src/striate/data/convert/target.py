"""Where converters write: a folder that appears whole or not at all; and what they write, picture by picture."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.core.errors import StriateError
from striate.core.image import encode_png, from_bytes

from ..annotations import Annotations
from ..dataset import TASKS, Dataset, Splits, Task
from ..layouts.images import FileStore
from ..layouts.objects import Picture, pictures_of
from ..layouts.places import KEPT
from .made import picture_of

FOLDERS = {"train": "train", "dev": "val", "test": "test"}
_UNSAFE = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: The folder.
        images: How many.
        objects: How many boxes or masks of objects.
        said: In one line, with what had to be kept elsewhere.
    """

    path: Path
    images: int
    objects: int
    said: str


@dataclass(frozen=True, eq=False)
class Item:
    """One image to be written.

    Attributes:
        data: The split it is of.
        row: Its row.
        picture: All that is known of it, its size filled in.
        folder: Folder of its split, ``train``, ``val`` or ``test``; "" for data that are not divided.
        file: A name for its file that no other image has, whatever its ending, in capitals or not.
    """

    data: Dataset
    row: int
    picture: Picture
    folder: str
    file: str

    @property
    def stem(self) -> str:
        """The file's name without ending."""
        return self.file.rpartition(".")[0]

    def content(self) -> bytes:
        """The file as it lies, byte for byte; a PNG of pixels that lie in no file."""
        store, place = self.data.store, int(self.data.places[self.row])
        if isinstance(store, FileStore):
            return store.tree.read(store.names[place])
        pixels = store.read(self.data.places[self.row : self.row + 1], store.channels, None)
        return encode_png(from_bytes(pixels)[0])


def items_of(given: Dataset | Splits, *, tasks: tuple[Task, ...]) -> list[Item]:
    """Every image of the data, split by split.

    Raises:
        StriateError: The data are of another task, hold no images, or have a geometry: converters take them as stored.
    """
    parts = [part for part in ([given] if isinstance(given, Dataset) else given) if len(part)]
    if not parts:
        raise StriateError("the data hold no images", accepted="at least one")
    for part in parts:
        if part.task not in tasks:
            raise StriateError(
                f"{part.name} has {TASKS[part.task]}",
                accepted=f"data with {' or '.join(TASKS[task] for task in tasks)}",
            )
        if part.geometry is not None:
            raise StriateError(
                f"{part.name} is brought to {part.geometry.size}", accepted="data as stored, without a size"
            )
    divided = not isinstance(given, Dataset)
    found = [
        (part, row, _picture(part, row), FOLDERS.get(part.split, "") if divided else "")
        for part in parts
        for row in range(len(part))
    ]
    names = _distinct([picture.name for _, _, picture, _ in found])
    return [
        Item(part, row, picture, folder, name) for (part, row, picture, folder), name in zip(found, names, strict=True)
    ]


def extras_of(given: Dataset | Splits) -> dict[str, Any]:
    """What the format that the data came from says of the whole."""
    first = given if isinstance(given, Dataset) else given.train
    found = pictures_of(first.store)
    return {} if found is None else dict(found.extras)


@contextmanager
def fresh(out: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to write into that takes the place ``out`` once all went well; until then nothing is there.

    Raises:
        StriateError: ``out`` is a file or not empty; with ``overwrite`` only a folder that a converter wrote gives way.
    """
    path = Path(out).expanduser().absolute()
    try:
        full = path.is_dir() and any(path.iterdir())
        if path.exists() and not path.is_dir():
            raise StriateError(f"{path} is a file", accepted="a folder that is empty or not there")
        if full and not overwrite:
            raise StriateError(f"{path} is not empty", hint="overwrite=True replaces what a converter wrote there")
        if full and not (path / KEPT).is_file():
            raise StriateError(f"{path} holds files that no converter wrote", accepted=f"a folder with {KEPT}")
        path.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise StriateError(f"cannot write {path}: {error.strerror}", hint="write to another place") from error
    try:
        yield building
        building.chmod(0o755)
        aside = path.with_name(f"{building.name}.old")
        if path.exists():
            path.rename(aside)
        building.rename(path)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise StriateError(f"cannot write {path}: {error.strerror}", hint="free some space") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def put(folder: Path, name: str, content: bytes | str) -> None:
    """Write one file under the folder, its folders made."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def put_json(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write JSON under the folder."""
    put(folder, name, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")


def _picture(data: Dataset, row: int) -> Picture:
    place = int(data.places[row])
    known = pictures_of(data.store)
    if known is not None:
        return known.pictures[place]
    annotations: Annotations = data.store.annotations(place)
    return picture_of(annotations, data.name_of(row), data.store.size_of(place))


def _distinct(names: Sequence[str]) -> list[str]:
    """A file name for each, the bare one where no other has it, else with its folders; PNG where there is no ending."""
    bare = [_safe(name.rpartition("/")[2]) for name in names]
    stems = [_stem(name) for name in bare]
    often: dict[str, int] = {}
    for stem in stems:
        often[stem] = often.get(stem, 0) + 1
    out = [
        one if often[stem] == 1 else _safe(name.replace("/", "_"))
        for name, one, stem in zip(names, bare, stems, strict=True)
    ]
    seen: dict[str, str] = {}
    for name, one in zip(names, out, strict=True):
        other = seen.setdefault(_stem(one), name)
        if other != name:
            raise StriateError(f"{other} and {name} would both become {one}", accepted="images of different names")
    if len(seen) != len(names):
        raise StriateError("an image stands twice in the data", accepted="each image once")
    return out


def _safe(name: str) -> str:
    clean = "".join("_" if letter in _UNSAFE or ord(letter) < 32 else letter for letter in name).strip(". ")
    clean = clean.replace(" ", "_") or "image"
    return clean if "." in clean else f"{clean}.png"


def _stem(name: str) -> str:
    return name.rpartition(".")[0].casefold()
