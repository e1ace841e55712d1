"""Errands: what it takes to read some images, small enough to be sent to another process, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, read_image_bytes

from .tree import ChangedError, Stamp, Tree

UNKNOWN = (-1, -1)  # stamp of a file that nobody has looked at
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be read, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Done:
    """What came of an errand.

    Attributes:
        stamps: Stamp of each file as it was read; `UNKNOWN` of one that was not.
        broken: Number in the errand of each file that could not be read, and why.
    """

    stamps: list[tuple[int, int]]
    broken: list[tuple[int, ImageError]]


@runtime_checkable
class Lender(Protocol):
    """A store whose images can be read elsewhere; it need not go there itself, with all that it knows."""

    def errand(self, places: Tensor) -> Errand:
        """What to send."""

    def settle(self, places: Tensor, done: Done) -> Tensor:
        """What was learnt is kept; which of the images could be read, (n,) bool."""

    def left_out(self, places: Tensor) -> tuple[BrokenFile, ...]:
        """Files met so far that could not be read and are passed over."""


@dataclass(frozen=True)
class Errand:
    """Files to read.

    Attributes:
        tree: Where they lie.
        names: Paths under the tree.
        stamps: What they were like when they were looked at first; `UNKNOWN` where nobody has.
        lenient: Pass over what cannot be read, unless it is gone or changed since it was looked at.
        known: Numbers of files that are passed over without another look.
    """

    tree: Tree
    names: tuple[str, ...]
    stamps: list[tuple[int, int]]
    lenient: bool = False
    known: frozenset[int] = frozenset()

    def read(self, out: _Bytes, channels: int, geometry: Geometry | None, at: Callable[[int], None]) -> Done:
        """Fills ``out`` (n, channels, H, W); ``at`` is told the number of each file before it is opened.

        Raises:
            ImageError: A file cannot be read, or has another size than the others.
            ChangedError: A file is not the one that it was.
        """
        stamps, broken = list(self.stamps), []
        for number, name in enumerate(self.names):
            at(number)
            if number in self.known:
                broken.append((number, ImageError(f"{self.tree.name}/{name} was left out before")))
                continue
            try:
                image, stamps[number] = self.image(number, channels, geometry)
            except ImageError as error:
                hint = "put the file back, or load the data again"
                if self._was_so(number):
                    if self.lenient:
                        broken.append((number, error))
                        continue
                    hint = "skip_broken=True (--skip-broken) leaves out such files"
                raise ImageError(error.given, accepted=error.accepted, hint=hint) from error
            if image.shape[1:] != out.shape[2:]:
                own, others = (f"{shape[-1]}x{shape[-2]}" for shape in (image.shape, out.shape))
                raise StriateError(
                    f"{self.tree.name}/{name} has {own} pixels, the images looked at before {others}",
                    accepted="one size",
                    hint="give a size",
                )
            out[number] = image
        return Done(stamps, broken)

    def image(self, number: int, channels: int, geometry: Geometry | None) -> tuple[_Bytes, Stamp]:
        """One of them, (channels, H, W), and its stamp."""
        name, before = self.names[number], self.stamps[number]
        title = f"{self.tree.name}/{name}"
        data, stamp = self.tree.load(name)
        if before not in {UNKNOWN, stamp}:
            grown = f"it had {before[0]:,} bytes and has {stamp.weight:,}" if before[0] != stamp.weight else ""
            raise ChangedError(
                f"{title} was changed while it was in use: {grown or 'it was written anew'}",
                accepted="files that stay as they are while they are used",
                hint="put the file back, or load the data again",
            )
        return read_image_bytes(data, channels=channels, geometry=geometry, name=title), stamp

    def _was_so(self, number: int) -> bool:
        """Whether a file that cannot be read now is, as far as anybody knows, as it always was."""
        if self.stamps[number] == UNKNOWN:
            return True
        try:
            return self.tree.stamp(self.names[number]) == self.stamps[number]
        except ImageError:
            return False
