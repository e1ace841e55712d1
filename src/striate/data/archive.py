"""A zip archive as a tree of files: read in place, checked member by member, never unpacked to disk."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from striate.core.errors import ImageError, StriateError

from . import tree
from .tree import ChangedError, Listing, Stamp, is_hidden, too_large


@dataclass(frozen=True)
class Archive:
    """A zip archive; its members are unpacked in memory, one at a time, and nothing is written to disk.

    Attributes:
        path: The archive.
        inside: Folder inside it that counts as the top, with its ``/``; "" for the archive itself.
        state: Stamp of the archive when it was opened first; one that is another now is read no more.
    """

    path: Path
    inside: str = ""
    state: Stamp | None = None

    @property
    def name(self) -> str:
        """The archive's name without its ending."""
        return self.path.stem

    def source(self, name: str) -> bytes:
        """The bytes of one member; raises `ImageError`, as the image door does of a file."""
        return self.load(name)[0]

    def read(self, name: str) -> bytes:
        """The bytes of one member.

        Raises:
            StriateError: It is not there, damaged, encrypted, or unpacks to more than `MOST_BYTES`.
        """
        return self.load(name)[0]

    def weight(self, name: str) -> int:
        """Bytes of one member, unpacked.

        Raises:
            ImageError: It is not there.
        """
        return self.stamp(name).weight

    def stamp(self, name: str) -> Stamp:
        """Bytes of one member, unpacked, and its checksum.

        Raises:
            ImageError: It is not there.
        """
        member = self._directory().members.get(self.inside + name)
        if member is None:
            raise ImageError(f"{self.name}/{name} is not in {self.path.name}")
        return Stamp(member.file_size, member.CRC)

    def load(self, name: str) -> tuple[bytes, Stamp]:
        """The bytes of one member, and its stamp.

        Raises:
            ImageError: It is not there, damaged, encrypted, or unpacks to more than `MOST_BYTES`.
            ChangedError: The archive is not the one that it was.
        """
        directory, title = self._directory(), f"{self.name}/{name}"
        member = directory.members.get(self.inside + name)
        if member is None:
            raise ImageError(f"{title} is not in {self.path.name}")
        if member.file_size > tree.MOST_BYTES:
            raise too_large(title, "unpacks to", member.file_size)
        if member.flag_bits & 1:
            raise ImageError(f"{title} in {self.path.name} is encrypted", accepted="archives without a password")
        try:
            with directory.archive.open(member) as stream:  # no more than it says is unpacked, whatever it holds
                data = stream.read(member.file_size)
        except (zipfile.BadZipFile, RuntimeError, OSError, EOFError, zlib.error) as error:
            self._directory()  # says so, where the archive was written over while it was read
            raise ImageError(f"{title} in {self.path.name} cannot be read: {error}") from error
        if len(data) != member.file_size:
            raise ImageError(f"{title} in {self.path.name} is cut: {len(data):,} of {member.file_size:,} bytes")
        return data, Stamp(member.file_size, member.CRC)

    def files(self) -> Listing:
        """Every member and folder, in the order in which a folder would list them.

        Names that lead out of the archive (``..``) are left out like hidden ones; a ``/`` in front counts for nothing.
        """
        names: list[str] = []
        folders: set[str] = set()
        known = self._directory()
        for member in (*known.members, *known.folders):
            if not member.startswith(self.inside):
                continue
            parts = member.removeprefix(self.inside).split("/")
            if any(map(is_hidden, parts)):
                continue
            is_folder = member in known.folders
            folders.update("/".join(parts[:end]) for end in range(1, len(parts) + is_folder))
            if not is_folder:
                names.append("/".join(parts))
        folders.discard("")
        return Listing(tuple(sorted(names, key=_by_level)), tuple(sorted(folders, key=_by_level)))

    def _directory(self) -> _Directory:
        now = _state(self.path)
        if self.state is not None and now != self.state:
            raise ChangedError(
                f"{self.path.name} is another file than when it was opened: it had {self.state.weight:,} bytes and has "
                f"{now.weight:,}, or was written anew",
                accepted="an archive that stays as it is while it is used",
                hint="begin again with the archive as it is now",
            )
        return _opened(self.path, now, os.getpid())


@dataclass(frozen=True, eq=False)
class _Directory:
    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    folders: frozenset[str]


def open_archive(path: Path) -> Archive:
    """The archive at ``path``, or the only folder in it where that wraps everything else.

    Raises:
        StriateError: It is no zip archive, or damaged.
    """
    archive = Archive(path, state=_state(path))
    listing = archive.files()
    if len(listing.top_folders) == 1 and not listing.top_files and any("/" in folder for folder in listing.folders):
        return Archive(path, f"{listing.top_folders[0]}/", archive.state)
    return archive


def _by_level(name: str) -> tuple[str, ...]:
    return tuple(name.split("/"))


def _state(path: Path) -> Stamp:
    try:
        state = path.stat()
    except OSError as error:
        raise StriateError(f"{path} cannot be read: {error.strerror}", accepted="a zip archive") from error
    return Stamp(state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _opened(path: Path, state: Stamp, process: int) -> _Directory:
    del state, process  # a handle that a worker process inherits shares its place in the file with its parent's
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise StriateError(f"{path} cannot be read: {error}", accepted="a zip archive") from error
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for member in archive.infolist():
        written = member.filename.replace("\\", "/")
        name = "/".join(part for part in written.split("/") if part and part != ".")
        if written.endswith("/"):
            folders.add(name)
        elif name:
            members[name] = member
    return _Directory(archive, members, frozenset(folders - {""}))
