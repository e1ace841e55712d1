"""Where files lie: a folder, or a zip archive that is read in place. A tree is light; its listing names every file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from striate.core.errors import ImageError, StriateError

MOST_BYTES = 1 << 28  # of one member of an archive: what unpacks to more is refused before it is unpacked
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


class Tree(Protocol):
    """Files by name; names are paths under the tree, with ``/``."""

    @property
    def name(self) -> str:
        """What it is called in messages, and the data set that it holds."""

    @property
    def path(self) -> Path:
        """The folder, or the archive."""

    def source(self, name: str) -> Path | bytes:
        """What the image door takes: the path of a file, or the bytes of a member."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; `StriateError` where it is gone or damaged."""

    def weight(self, name: str) -> int:
        """Its bytes; `ImageError` where it is gone."""

    def files(self) -> Listing:
        """Every file and folder under the tree."""


@dataclass(frozen=True)
class Listing:
    """What lies in a tree, folder by folder, in the order of the names; hidden files are left out.

    Attributes:
        names: Every file.
        folders: Every folder, empty ones too.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]

    @cached_property
    def top_files(self) -> tuple[str, ...]:
        """Files that lie in no folder."""
        return tuple(name for name in self.names if "/" not in name)

    @cached_property
    def top_folders(self) -> tuple[str, ...]:
        """Folders that lie in no other."""
        return tuple(name for name in self.folders if "/" not in name)

    @cached_property
    def by_top(self) -> dict[str, tuple[str, ...]]:
        """The files under each top folder."""
        found: dict[str, list[str]] = {folder: [] for folder in self.top_folders}
        for name in self.names:
            top, sign, _ = name.partition("/")
            if sign:
                found[top].append(name)
        return {top: tuple(names) for top, names in found.items()}

    def under(self, folder: str) -> Listing:
        """What lies under one folder, by names that begin there."""
        start = f"{folder}/"
        return Listing(
            tuple(name.removeprefix(start) for name in self.names if name.startswith(start)),
            tuple(name.removeprefix(start) for name in self.folders if name.startswith(start)),
        )


@dataclass(frozen=True)
class Folder:
    """A folder on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def source(self, name: str) -> Path:
        """The path of one file."""
        return self.path / name

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            StriateError: It cannot be read.
        """
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise StriateError(f"{self.name}/{name} cannot be read: {error.strerror}") from error

    def weight(self, name: str) -> int:
        """Bytes of one file.

        Raises:
            ImageError: It is not there.
        """
        try:
            return (self.path / name).stat().st_size
        except OSError as error:
            raise ImageError(f"{self.name}/{name} cannot be read: {error.strerror}") from error

    def files(self) -> Listing:
        """Every file and folder; a folder that links lead to twice is read once, a link upwards is not followed.

        Raises:
            StriateError: A folder cannot be read.
        """
        names: list[str] = []
        folders: list[str] = []
        seen = {os.path.realpath(self.path)}
        for name, is_folder in _walk(str(self.path), "", seen):
            (folders if is_folder else names).append(name)
        return Listing(tuple(names), tuple(folders))


@dataclass(frozen=True)
class Archive:
    """A zip archive; its members are unpacked in memory, one at a time, and nothing is written to disk.

    Attributes:
        path: The archive.
        inside: Folder inside it that counts as the top, with its ``/``; "" for the archive itself.
    """

    path: Path
    inside: str = ""

    @property
    def name(self) -> str:
        """The archive's name without its ending."""
        return self.path.stem

    def source(self, name: str) -> bytes:
        """The bytes of one member; raises `ImageError`, as the image door does of a file."""
        try:
            return self._member(name)
        except StriateError as error:
            raise ImageError(error.given, accepted=error.accepted, hint=error.hint) from error

    def read(self, name: str) -> bytes:
        """The bytes of one member.

        Raises:
            StriateError: It is not there, damaged, encrypted, or unpacks to more than `MOST_BYTES`.
        """
        return self._member(name)

    def weight(self, name: str) -> int:
        """Bytes of one member, unpacked.

        Raises:
            ImageError: It is not there.
        """
        try:
            return _opened(self.path, os.getpid()).getinfo(self.inside + name).file_size
        except KeyError:
            raise ImageError(f"{self.name}/{name} is not in {self.path.name}") from None

    def files(self) -> Listing:
        """Every member and folder, in the order in which a folder would list them."""
        names: set[str] = set()
        folders: set[str] = set()
        for member in _opened(self.path, os.getpid()).namelist():
            if not member.startswith(self.inside):
                continue
            parts = member.removeprefix(self.inside).replace("\\", "/").split("/")
            if any(_hidden(part) for part in parts if part):
                continue
            folders.update("/".join(parts[:end]) for end in range(1, len(parts)))
            if parts[-1]:
                names.add("/".join(parts))
        folders.discard("")
        return Listing(tuple(sorted(names, key=_by_level)), tuple(sorted(folders, key=_by_level)))

    def _member(self, name: str) -> bytes:
        archive = _opened(self.path, os.getpid())
        try:
            known = archive.getinfo(self.inside + name)
            if known.file_size > MOST_BYTES:
                raise StriateError(
                    f"{self.name}/{name} unpacks to {known.file_size / 1e6:,.0f} MB",
                    accepted=f"at most {MOST_BYTES / 1e6:,.0f} MB a file of an archive",
                )
            return archive.read(known)
        except KeyError:
            raise StriateError(f"{self.name}/{name} is not in {self.path.name}") from None
        except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, NotImplementedError) as error:
            raise StriateError(f"{self.name}/{name} in {self.path.name} cannot be read: {error}") from error


def open_tree(path: Path) -> Tree:
    """The folder or zip archive at ``path``; an only folder that wraps everything else inside an archive is passed by.

    Raises:
        StriateError: It is neither, or damaged.
    """
    if path.is_dir():
        return Folder(path)
    archive = Archive(path)
    listing = archive.files()
    if len(listing.top_folders) == 1 and not listing.top_files and any("/" in folder for folder in listing.folders):
        return Archive(path, f"{listing.top_folders[0]}/")
    return archive


def _walk(folder: str, start: str, seen: set[str]) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(folder) as found:
            inside = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise StriateError(f"{folder} cannot be read: {error.strerror}", accepted="a folder") from error
    for entry in inside:
        if _hidden(entry.name):
            continue
        name = f"{start}{entry.name}"
        if not entry.is_dir():
            yield name, False
            continue
        place = os.path.realpath(entry.path)
        upwards = f"{os.path.realpath(folder)}{os.sep}".startswith(f"{place}{os.sep}")
        if place not in seen and not upwards:
            seen.add(place)
            yield name, True
            yield from _walk(entry.path, f"{name}/", seen)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _IGNORED


def _by_level(name: str) -> tuple[str, ...]:
    return tuple(name.split("/"))


@lru_cache(maxsize=16)
def _opened(path: Path, process: int) -> zipfile.ZipFile:
    del process  # a handle that a worker process inherits shares its place in the file with its parent's
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise StriateError(f"{path} cannot be read: {error}", accepted="a zip archive") from error
