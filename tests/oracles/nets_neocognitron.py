"""S- and C-cells by loops over cells, from the equations of Fukushima 1980."""

from __future__ import annotations

import math
from collections.abc import Sequence

Planes = Sequence[Sequence[Sequence[float]]]  # plane, row, column


def _at(planes: Planes, k: int, y: int, x: int) -> float:
    inside = 0 <= y < len(planes[k]) and 0 <= x < len(planes[k][0])
    return planes[k][y][x] if inside else 0.0


def s_cell(u: Planes, a: Planes, c: Planes, *, b: float, r: float, at: tuple[int, int]) -> float:
    """One S-cell whose area of 5 x 5 is centred at ``at``; a and c are (planes, 5, 5)."""
    excited = energy = 0.0
    for k in range(len(u)):
        for i in range(5):
            for j in range(5):
                value = _at(u, k, at[0] + i - 2, at[1] + j - 2)
                excited += a[k][i][j] * value
                energy += c[k][i][j] * value**2
    v = math.sqrt(energy + 1e-12)
    return r * max(0.0, (1 + excited) / (1 + 2 * r / (1 + r) * b * v) - 1)


def c_cell(u: Planes, k: int, side: int, factor: float, at: tuple[int, int]) -> float:
    """One C-cell of plane ``k`` whose area of ``side`` is centred at ``at``."""
    half, sums = side // 2, []
    for plane in range(len(u)):
        total = 0.0
        for i in range(-half, half + 1):
            for j in range(-half, half + 1):
                total += factor ** math.hypot(i, j) * _at(u, plane, at[0] + i, at[1] + j)
        sums.append(total)
    raised = max(0.0, (1 + sums[k]) / (1 + sum(sums) / len(sums)) - 1)
    return raised / (0.5 + raised)
