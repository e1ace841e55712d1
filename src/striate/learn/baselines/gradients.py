"""Histograms of oriented gradients, with cells that fit the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import Step, idle
from striate.nets.own.hog import HOG

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

CELLS = 8  # about so many along the short side


@dataclass(frozen=True)
class Gradients:
    """`striate.nets.own.hog.HOG` of images of one size."""

    module: HOG
    width: int
    said: str

    def __call__(self, images: Tensor) -> Tensor:
        """The features (N, width)."""
        with torch.no_grad():
            found: Tensor = self.module(images.float())
        return found


def gradients(train: Dataset, *, seed: int, memory: int, step: Step = idle) -> Gradients:
    """HOG of about eight cells along the short side (cells of 4 pixels at 28 and 32), blocks of 2 x 2, 9 orientations.

    Source: Dalal & Triggs 2005; their cells have 8 pixels, for people of 128 x 64.
    """
    del seed, memory, step
    height, width = train.size or (0, 0)
    if min(height, width) < 8:
        raise StriateError(f"images of {height} x {width} for hog", accepted="at least 8 x 8", hint="other --features")
    cell = max(2, round(min(height, width) / CELLS))
    module = HOG(cell=cell)
    rows, columns = (side // cell - module.block + 1 for side in (height, width))
    count = rows * columns * module.block**2 * module.bins
    return Gradients(module, count, f"cells of {cell} px, blocks of 2 x 2, {module.bins} orientations")
