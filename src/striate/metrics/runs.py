"""Masks as run lengths, the way COCO stores them: small, and compared without being unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.core.errors import StriateError

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RunLengths:
    """One mask: pixels in columns from the top left, as lengths of runs of 0, of 1, of 0 and so on.

    Attributes:
        size: Height and width.
        counts: Lengths of the runs; the first is of 0 and may be 0. They sum to height times width.

    >>> RunLengths.of(torch.tensor([[0, 1], [1, 1]])).counts
    (1, 3)

    Source: Lin et al. 2014, "Microsoft COCO"; the format is that of its authors' mask tools.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        total, pixels = sum(self.counts), self.size[0] * self.size[1]
        if total != pixels or min(self.counts, default=0) < 0:
            raise StriateError(
                f"runs sum to {total} in a mask of {self.size[0]} x {self.size[1]}",
                accepted=f"lengths of at least 0 that sum to {pixels}",
            )

    @classmethod
    def of(cls, mask: Tensor) -> RunLengths:
        """The runs of a mask (H, W): pixels that are not 0 belong to it."""
        if mask.dim() != 2:
            raise StriateError(f"a mask has shape {tuple(mask.shape)}", accepted="(H, W)")
        flat = (mask.detach().cpu() != 0).t().reshape(-1).numpy().astype(np.int8)
        turns = np.flatnonzero(np.diff(flat, prepend=np.int8(0))) if len(flat) else np.empty(0, dtype=np.int64)
        counts = np.diff(turns, prepend=0, append=len(flat))
        return cls((int(mask.shape[0]), int(mask.shape[1])), tuple(int(each) for each in counts))

    @classmethod
    def from_coco(cls, stored: Mapping[str, Any]) -> RunLengths:
        """The runs of ``{"size": [height, width], "counts": ...}``; counts are a list, or packed in a text or bytes."""
        counts = stored["counts"]
        if isinstance(counts, bytes):
            counts = counts.decode("ascii")
        height, width = stored["size"]
        lengths = _unpacked(counts) if isinstance(counts, str) else [int(each) for each in counts]
        return cls((int(height), int(width)), tuple(lengths))

    def to_coco(self) -> dict[str, Any]:
        """``{"size": [height, width], "counts": packed text}`` as COCO's tools read it."""
        return {"size": list(self.size), "counts": _packed(self.counts)}

    def mask(self) -> Tensor:
        """The pixels, shape (H, W) bool."""
        values = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(values, np.array(self.counts, dtype=np.int64))
        return torch.from_numpy(flat).view(self.size[1], self.size[0]).t().contiguous()

    @property
    def area(self) -> int:
        """How many pixels belong to the mask."""
        return sum(self.counts[1::2])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The smallest box around the mask: left, top, right, bottom; all 0 for an empty one."""
        if self.area == 0:
            return (0.0, 0.0, 0.0, 0.0)
        rows, columns = (self.mask().any(axis).nonzero() for axis in (1, 0))
        return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1

    @cached_property
    def _ramp(self) -> tuple[Whole, Whole]:
        """Places of pixels where runs end, and how many pixels of the mask lie before each."""
        lengths = np.array((0, *self.counts), dtype=np.int64)
        inside = np.where(np.arange(len(lengths)) % 2 == 0, lengths, 0)
        keep = np.concatenate([[True], lengths[1:] > 0])
        return lengths.cumsum()[keep], inside.cumsum()[keep]

    def overlap(self, other: RunLengths) -> int:
        """How many pixels belong to both."""
        if self.size != other.size:
            raise StriateError(f"masks of {self.size} and {other.size} are compared", accepted="one height and width")
        ends, mine = self._ramp
        places, theirs = other._ramp
        if len(places) < 2 or len(ends) < 2:
            return 0
        before = np.interp(ends, places, theirs)  # exact: whole numbers, slopes 0 and 1
        return int(np.diff(before)[np.diff(mine) > 0].sum())


def mask_iou(masks: Sequence[RunLengths], others: Sequence[RunLengths]) -> Tensor:
    """Intersection over union of each mask with each other, shape (n, m) float64; 0 where both are empty."""
    found = torch.zeros(len(masks), len(others), dtype=torch.float64)
    for row, mask in enumerate(masks):
        for column, other in enumerate(others):
            inside = mask.overlap(other)
            if inside:
                found[row, column] = inside / (mask.area + other.area - inside)
    return found


def _packed(counts: Sequence[int]) -> str:
    """Five bits a character, low ones first, the sixth for more; from the fourth on, the change since two before."""
    text = []
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + 32 * more))
    return "".join(text)


def _unpacked(text: str) -> list[int]:
    counts: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            if place == len(text):
                raise StriateError("packed run lengths end within a number", accepted="the whole text of counts")
            bits = ord(text[place]) - 48
            if not 0 <= bits < 64:
                raise StriateError(f"packed run lengths hold {text[place]!r}", accepted="characters '0' to 'o'")
            value |= (bits & 31) << shift
            more, shift, place = bool(bits & 32), shift + 5, place + 1
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts
