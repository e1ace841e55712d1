"""Image files in a tree: checked by their headers, decoded when they are wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striate.core.decode import PIXEL_LIMIT, decode_picture, read_header
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry
from striate.core.progress import Progress

from ..annotations import NOTHING, Annotations
from ..dataset import BrokenFile
from ..errands import UNKNOWN, Done, Errand
from ..paths import Paths
from ..stores import Notes
from ..tree import Tree

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
LOOKED_AT = 20_000  # files up to which each is looked at before anything begins
SAMPLE = 2_000  # files that are looked at where there are more, evenly spread; the others when they are read
_THREADS = 8  # that read headers: the time goes into waiting for the disk
_AT_ONCE = 4096  # names that are worked on at a time
_SHOWN = 5  # broken files that a message names
_FEW, _SHARE = 20, 0.1  # files, and share of those read, above which passing over broken ones is no longer right


def is_image(name: str) -> bool:
    """Whether the ending of a file is that of an image."""
    return name[name.rfind(".") :].lower() in ENDINGS


@dataclass(eq=False)
class PassedOver:
    """Files met while reading that are passed over, by place, and how many could be read."""

    files: dict[int, BrokenFile] = field(default_factory=dict)
    read: int = 0


@dataclass(frozen=True, eq=False)
class FileStore:
    """Images in files, decoded whenever they are read.

    Attributes:
        tree: Where the files lie.
        names: Under the tree, one a place, with ``/``.
        sizes: (N, 2) int32 heights and widths, once upright; -1 where nobody has looked.
        stamps: (N, 2) int64: bytes of each file and what else tells that it changed; -1 where nobody has looked.
        channels: 1 where every file that was looked at is grey, else 3.
        notes: What is known of each image, by place.
        lenient: Pass over files that turn out to be broken when they are read, and count them.
        passed_over: Those met so far.
    """

    tree: Tree
    names: Paths
    sizes: Tensor
    stamps: Tensor
    channels: int
    notes: Notes | None = None
    lenient: bool = False
    passed_over: PassedOver = field(default_factory=PassedOver)

    @cached_property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image, or None where they differ; where not all were looked at, of those."""
        known = self.sizes[self.sizes[:, 0] >= 0]
        if not len(known) or not bool((known == known[0]).all()):
            return None
        return int(known[0, 0]), int(known[0, 1])

    @property
    def grouped(self) -> bool:
        """Whether images may have groups."""
        return self.notes is not None

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width of one image; raises `ImageError` where the file has to be opened for it and cannot be."""
        height, width = self.sizes[place].tolist()
        if height < 0:
            header = read_header(self.tree.source(self.names[place]), name=self._title(place))
            height, width = header.height, header.width
            self.sizes[place] = torch.tensor([height, width])
        return int(height), int(width)

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Images (n, channels, H, W) uint8; raises `ImageError` with the name of a file that cannot be read."""
        size = geometry.size if geometry is not None else self._one_size(places)
        out = np.empty((len(places), channels, *size), dtype=np.uint8)
        done = self.errand(places).read(out, channels, geometry, _nobody)
        self.settle(places, done)
        for _, error in done.broken:
            raise error
        return torch.from_numpy(out)

    def errand(self, places: Tensor) -> Errand:
        """What to send to whoever reads these images."""
        numbers, passed = places.tolist(), self.passed_over.files
        return Errand(
            self.tree,
            tuple(self.names.some(numbers)),
            [(weight, mark) for weight, mark in self.stamps[places].tolist()],
            self.lenient,
            frozenset(number for number, place in enumerate(numbers) if place in passed) if passed else frozenset(),
        )

    def settle(self, places: Tensor, done: Done) -> Tensor:
        """What was learnt of the files is kept; which of them could be read, (n,) bool.

        Raises:
            StriateError: So many cannot be read that the fault is not with single files.
        """
        good, passed, numbers = torch.ones(len(places), dtype=torch.bool), self.passed_over, places.tolist()
        self.stamps[places] = torch.tensor(done.stamps, dtype=torch.int64).view(-1, 2)
        for number, error in done.broken:
            good[number] = False
            name = self.names[numbers[number]]
            passed.files.setdefault(numbers[number], _broken(self.tree, name, error))
        passed.read += int(good.sum())
        count = len(passed.files)
        if done.broken and count > _FEW and count > _SHARE * (count + passed.read):
            last = passed.files[numbers[done.broken[-1][0]]]
            raise StriateError(
                f"{count:,} of {count + passed.read:,} files read so far of {self.tree.name} cannot be read, the last "
                f"was {last.name} ({last.why})",
                accepted=f"at most {_SHARE:.0%} broken files with skip_broken",
                hint="look whether the disk is still there, then load the data again",
            )
        return good

    def left_out(self, places: Tensor) -> tuple[BrokenFile, ...]:
        """Files met so far among these places that cannot be read and are passed over."""
        passed = self.passed_over.files
        if not passed:
            return ()
        among = torch.isin(torch.tensor(sorted(passed)), places)
        return tuple(passed[place] for place, inside in zip(sorted(passed), among.tolist(), strict=True) if inside)

    def name_of(self, place: int) -> str:
        """Path under the tree."""
        return self.names[place]

    def annotations(self, place: int) -> Annotations:
        """What is known of it, if anything."""
        return NOTHING if self.notes is None else self.notes[place]

    def digest(self, places: Tensor) -> str:
        """A sha256 over names and sizes in bytes: nothing is opened, but files nobody has looked at are looked up."""
        digest = hashlib.sha256()
        for start in range(0, len(places), _AT_ONCE):
            numbers = places[start : start + _AT_ONCE].tolist()
            names = self.names.some(numbers)
            weights = self._weights(numbers, names)
            words = "\n".join([f"{name} {weight}" for name, weight in zip(names, weights, strict=True)])
            digest.update(("\n" + words if start else words).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def ids(self) -> Tensor:
        """A number for each file that hangs on its path alone, so that files that come and go change no other's."""
        return self.names.ids()

    def _weights(self, places: list[int], names: list[str]) -> list[int]:
        weights: list[int] = self.stamps[places, 0].tolist()
        unknown = [number for number, weight in enumerate(weights) if weight < 0]
        if unknown:
            found = [self._stamp(names[number]) for number in unknown]
            self.stamps[[places[number] for number in unknown]] = torch.tensor(found, dtype=torch.int64)
            for number, stamp in zip(unknown, found, strict=True):
                weights[number] = stamp[0]
        return weights

    def _stamp(self, name: str) -> tuple[int, int]:
        try:
            return self.tree.stamp(name)
        except ImageError:
            if self.lenient:  # whoever reads it will pass over it, and say so
                return UNKNOWN
            raise

    def _one_size(self, places: Tensor) -> tuple[int, int]:
        found = {self.size_of(place) for place in places.tolist()} if self.size is None else {self.size}
        if len(found) > 1:
            raise StriateError(f"the images of {self.tree.name} differ in size", hint="give a size")
        return next(iter(found), (0, 0))

    def _title(self, place: int) -> str:
        return f"{self.tree.name}/{self.names[place]}"


def open_files(
    tree: Tree, names: Sequence[str], *, skip_broken: bool, progress: Progress
) -> tuple[FileStore, Sequence[int], tuple[BrokenFile, ...]]:
    """A store of the files that can be read, their numbers among ``names``, and the files left out.

    Headers are read in parallel. With ``skip_broken`` every file is decoded once as well, because a header does not
    tell that a file ends early. Of more than `LOOKED_AT` files only `SAMPLE`, evenly spread, are looked at; a broken
    one among the others is named when it is read, or with ``skip_broken`` left out of its batch and counted then.

    Raises:
        StriateError: Files are broken and ``skip_broken`` was not said; the message counts them and names the first.
    """
    count = len(names)
    looked = range(count) if count <= LOOKED_AT else [number * count // SAMPLE for number in range(SAMPLE)]
    sizes, stamps = np.full((count, 2), -1, dtype=np.int32), np.full((count, 2), -1, dtype=np.int64)
    broken: dict[int, BrokenFile] = {}
    grey = True
    for number, one in _looked_at(tree, names, looked, whole=skip_broken, progress=progress):
        if isinstance(one, BrokenFile):
            broken[number] = one
            continue
        height, width, channels, stamp = one
        sizes[number], stamps[number] = (height, width), stamp
        grey = grey and channels == 1
    if broken and not skip_broken:
        raise _too_many_broken(tree, tuple(broken.values()), len(looked))
    kept: Sequence[int] = [number for number in range(count) if number not in broken] if broken else range(count)
    paths = Paths([names[number] for number in kept] if broken else names)
    if broken:
        sizes, stamps = sizes[kept], stamps[kept]
    store = FileStore(
        tree, paths, torch.from_numpy(sizes), torch.from_numpy(stamps), 1 if grey else 3,
        lenient=skip_broken and len(looked) < count,
    )  # fmt: skip
    return store, kept, tuple(broken.values())


def looked_at(store: object) -> str:
    """What to say of a store of which not every file was looked at; "" of the others."""
    if not isinstance(store, FileStore) or bool((store.stamps[:, 0] >= 0).all()):
        return ""
    return f", {int((store.stamps[:, 0] >= 0).sum()):,} of them looked at, the others when they are read"


def _looked_at(
    tree: Tree, names: Sequence[str], numbers: Sequence[int], *, whole: bool, progress: Progress
) -> Iterator[tuple[int, tuple[int, int, int, tuple[int, int]] | BrokenFile]]:
    with ThreadPoolExecutor(_THREADS) as pool, progress.task("check images", len(numbers), unit="files") as step:
        checks = pool.map(lambda number: _checked(tree, names[number], whole=whole), numbers)
        for number, one in zip(numbers, checks, strict=True):
            yield number, one
            step()


def _checked(tree: Tree, name: str, *, whole: bool) -> tuple[int, int, int, tuple[int, int]] | BrokenFile:
    try:
        source: Path | bytes
        source, stamp = tree.load(name) if whole else (tree.source(name), UNKNOWN)
        header = read_header(source, name=name)
        if header.height * header.width > PIXEL_LIMIT:
            return BrokenFile(name, f"has {header.width}x{header.height} pixels")
        if whole:
            decode_picture(source, name=name)
        else:
            stamp = tree.stamp(name)
    except ImageError as error:
        return _broken(tree, name, error)
    return header.height, header.width, header.channels, stamp


def _broken(tree: Tree, name: str, error: ImageError) -> BrokenFile:
    return BrokenFile(name, error.given.removeprefix(f"{tree.name}/").removeprefix(name).strip())


def _too_many_broken(tree: Tree, broken: tuple[BrokenFile, ...], looked: int) -> StriateError:
    shown = "; ".join(f"{one.name} ({one.why})" for one in broken[:_SHOWN])
    more = f"; and {len(broken) - _SHOWN:,} more" if len(broken) > _SHOWN else ""
    return StriateError(
        f"{len(broken):,} of {looked:,} image files in {tree.name} cannot be read: {shown}{more}",
        hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding",
    )


def _nobody(number: int) -> None:
    del number
