"""Image files in a folder: found, checked by their headers, decoded when they are wanted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from striate.core.decode import PIXEL_LIMIT, decode, read_header
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, read_image, to_bytes
from striate.core.progress import Progress

from ..annotations import NOTHING, Annotations
from ..dataset import BrokenFile
from ..stores import Notes

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_THREADS = 8  # that read headers: the time goes into waiting for the disk
_SHOWN = 5  # broken files that a message names


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files and what file managers leave behind.

    Raises:
        StriateError: The folder cannot be read.
    """
    try:
        found = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise StriateError(f"{folder} cannot be read: {error.strerror}", accepted="a folder") from error
    return [path for path in found if not path.name.startswith(".") and path.name.lower() not in _IGNORED]


def is_image(path: Path) -> bool:
    """Whether the ending of a file is that of an image; broken links count, so that they are reported."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def image_files(folder: Path) -> Iterator[Path]:
    """Every image file under a folder, deeper ones too, by name.

    A folder that links lead to twice is read once, and a link to a folder above itself is not followed.
    """
    yield from _under(folder, {os.path.realpath(folder)})


def _under(folder: Path, seen: set[str]) -> Iterator[Path]:
    here = Path(os.path.realpath(folder))
    for path in entries(folder):
        if path.is_dir():
            place = os.path.realpath(path)
            loop = Path(place) in (here, *here.parents)
            if place not in seen and not loop:
                seen.add(place)
                yield from _under(path, seen)
        elif is_image(path):
            yield path


@dataclass(frozen=True, eq=False)
class FileStore:
    """Images in files, decoded whenever they are read.

    Attributes:
        folder: Where the files lie.
        names: Paths under the folder, one a place, with ``/``.
        sizes: (N, 2) heights and widths, once upright.
        weights: Bytes of each file.
        channels: 1 where every file is grey, else 3.
        notes: What is known of each image, by place.
    """

    folder: Path
    names: tuple[str, ...]
    sizes: Tensor
    weights: tuple[int, ...]
    channels: int
    notes: Notes | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image, or None where they differ."""
        if not len(self.sizes) or not bool((self.sizes == self.sizes[0]).all()):
            return None
        return self.size_of(0)

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width of one image."""
        height, width = self.sizes[place].tolist()
        return int(height), int(width)

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8; raises `ImageError` with the name of a file that cannot be read."""
        images = []
        for place in places.tolist():
            try:
                image = read_image(
                    self.folder / self.names[place], channels=channels, geometry=geometry, name=self._title(place)
                )
            except ImageError as error:
                raise ImageError(
                    error.given, accepted=error.accepted, hint="skip_broken=True (--skip-broken) leaves out such files"
                ) from error
            images.append(to_bytes(image))
        if not images:
            return torch.empty((0, channels, *(geometry.size if geometry else self.size or (0, 0))), dtype=torch.uint8)
        if any(image.shape != images[0].shape for image in images):
            raise StriateError(f"the images of {self.folder.name} differ in size", hint="give a size")
        return torch.stack(images)

    def name_of(self, place: int) -> str:
        """Path under the folder."""
        return self.names[place]

    def annotations(self, place: int) -> Annotations:
        """What is known of it, if anything."""
        return NOTHING if self.notes is None else self.notes[place]

    def digest(self, places: Tensor) -> str:
        """A sha256 over names and sizes in bytes: nothing is opened."""
        words = "\n".join(f"{self.names[place]} {self.weights[place]}" for place in places.tolist())
        return hashlib.sha256(words.encode()).hexdigest()

    def ids(self) -> Tensor:
        """A number for each file that hangs on its path alone, so that files that come and go change no other's."""
        digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in self.names)
        return torch.tensor([int.from_bytes(digest, "little") >> 1 for digest in digests], dtype=torch.int64)

    def _title(self, place: int) -> str:
        return f"{self.folder.name}/{self.names[place]}"


def open_files(
    folder: Path, names: Sequence[str], *, skip_broken: bool, progress: Progress
) -> tuple[FileStore, list[int], tuple[BrokenFile, ...]]:
    """A store of the files that can be read, their numbers among ``names``, and the files left out.

    Headers are read in parallel. With ``skip_broken`` every file is decoded once as well, because a header does not
    tell that a file ends early.

    Raises:
        StriateError: Files are broken and ``skip_broken`` was not said; the message counts them and names the first.
    """
    checked: list[tuple[int, int, int, int] | BrokenFile] = []
    with ThreadPoolExecutor(_THREADS) as pool, progress.task("check images", len(names), unit="files") as step:
        for one in pool.map(lambda name: _checked(folder, name, whole=skip_broken), names):
            checked.append(one)
            step()
    broken = tuple(one for one in checked if isinstance(one, BrokenFile))
    if broken and not skip_broken:
        shown = "; ".join(f"{one.name} ({one.why})" for one in broken[:_SHOWN])
        more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
        raise StriateError(
            f"{len(broken):,} of {len(names):,} image files in {folder.name} cannot be read: {shown}{more}",
            hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding",
        )
    kept = [number for number, one in enumerate(checked) if not isinstance(one, BrokenFile)]
    good = [one for one in checked if not isinstance(one, BrokenFile)]
    store = FileStore(
        folder,
        tuple(names[number] for number in kept),
        torch.tensor([one[:2] for one in good], dtype=torch.int64).view(-1, 2),
        tuple(one[2] for one in good),
        3 if any(one[3] == 3 for one in good) else 1,
    )
    return store, kept, broken


def _checked(folder: Path, name: str, *, whole: bool) -> tuple[int, int, int, int] | BrokenFile:
    path = folder / name
    try:
        header = read_header(path, name=name)
        if header.height * header.width > PIXEL_LIMIT:
            return BrokenFile(name, f"has {header.width}x{header.height} pixels")
        if whole:
            decode(path, name=name)
        return header.height, header.width, path.stat().st_size, header.channels
    except ImageError as error:
        return BrokenFile(name, error.given.removeprefix(name).strip())
