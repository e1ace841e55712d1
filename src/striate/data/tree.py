"""Where files lie: a folder, or a zip archive that is read in place. A tree is light; its listing names every file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from striate.core.decode import open_file
from striate.core.errors import ImageError, StriateError

MOST_BYTES = 1 << 28  # of one file: what is larger, or unpacks to more, is refused before it is read
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


class Stamp(NamedTuple):
    """What tells whether a file is still the one that it was.

    Attributes:
        weight: Its bytes.
        mark: When it was written, in nanoseconds; the checksum of a member of an archive.
    """

    weight: int
    mark: int


class ChangedError(StriateError):
    """What lies on disk is no longer what a run began with."""


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

    def stamp(self, name: str) -> Stamp:
        """What tells whether it is still the same, without reading it; `ImageError` where it is gone."""

    def load(self, name: str) -> tuple[bytes, Stamp]:
        """Its bytes and its stamp, from one opening; `ImageError` where it is gone or damaged."""

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
                found.setdefault(top, []).append(name)
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
        return self.stamp(name).weight

    def stamp(self, name: str) -> Stamp:
        """Bytes of one file, and when it was written.

        Raises:
            ImageError: It is not there.
        """
        try:
            state = os.stat(f"{self.path}{os.sep}{name}")  # noqa: PTH116 - Path is slow, files are many
        except OSError as error:
            raise ImageError(f"{self.name}/{name} cannot be read: {error.strerror}") from error
        return Stamp(state.st_size, state.st_mtime_ns)

    def load(self, name: str) -> tuple[bytes, Stamp]:
        """The bytes of one file, and its stamp.

        Raises:
            ImageError: It is gone, no ordinary file, empty, larger than `MOST_BYTES`, or the disk fails.
        """
        title = f"{self.name}/{name}"
        with open_file(f"{self.path}{os.sep}{name}", title) as (stream, state):
            if state.st_size > MOST_BYTES:
                raise too_large(title, "has", state.st_size)
            try:
                return stream.read(), Stamp(state.st_size, state.st_mtime_ns)
            except OSError as error:
                raise ImageError(f"{title} cannot be read: {error.strerror}") from error

    def files(self) -> Listing:
        """Every file and folder; a folder that links lead to twice is read once, a link upwards is not followed.

        Raises:
            StriateError: A folder cannot be read.
        """
        return _walk(str(self.path))


def open_tree(path: Path) -> Tree:
    """The folder or zip archive at ``path``; an only folder that wraps everything else inside an archive is passed by.

    Raises:
        StriateError: It is neither, or damaged.
    """
    if path.is_dir():
        return Folder(path)
    from .archive import open_archive

    return open_archive(path)


def too_large(title: str, verb: str, weight: int) -> ImageError:
    """What is said of a file above `MOST_BYTES`."""
    return ImageError(f"{title} {verb} {weight / 1e6:,.0f} MB", accepted=f"at most {MOST_BYTES / 1e6:,.0f} MB a file")


def is_hidden(name: str) -> bool:
    """Whether file managers hide, or leave behind, what has this name."""
    return name.startswith(".") or name.lower() in _IGNORED


def _walk(top: str) -> Listing:
    """Every file, and every folder before what lies in it, in the order of the names."""
    names: list[str] = []
    folders: list[str] = []
    real = os.path.realpath(top)
    seen = {real}
    levels = [(_inside(top), real, "")]
    while levels:
        inside, real, start = levels[-1]
        while inside:
            own, entry = inside.pop()
            if own[0] == "." or own.lower() in _IGNORED:
                continue
            if not _is_folder(entry):
                names.append(start + own)
                continue
            place = os.path.realpath(entry.path) if entry.is_symlink() else f"{real.rstrip(os.sep)}{os.sep}{own}"
            upwards = f"{real}{os.sep}".startswith(f"{place.rstrip(os.sep)}{os.sep}")
            if place not in seen and not upwards:
                seen.add(place)
                folders.append(start + own)
                levels.append((_inside(entry.path), place, f"{start}{own}/"))
                break
        else:
            levels.pop()
    return Listing(tuple(names), tuple(folders))


def _inside(folder: str) -> list[tuple[str, os.DirEntry[str]]]:
    """What lies in a folder, the last name first."""
    try:
        with os.scandir(folder) as found:
            return sorted(((entry.name, entry) for entry in found), reverse=True)
    except OSError as error:
        raise StriateError(f"{folder} cannot be read: {error.strerror}", accepted="a folder") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to where nobody may look: opening it as a file will say so
        return False
