"""Names of very many files in little memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor

_AT_ONCE = 4096  # names worked on at a time: numbers and texts of all at once would take more than the names


class Paths(Sequence[str]):
    """Names end to end in one piece of memory: 8 bytes a name more than its letters, where a tuple of str takes 57.

    >>> Paths(["cat/1.png", "dog/1.png"])[1]
    'dog/1.png'
    """

    __slots__ = ("_ends", "_letters")

    def __init__(self, names: Iterable[str]) -> None:
        kept = names if isinstance(names, (tuple, list)) else tuple(names)
        letters = _encoded("".join(kept))
        lengths = np.fromiter(map(len, kept), np.int64, len(kept))
        if int(lengths.sum()) != len(letters):  # somewhere a letter takes more than one byte
            lengths = np.fromiter((len(_encoded(name)) for name in kept), np.int64, len(kept))
        self._letters, self._ends = letters, lengths.cumsum()

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return tuple(self.some(range(*place.indices(len(self)))))
        return self.some([place])[0]

    def some(self, places: Sequence[int]) -> list[str]:
        """The names at these places; faster than one by one.

        Raises:
            IndexError: One is not there.
        """
        at = np.asarray(places, np.int64)
        at = np.where(at < 0, at + len(self), at)
        if len(at) and not 0 <= at.min() <= at.max() < len(self):
            raise IndexError(f"no name at {at.min() if at.min() < 0 else at.max()} of {len(self)}")
        starts, ends = np.where(at > 0, self._ends[at - 1], 0).tolist(), self._ends[at].tolist()
        letters = self._letters
        return [letters[start:end].decode("utf-8", "surrogateescape") for start, end in zip(starts, ends, strict=True)]

    def __iter__(self) -> Iterator[str]:
        return (each.decode("utf-8", "surrogateescape") for each in self._all())

    def ids(self) -> Tensor:
        """A number for each name that hangs on the name alone: 63 bits of its blake2b."""
        out, names = np.empty(len(self), dtype=np.int64), self._all()
        for start in range(0, len(self), _AT_ONCE):
            some = itertools.islice(names, _AT_ONCE)
            digests = b"".join([hashlib.blake2b(each, digest_size=8).digest() for each in some])
            out[start : start + _AT_ONCE] = np.frombuffer(digests, "<u8") >> 1
        return torch.from_numpy(out)

    def _all(self) -> Iterator[bytes]:
        start, letters = 0, self._letters
        for first in range(0, len(self._ends), _AT_ONCE):
            for end in self._ends[first : first + _AT_ONCE].tolist():
                yield letters[start:end]
                start = end


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # a name that is no text is a name all the same
