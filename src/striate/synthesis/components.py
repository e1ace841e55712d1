"""Principal components of rows of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError

_ZERO = 1e-6  # of the largest deviation: directions below carry nothing


def principal(rows: Tensor, k: int, *, at_most: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (D,), the first k orthonormal directions (k, D) and the standard deviations along them (k,), largest first.

    Computed in float64 from the products of the rows, so that many numbers cost no more than memory. Each direction has
    the sign that makes its largest entry positive.

    Args:
        rows: (N, D).
        k: How many.
        at_most: Give fewer where the rows span fewer.

    Raises:
        StriateError: ``k`` is below 1 or more than the rows span; they do not differ at all.
    """
    count = len(rows)
    most = min(count - 1, rows.shape[1])
    if not 1 <= k <= most:
        raise StriateError(f"k is {k}", accepted=f"1 to {most}: {count} rows of {rows.shape[1]} numbers")
    wide = rows.double()
    mean = wide.mean(0)
    centred = wide - mean
    squares, vectors = torch.linalg.eigh(centred @ centred.T)
    lengths = squares.flip(0).clamp_min(0).sqrt()
    span = int((lengths > _ZERO * lengths[0]).sum())
    if span == 0:
        raise StriateError(f"{count} equal rows", accepted="rows that differ")
    if k > span and not at_most:
        raise StriateError(f"k is {k}", accepted=f"at most {span}, all that these {count} rows span")
    k = min(k, span)
    directions = (vectors.flip(1)[:, :k].T @ centred) / lengths[:k, None]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * largest.sign()
    spreads = lengths[:k] / count**0.5
    return mean.to(rows), directions.to(rows), spreads.to(rows)
