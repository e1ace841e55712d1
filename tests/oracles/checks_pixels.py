"""Brightness, contrast, colourfulness and blur from the papers, slow, in double precision; nothing of ours is used."""

from __future__ import annotations

import math

Plane = list[list[float]]


def luma(red: Plane, green: Plane, blue: Plane) -> Plane:
    """ITU-R BT.601."""
    rows, columns = range(len(red)), range(len(red[0]))
    return [[0.299 * red[y][x] + 0.587 * green[y][x] + 0.114 * blue[y][x] for x in columns] for y in rows]


def mean_and_deviation(plane: Plane) -> tuple[float, float]:
    """Mean and population deviation over all pixels: brightness, and contrast by Peli 1990, eq. 5."""
    flat = [value for row in plane for value in row]
    mean = math.fsum(flat) / len(flat)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in flat) / len(flat))


def colourfulness(red: Plane, green: Plane, blue: Plane) -> float:
    """Hasler and Suesstrunk 2003, eqs. 2 to 4, values to 255."""
    rows, columns = range(len(red)), range(len(red[0]))
    first = [[255 * (red[y][x] - green[y][x]) for x in columns] for y in rows]
    second = [[255 * (0.5 * (red[y][x] + green[y][x]) - blue[y][x]) for x in columns] for y in rows]
    (mean_rg, sigma_rg), (mean_yb, sigma_yb) = mean_and_deviation(first), mean_and_deviation(second)
    return math.hypot(sigma_rg, sigma_yb) + 0.3 * math.hypot(mean_rg, mean_yb)


def blur(plane: Plane, window: int = 9) -> float:
    """Crete et al. 2007, section 3: the larger of the two directions; pixels beyond the border repeat the last one."""
    return max(_blur_of(plane, window), _blur_of([list(column) for column in zip(*plane, strict=True)], window))


def _blur_of(plane: Plane, window: int) -> float:
    reach, total, lost = window // 2, 0.0, 0.0
    for row in plane:
        last = len(row) - 1
        smooth = [
            math.fsum(row[min(max(x + shift, 0), last)] for shift in range(-reach, reach + 1)) / window
            for x in range(last + 1)
        ]
        for x in range(1, last + 1):
            step, after = abs(row[x] - row[x - 1]), abs(smooth[x] - smooth[x - 1])
            total += step
            lost += max(0.0, step - after)
    return (total - lost) / total
