"""Decoded images that are kept: the rows of a split fill up as they are read, whoever reads them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(eq=False)
class Kept:
    """Images of a split as uint8; memory is taken as rows come in, not before.

    Attributes:
        pixels: (N, C, H, W); None before the first row.
        there: (N,) bool: which rows it holds.
        full: Whether it holds all.
    """

    pixels: Tensor | None = None
    there: Tensor | None = None
    full: bool = False
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def whole(cls, pixels: Tensor) -> Kept:
        """One that holds all rows."""
        return cls(pixels, torch.ones(len(pixels), dtype=torch.bool), full=True)

    def missing(self, rows: Tensor) -> Tensor:
        """Those of these rows that it does not hold."""
        if self.full:
            return rows[:0]
        return rows if self.there is None else rows[~self.there[rows]]

    def put(self, rows: Tensor, pixels: Tensor, count: int) -> None:
        """Keeps these rows, of ``count`` in all."""
        with self._lock:
            if self.pixels is None or self.there is None:
                self.pixels = torch.empty((count, *pixels.shape[1:]), dtype=torch.uint8)
                self.there = torch.zeros(count, dtype=torch.bool)
            self.pixels[rows] = pixels
            self.there[rows] = True
            self.full = bool(self.there.all())

    def get(self, rows: Tensor) -> Tensor:
        """These rows, (n, C, H, W) uint8; all of them must be there."""
        assert self.pixels is not None
        return self.pixels[rows]
