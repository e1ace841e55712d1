"""How many images may pass at once, said once for everything inside a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MOST: ContextVar[int | None] = ContextVar("most images a pass", default=None)


@contextmanager
def at_most(images: int | None) -> Iterator[None]:
    """Inside, no chunk that `Net.batch_size` sizes holds more than so many images; None bounds nothing.

    >>> with at_most(3):
    ...     capped(100)
    3
    """
    token = _MOST.set(images)
    try:
        yield
    finally:
        _MOST.reset(token)


def capped(count: int) -> int:
    """``count``, or the bound that is in force where that is smaller."""
    most = _MOST.get()
    return count if most is None else min(count, most)
