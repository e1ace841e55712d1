"""What comes next is made ready while the present is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

T = TypeVar("T")
DEPTH = 2  # items made ready and waiting
_WAIT = 0.1  # seconds after which a waiting thread looks whether it is still wanted


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_DONE = object()


@contextmanager
def ahead(items: Iterable[T], *, inline: bool = False) -> Iterator[Iterator[T]]:
    """The same items in the same order, made by a thread two ahead; ``inline`` makes them where they are asked for.

    An exception of the maker comes out where its item would have. Leaving the block ends the thread.
    """
    if inline:
        yield iter(items)
        return
    ready: queue.Queue[object] = queue.Queue(maxsize=DEPTH)
    left = threading.Event()

    def put(item: object) -> bool:
        while not left.is_set():
            try:
                ready.put(item, timeout=_WAIT)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # handed over whole: the caller decides
            put(_Failed(error))
        else:
            put(_DONE)

    thread = threading.Thread(target=make, name="striate-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(ready)
    finally:
        left.set()
        thread.join()


def _taken(ready: queue.Queue[object]) -> Iterator[T]:
    while (item := ready.get()) is not _DONE:
        if isinstance(item, _Failed):
            raise item.error
        yield cast("T", item)
