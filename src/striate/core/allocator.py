"""Memory that the C library keeps while the same sizes are asked for again and again."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's mallopt
_KEPT = 1 << 30  # bytes: larger blocks are mapped one by one, and more than that at the top is given back
_USUAL = 32 << 20  # where glibc's own moving threshold for mapping ends; it gives back twice that
_LOCK = threading.Lock()
_INSIDE = 0


@contextmanager
def memory_kept() -> Iterator[None]:
    """Inside, freed memory stays with the process; afterwards it is given back.

    A net's pass frees and takes the same few megabytes over and over. glibc by default returns them to the system each
    time, which hands them out again page by page, zeroed: a third of the CPU time of a small net's forward pass. Blocks
    may be nested, and several threads may be inside. Elsewhere than on glibc nothing happens.
    """
    global _INSIDE  # noqa: PLW0603  the allocator is the process's
    library = _glibc()
    if library is None:
        yield
        return
    with _LOCK:
        _INSIDE += 1
        if _INSIDE == 1:
            library.mallopt(_MMAP, _KEPT)
            library.mallopt(_TRIM, _KEPT)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE -= 1
            if _INSIDE == 0:
                library.mallopt(_MMAP, _USUAL)
                library.mallopt(_TRIM, 2 * _USUAL)
                library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    there = all(hasattr(library, name) for name in ("mallopt", "malloc_trim", "gnu_get_libc_version"))
    return library if there else None
