"""Files that are written whole or not at all."""

from __future__ import annotations

import os
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
    """Let ``fill`` write into a temporary file beside ``path``, then move it there; gives the path."""
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


def _all(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _failure(path: Path, error: OSError) -> StriateError:
    return StriateError(
        f"cannot write {path}: {error.strerror or error}", hint="free some space, or give another --out"
    )
