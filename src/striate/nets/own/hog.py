"""Histograms of oriented gradients as a net, with a linear layer on top: gradients reach the pixels."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.nets.site import Pair

from .blueprint import Blueprint, within

Norm = Literal["L1", "L1-sqrt", "L2", "L2-Hys"]
_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
_EPSILON = 1e-5
_CUT = 0.2  # where L2-Hys cuts


class HOG(nn.Module):
    """Histograms of oriented gradients (N, F) of images (N, C, H, W), block after block.

    Central differences (0 at the edges), of the channel where they are largest; unsigned orientations in bins of equal
    width, weighed by the length and averaged over cells; blocks of neighbouring cells, one a cell, brought to one
    norm. The bins are hard: the gradient by the pixels goes through the lengths, and is 0 where these are.

    Args:
        cell: Pixels of a side of a cell; pixels beyond the last whole cell count only in differences.
        block: Cells of a side of a block.
        bins: Orientations.
        norm: Of a block v: ``v / (|v|_1 + e)``, its root, ``v / sqrt(|v|_2^2 + e^2)``, or that cut at .2 and again.

    Source: Dalal & Triggs 2005, section 6; without their interpolation between bins and cells, as scikit-image's
    ``feature.hog``, whose features these are, with its e of 1e-5. (Where a difference is 0 but for rounding from below,
    that one counts the pixel nowhere; here it is in the last bin.)
    """

    def __init__(self, cell: int = 8, block: int = 2, bins: int = 9, norm: Norm = "L2-Hys") -> None:
        super().__init__()
        if min(cell, block, bins) < 1:
            raise StriateError(f"cell {cell}, block {block}, bins {bins}", accepted="at least 1 each")
        if norm not in _NORMS:
            raise StriateError(f"norm of blocks is {norm!r}", accepted=", ".join(_NORMS))
        self.cell, self.block, self.bins, self.norm = cell, block, bins, norm

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        cells = self.histograms(images)
        if min(cells.shape[-2:]) < self.block:
            height, width = images.shape[-2:]
            least = self.cell * self.block
            raise StriateError(f"images of {height} x {width}", accepted=f"at least {least} x {least}: one block")
        blocks = cells.unfold(2, self.block, 1).unfold(3, self.block, 1).permute(0, 2, 3, 4, 5, 1)
        return self._normalised(blocks.flatten(3)).flatten(1)

    def histograms(self, images: Tensor) -> Tensor:
        """Mean length of the gradients of each orientation in each cell, (N, bins, rows, columns)."""
        down, across = torch.zeros_like(images), torch.zeros_like(images)
        down[:, :, 1:-1] = images[:, :, 2:] - images[:, :, :-2]
        across[..., 1:-1] = images[..., 2:] - images[..., :-2]
        square = down.square() + across.square()
        if images.shape[1] > 1:
            channel = torch.hypot(down, across).detach().argmax(1, keepdim=True)
            down, across, square = (each.gather(1, channel) for each in (down, across, square))
        length = torch.where(square > 0, square, 1.0).sqrt() * (square > 0)
        with torch.no_grad():
            turns = torch.atan2(down, across) * (self.bins / math.pi)
            number = turns.floor().remainder(self.bins).long()
        layers = torch.zeros(len(images), self.bins, *images.shape[2:], dtype=images.dtype, device=images.device)
        return F.avg_pool2d(layers.scatter(1, number, length), self.cell)

    def _normalised(self, blocks: Tensor) -> Tensor:
        if self.norm in {"L1", "L1-sqrt"}:
            shares = blocks / (blocks.abs().sum(-1, keepdim=True) + _EPSILON)
            # a root has no slope at 0: there it is 0, and so is its gradient
            return shares if self.norm == "L1" else torch.where(shares > 0, shares, 1.0).sqrt() * (shares > 0)
        unit = blocks / (blocks.square().sum(-1, keepdim=True) + _EPSILON**2).sqrt()
        if self.norm == "L2":
            return unit
        cut = unit.clamp(max=_CUT)
        return cut / (cut.square().sum(-1, keepdim=True) + _EPSILON**2).sqrt()


def hog(classes: int, channels: int, size: Pair) -> Blueprint:
    """HOG of 8-pixel cells in blocks of 2 x 2, and a linear layer: the head of a linear support vector machine.

    Source: Dalal & Triggs 2005. `striate.nets.own.svm.with_svm` fits the head as a support vector machine.
    """
    del channels
    within("hog", size, 16)
    features = HOG()
    rows, columns = (side // features.cell - features.block + 1 for side in size)
    width = rows * columns * features.block**2 * features.bins
    return Blueprint(nn.Sequential(OrderedDict(hog=features, linear=nn.Linear(width, classes))), least_size=16)
