"""Masks as run lengths and as polygons, with exactly the pixels that COCO's own reader gives them.

Runs are counted down the columns, from the left, and begin with a run of background. Both written forms are read: a
list of counts and COCO's string (six bits a letter, differences to the count before the last).

Source: the COCO API, ``common/maskApi.c`` (Dollar & Lin 2014-2015), described with the data set in Lin et al. 2014. We
differ where it is silent: counts that do not fill the image, letters outside its alphabet and polygons that are no
polygons are refused, not read as something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.core.errors import StriateError

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_FIRST, _LAST = 48, 111  # letters of the string, "0" to "o"
_FINE = 5  # boundary points to a pixel's side, as the COCO API has it
_MOST_POINTS = 1 << 24  # along one boundary: coordinates far outside any image would fill the memory
_MOST_RUN = 1 << 53
_MOST_LETTERS = 7  # of one count: 35 bits


@dataclass(frozen=True, eq=False)
class Runs:
    """A mask of (height, width) pixels as ``counts``: background and object in turn, down the columns.

    >>> runs = encode(np.array([[False, True], [False, True]]))
    >>> runs.counts.tolist(), runs.text(), decode(runs).sum().item()
    ([2, 2], '22', 2)
    """

    height: int
    width: int
    counts: Counts

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pixels."""
        if not isinstance(other, Runs):
            return NotImplemented
        return (self.height, self.width) == (other.height, other.width) and np.array_equal(
            encode(decode(self)).counts, encode(decode(other)).counts
        )

    def __hash__(self) -> int:
        return hash((self.height, self.width, self.area))

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(self.counts[1::2].sum())

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom edge of its pixels; None where it has none."""
        ends = np.cumsum(self.counts)
        starts, ends = (ends - self.counts)[1::2], ends[1::2]
        some = ends > starts
        if not some.any():
            return None
        starts, last = starts[some], ends[some] - 1
        left, right = int(starts[0]) // self.height, int(last[-1]) // self.height
        over = starts // self.height != last // self.height  # such a run touches the foot of one column, the next's top
        top = 0 if over.any() else int((starts % self.height).min())
        bottom = self.height - 1 if over.any() else int((last % self.height).max())
        return left, top, right + 1, bottom + 1

    def text(self) -> str:
        """The counts as COCO's string."""
        values = self.counts.copy()
        values[3:] -= self.counts[1:-2]
        letters: list[npt.NDArray[np.uint8]] = []
        left, more = values, np.ones(len(values), dtype=bool)
        while more.any():
            low = left & 0x1F
            left = left >> 5
            done = np.where(low & 0x10, left == -1, left == 0)
            letters.append(np.where(more, _FIRST + (low | np.where(done, 0, 0x20)), 0).astype(np.uint8))
            more = more & ~done
        table = np.stack(letters, axis=1) if letters else np.zeros((0, 1), dtype=np.uint8)
        return table[table > 0].tobytes().decode("ascii")


def encode(mask: npt.NDArray[Any]) -> Runs:
    """The runs of a mask (H, W); whatever is not 0 belongs to the object. No run but the first is empty."""
    if mask.ndim != 2 or not mask.size:
        raise StriateError(f"a mask of shape {mask.shape}", accepted="(H, W) with pixels")
    flat = (mask != 0).T.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0, 0] if flat[0] else [0], edges, [flat.size]])
    return Runs(mask.shape[0], mask.shape[1], np.diff(bounds).astype(np.int64))


def decode(runs: Runs) -> Mask:
    """The mask (H, W) of these runs."""
    values = np.zeros(len(runs.counts), dtype=bool)
    values[1::2] = True
    return np.repeat(values, runs.counts).reshape(runs.width, runs.height).T


def read_runs(counts: str | bytes | Sequence[int] | Counts, size: tuple[int, int], *, name: str = "a mask") -> Runs:
    """Runs from a list of counts or COCO's string, for a mask of this (height, width).

    Raises:
        StriateError: A letter outside the alphabet, a string that ends within a number, a negative count, or counts
            that do not fill the mask; ``name`` says whose they are.
    """
    height, width = size
    if height < 1 or width < 1 or height * width >= 1 << 31:
        raise StriateError(f"{name} is {width}x{height} pixels", accepted="at least 1x1, below 2**31 pixels")
    values = _from_text(counts, name) if isinstance(counts, (str, bytes)) else _from_list(counts, name)
    if (values < 0).any():
        raise StriateError(f"{name} has a run of {int(values.min())} pixels", accepted="runs of at least 0")
    total = int(values.sum()) if not (values > height * width).any() else int(values.max())
    if total != height * width:
        raise StriateError(
            f"the runs of {name} cover {total:,} pixels", accepted=f"{height * width:,} ({width}x{height})"
        )
    return Runs(height, width, values)


def fill(polygons: Sequence[npt.ArrayLike], size: tuple[int, int], *, name: str = "a mask") -> Mask:
    """The pixels (H, W) inside any of these polygons, each a flat x, y, x, y, ...; an empty list gives an empty mask.

    A boundary is drawn with five points to the pixel and its crossings with the centres of columns are what a mask
    begins and ends at, so that a pixel on the boundary goes as the COCO API has it, not as plane geometry would.

    Raises:
        StriateError: A polygon has less than two points, half a point, or coordinates that are not finite or far away.
    """
    height, width = size
    out = np.zeros((height, width), dtype=bool)
    for polygon in polygons:
        out |= decode(_outline(polygon_of(polygon, name=name), height, width))
    return out


def box_runs(box: tuple[float, float, float, float], size: tuple[int, int]) -> Runs:
    """The runs of a box, given by its left, top, right and bottom edge, as the COCO API fills it."""
    left, top, right, bottom = box
    corners = np.array([left, top, left, bottom, right, bottom, right, top], dtype=np.float64)
    return _outline(polygon_of(corners, name="a box"), *size)


def _from_text(text: str | bytes, name: str) -> Counts:
    letters = np.frombuffer(text.encode("utf-8", "replace") if isinstance(text, str) else text, dtype=np.uint8)
    letters = letters.astype(np.int64)
    wrong = (letters < _FIRST) | (letters > _LAST)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise StriateError(
            f"the runs of {name} hold the byte {int(letters[place])} at place {place}", accepted="letters from 0 to o"
        )
    codes = letters - _FIRST
    ends = np.flatnonzero((codes & 0x20) == 0)
    if len(codes) and (not len(ends) or ends[-1] != len(codes) - 1):
        raise StriateError(f"the runs of {name} end within a number", accepted="the whole string")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else np.zeros(0, dtype=np.int64)
    lengths = ends - starts + 1
    if len(lengths) and int(lengths.max()) > _MOST_LETTERS:
        raise StriateError(
            f"the runs of {name} hold a number of {int(lengths.max())} letters", accepted=f"{_MOST_LETTERS}"
        )
    if not len(starts):
        return np.zeros(0, dtype=np.int64)
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    values: Counts = np.add.reduceat((codes & 0x1F) << shifts, starts)
    values -= np.where(codes[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _from_list(counts: Sequence[int] | Counts, name: str) -> Counts:
    try:
        values = np.asarray(counts)
    except ValueError:
        values = np.asarray("uneven")
    whole = values.dtype.kind in "iuf" and values.ndim == 1 and bool((values == np.floor(values)).all())
    if not whole or bool((abs(values) >= _MOST_RUN).any()):
        raise StriateError(f"the runs of {name} are not a list of whole numbers", accepted="counts of pixels")
    return values.astype(np.int64)


def polygon_of(polygon: npt.ArrayLike, *, name: str = "a mask") -> npt.NDArray[np.float64]:
    """A polygon as a flat array x, y, x, y, ..., checked; raises `StriateError` as `fill` does."""
    try:
        points = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StriateError(f"a polygon of {name} is not a list of numbers", accepted="x, y, x, y, ...") from error
    if points.ndim != 1 or len(points) < 4 or len(points) % 2:
        raise StriateError(
            f"a polygon of {name} has {points.size} numbers", accepted="an even number of them, x, y, x, y, ..."
        )
    if not np.isfinite(points).all() or float(abs(points).max()) > _MOST_POINTS / _FINE:
        raise StriateError(f"a polygon of {name} has coordinates that are not finite, or far outside every image")
    return points


def _outline(points: npt.NDArray[np.float64], height: int, width: int) -> Runs:
    """The runs within one closed outline: the pixels whose crossings with it, counted down the columns, are odd."""
    scaled = np.trunc(_FINE * points + 0.5).astype(np.int64).reshape(-1, 2)
    u, v = _dense(scaled)
    crossing = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = np.minimum(u[crossing], u[crossing - 1])
    inside = (column >= 0) & (column % _FINE == _FINE // 2) & (column // _FINE <= width - 1)
    row = np.minimum(v[crossing], v[crossing - 1])[inside]
    row = np.ceil(np.clip((row + 0.5) / _FINE - 0.5, 0, height)).astype(np.int64)
    places, times = np.unique(column[inside] // _FINE * height + row, return_counts=True)
    flips = places[(times % 2 == 1) & (places < height * width)]
    return Runs(height, width, np.diff(np.concatenate([[0], flips, [height * width]])))


def _dense(corners: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Points along every edge, in order, each edge drawn from its lower end so that both directions give the same."""
    start, end = corners, np.roll(corners, -1, axis=0)
    across, down = abs(end - start).T
    flat = across >= down
    turned = np.where(flat, start[:, 0] > end[:, 0], start[:, 1] > end[:, 1])
    low, high = np.where(turned[:, None], end, start), np.where(turned[:, None], start, end)
    rise = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    long = np.where(flat, across, down)
    slope = rise / np.maximum(long, 1)
    counts = long + 1
    total = int(counts.sum())
    if total > _MOST_POINTS:
        raise StriateError(
            f"a polygon whose boundary is {total / _FINE:,.0f} pixels long", accepted="one within an image"
        )
    edge = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.where(turned[edge], long[edge] - step, step)
    along = step + np.where(flat, low[:, 0], low[:, 1])[edge]
    aside = np.trunc(np.where(flat, low[:, 1], low[:, 0])[edge] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], along, aside), np.where(flat[edge], aside, along)
