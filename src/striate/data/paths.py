"""Names of very many files in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor


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
            return tuple(self[each] for each in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._bytes(place % len(self)).decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (each.decode("utf-8", "surrogateescape") for each in self._all())

    def ids(self) -> Tensor:
        """A number for each name that hangs on the name alone: 63 bits of its blake2b."""
        digests = b"".join(hashlib.blake2b(each, digest_size=8).digest() for each in self._all())
        return torch.from_numpy((np.frombuffer(digests, "<u8") >> 1).astype(np.int64))

    def _bytes(self, place: int) -> bytes:
        start = int(self._ends[place - 1]) if place else 0
        return self._letters[start : int(self._ends[place])]

    def _all(self) -> Iterator[bytes]:
        start, letters = 0, self._letters
        for first in range(0, len(self._ends), 4096):  # the ends as a list all at once would take more than the names
            for end in self._ends[first : first + 4096].tolist():
                yield letters[start:end]
                start = end


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # a name that is no text is a name all the same
