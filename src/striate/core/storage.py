"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .errors import StriateError


def write_bytes(path: Path, data: bytes) -> Path:
    """Write ``data`` so that a kill at any moment leaves the old file or the new one, never a part; gives the path.

    Raises:
        StriateError: The disk is full, or the place cannot be written to; the old file is untouched.
    """
    return write_with(path, lambda stream: _all(stream, data))


def write_text(path: Path, text: str) -> Path:
    """Write ``text`` as UTF-8, whole or not at all; gives the path."""
    # a file name that is not UTF-8 reaches us as lone surrogates; written as escapes, JSON reads them back as they were
    return write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_with(path: Path, fill: Callable[[IO[bytes]], None]) -> Path:
    """Let ``fill`` write into a temporary file beside ``path``, then move it there; gives the path.

    A device or a pipe (``/dev/null``) is written into: a file in its place would be the end of it.
    """
    if _is_device(path):
        try:
            with path.open("wb") as stream:
                fill(stream)
        except OSError as error:
            raise _failure(path, error) from error
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _failure(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _failure(path, error) from error
        raise
    return path


def check_place(path: Path) -> None:
    """Before long work: whether a file can be written at ``path``, its folders made where they are missing.

    Raises:
        StriateError: It is a folder, or what stands above it is no folder or cannot be written to.
    """
    above = next(each for each in path.absolute().parents if each.exists())
    why = "it is a folder" if path.is_dir() else "" if above.is_dir() else f"{above} is a file"
    if not why and not os.access(above, os.W_OK):
        why = f"{above} may not be written to"
    if why:
        raise StriateError(f"cannot write {path}: {why}", hint="write to another place")


def _is_device(path: Path) -> bool:
    """Whether a device, a pipe or a socket stands there; a name that cannot be looked up is none."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _all(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _failure(path: Path, error: OSError) -> StriateError:
    closed = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS}
    hint = "write to another place" if closed else "free some space, or write to another place"
    return StriateError(f"cannot write {path}: {error.strerror or error}", hint=hint)
