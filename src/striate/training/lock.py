"""One run at a time in a run folder: a lock that the operating system lets go when its holder dies."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from striate.core.errors import RunError

NAME = ".lock"
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_held: set[Path] = set()  # the system's lock keeps other processes out, not another thread of this one


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, nobody else can train in the same folder; a ``kill -9`` leaves nothing that would block the next run.

    Raises:
        RunError: Another process holds the folder (its number is in the message), or it cannot be locked.
    """
    place = folder.resolve()
    if place in _held:
        raise _taken(folder, str(os.getpid()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise RunError(f"cannot write into {folder}: {error.strerror or error}", hint="give another --out") from error
    _held.add(place)
    try:
        _take(folder, handle)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        _held.discard(place)
        os.close(handle)


def _take(folder: Path, handle: int) -> None:
    try:
        _lock(handle)
    except OSError as error:
        if error.errno in _TAKEN:
            raise _taken(folder, os.read(handle, 32).decode(errors="replace").strip()) from error
        raise RunError(
            f"cannot lock {folder}: {error.strerror or error}", hint="give an --out on a file system that can lock"
        ) from error


def _taken(folder: Path, holder: str) -> RunError:
    return RunError(
        f"process {holder or 'unknown'} is training in {folder}", hint="wait for it to end, or give another --out"
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        # a byte far behind the content, so that others can still read the number in it
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        # a record lock: unlike flock's it is not handed on to forked workers, which may outlive a killed run
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
