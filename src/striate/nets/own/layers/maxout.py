"""Maxout: the larger of several linear pieces."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """The largest of ``pieces`` neighbouring channels: (N, pC, H, W) gives (N, C, H, W), (..., pF) gives (..., F).

    Piece k of unit c comes from channel ``c p + k``, so that the groups of a grouped convolution stay apart.

    Source: Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, section 3: h_i = max_j z_ij.
    """

    def __init__(self, pieces: int = 2) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """The units."""
        axis = 1 if x.dim() == 4 else x.dim() - 1
        shape = x.shape
        parted = x.reshape(*shape[:axis], shape[axis] // self.pieces, self.pieces, *shape[axis + 1 :])
        return parted.amax(axis + 1)

    def extra_repr(self) -> str:
        """Pieces."""
        return f"pieces={self.pieces}"
