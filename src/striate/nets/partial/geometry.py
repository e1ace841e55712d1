"""Where a changed rectangle lies in each map, and how the tiles of many positions are cut out and put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.nets.site import Window

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Extent:
    """What changes along one axis, position by position: from ``low`` to before ``high``; tiles of one ``size``.

    A tile begins at ``start``, inside the map of ``length``, and holds all that changes.
    """

    low: Ints
    high: Ints
    length: int

    @property
    def size(self) -> int:
        """Length of a tile: that of the longest change."""
        return int((self.high - self.low).max())

    @property
    def start(self) -> Ints:
        """Where each tile begins."""
        return np.clip(self.low, 0, self.length - self.size)


Rect = tuple[Extent, Extent]


def slid(extent: Extent, window: Window, axis: int, length: int) -> Extent:
    """What changes behind a window along one axis (0 rows, 1 columns)."""
    kernel, stride, dilation = window.kernel[axis], window.stride[axis], window.dilation[axis]
    before = window.padding[axis][0]
    low = -(((kernel - 1) * dilation - before - extent.low) // stride)  # rounded up
    high = (extent.high - 1 + before) // stride + 1
    return bounded(low, high, length)


def bounded(low: Ints, high: Ints, length: int) -> Extent:
    """Inside the map; where nothing changes, one unit all the same."""
    low = np.clip(low, 0, length - 1)
    return Extent(low, np.maximum(np.minimum(high, length), low + 1), length)


def union(extents: Sequence[Extent]) -> Extent:
    """What changes where any does."""
    low = np.minimum.reduce([each.low for each in extents])
    high = np.maximum.reduce([each.high for each in extents])
    return Extent(low, high, extents[0].length)


def same(one: Rect, other: Rect) -> bool:
    """Whether the tiles lie alike."""
    return all(a.size == b.size and np.array_equal(a.start, b.start) for a, b in zip(one, other, strict=True))


Paste = tuple[slice, slice, slice, slice, slice]  # positions, rows and columns to, rows and columns from


@dataclass(frozen=True)
class Cut:
    """How windows are cut: places of their units among the units of the unchanged map, then what is pasted.

    Attributes:
        index: Place of each unit, row by row, position by position.
        form: (positions, rows, columns).
        pastes: Where tiles go.
    """

    index: Tensor
    form: tuple[int, int, int]
    pastes: tuple[Paste, ...]

    def __call__(self, rows: Tensor, tile: Tensor | None) -> Tensor:
        """Windows (B, h, w, C): from units ``rows`` (H W + 2, C), with ``tile`` (B, h', w', C') in place."""
        made = rows.index_select(0, self.index.to(rows.device)).view(*self.form, -1)
        if tile is not None:
            self.paste(made, tile)
        return made

    def paste(self, made: Tensor, tile: Tensor) -> None:
        """Sets what the tiles hold."""
        for which, down, along, rows, columns in self.pastes:
            made[which, down, along] = tile[which, rows, columns]


def cut(
    begins: tuple[Ints, Ints],
    sizes: tuple[int, int],
    lengths: tuple[int, int],
    *,
    tile: Rect | None,
    steps: tuple[int, int] = (1, 1),
    outside: int = 0,
) -> Cut:
    """The cut of windows that begin at ``begins``, of ``sizes`` units, ``steps`` apart; tiles lie at ``tile``.

    Units outside the map are the one behind it (zero), or with ``outside=1`` the one behind that (minus infinity).
    """
    places, inside = [], []
    for begin, size, length, step in zip(begins, sizes, lengths, steps, strict=True):
        place = begin[:, None] + step * np.arange(size)
        places.append(place)
        inside.append((place >= 0) & (place < length))
    index = places[0][:, :, None] * lengths[1] + places[1][:, None, :]
    beyond = lengths[0] * lengths[1] + outside
    index = np.where(inside[0][:, :, None] & inside[1][:, None, :], index, beyond)
    pastes = () if tile is None else _pastes(begins, sizes, tile, steps)
    return Cut(torch.from_numpy(index.reshape(-1)), (len(index), *sizes), pastes)


def _pastes(begins: tuple[Ints, Ints], sizes: tuple[int, int], tile: Rect, steps: tuple[int, int]) -> tuple[Paste, ...]:
    pairs = [_slices(*each) for each in zip(begins, sizes, tile, steps, strict=True)]
    found: list[Paste] = []
    at, count = 0, len(begins[0])
    while at < count:
        end = at + 1
        while end < count and all(keys[end] == keys[at] for _, keys in pairs):
            end += 1
        (rows, _), (columns, _) = pairs
        down, along = rows[at], columns[at]
        if down is not None and along is not None:
            found.append((slice(at, end), down[0], along[0], down[1], along[1]))
        at = end
    return tuple(found)


def _slices(begin: Ints, size: int, tile: Extent, step: int) -> tuple[list[tuple[slice, slice] | None], list[int]]:
    """For each position which units of its window come from which of its tile; positions of one key are alike."""
    gaps = (tile.start - begin).tolist()
    known: dict[int, tuple[slice, slice] | None] = {}
    for gap in set(gaps):
        first = max(0, -(-gap // step))  # the first unit of the window in the tile
        last = min(size, -(-(gap + tile.size) // step))
        source = first * step - gap
        known[gap] = None
        if last > first:
            known[gap] = (slice(first, last), slice(source, source + (last - first - 1) * step + 1, step))
    return [known[gap] for gap in gaps], gaps
