"""The square attack by loops over images, channels and pixels, in float64, from its paper; imports nothing of striate.

Draws are given as uniform numbers u in [0, 1): of n equal choices the one with index floor(n u), of two the first.
Source: Andriushchenko et al. 2020, algorithms 1, 2 and 3 and equation 2, with the schedule of their code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Score = Callable[[np.ndarray], float]


def share_at(step: int, steps: int, share: float) -> float:
    """The share of the image in a square: halved after each of these steps of 10,000."""
    scaled = int(step / steps * 10_000)
    for limit in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000):
        if scaled > limit:
            share = share / 2
    return share


def pick(u: float, choices: int) -> int:
    return int(np.floor(np.float64(u) * choices))


def linf(
    x: np.ndarray, score: Score, *, radius: float, share: float, steps: int, stripes: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """The best image and the score of every query; stripes (C, W), draws (steps, 2 + C): down, across, signs."""
    channels, height, width = x.shape
    best = x.copy()
    for c in range(channels):
        for j in range(width):
            best[c, :, j] += radius if pick(stripes[c, j], 2) == 0 else -radius
    best = np.clip(best, 0, 1)
    highest = score(best)
    asked = [highest]
    for step in range(steps):
        side = max(round(float(np.sqrt(share_at(step, steps, share) * height * width))), 1)
        side = min(side, height, width)
        top, left = pick(draws[step, 0], height - side + 1), pick(draws[step, 1], width - side + 1)
        new = best.copy()
        for c in range(channels):
            sign = 1 if pick(draws[step, 2 + c], 2) == 0 else -1
            for i in range(top, top + side):
                for j in range(left, left + side):
                    moved = new[c, i, j] + 2 * radius * sign
                    new[c, i, j] = min(max(min(max(moved, x[c, i, j] - radius), x[c, i, j] + radius), 0.0), 1.0)
        asked.append(score(new))
        if asked[-1] > highest:
            best, highest = new, asked[-1]
    return best, asked


def bump(height: int, width: int) -> np.ndarray:
    """Equation 2: eta_{r,s} = sum_k 1 / (n + 1 - k)^2 over the rectangles M_k that hold (r, s), at length 1."""
    n = max(height // 2 + 1, width // 2 + 1)
    total = np.zeros((height, width))
    for r in range(height):
        for s in range(width):
            for k in range(n):  # ring by ring outwards; the k-th reaches k pixels from the middle
                if abs(r - height // 2) <= k and abs(s - width // 2) <= k:
                    total[r, s] += 1 / (k + 1) ** 2
    return total / np.sqrt((total**2).sum())


def double_bump(side: int) -> np.ndarray:
    top = bump(side // 2, side) if side > 1 else np.zeros((0, side))
    both = np.concatenate([top, -bump(side - side // 2, side)])
    return both / np.sqrt((both**2).sum())


def l2(
    x: np.ndarray,
    score: Score,
    *,
    radius: float,
    share: float,
    steps: int,
    tiles: np.ndarray,
    draws: np.ndarray,
) -> tuple[np.ndarray, list[float]]:
    """As `linf`; tiles (25 or more, 1 + C): turned, signs; draws (steps, 5 + C): two windows, turned, signs."""
    channels, height, width = x.shape
    side = height // 5
    first = (height - 5 * side) // 2
    change = np.zeros_like(x)
    place = 0
    for y in range(first, height - side + 1, side):
        for z in range(first, width - side + 1, side):
            shape = double_bump(side) if pick(tiles[place, 0], 2) == 0 else double_bump(side).T
            for c in range(channels):
                change[c, y : y + side, z : z + side] = shape if pick(tiles[place, 1 + c], 2) == 0 else -shape
            place += 1

    def image(change: np.ndarray) -> np.ndarray:
        return np.clip(x + radius * change / np.sqrt((change**2).sum()), 0, 1)

    best = image(change)
    highest = score(best)
    asked = [highest]
    for step in range(steps):
        side = max(round(float(np.sqrt(share_at(step, steps, share) * height * width))), 3)
        side += 1 if side % 2 == 0 else 0
        side = min(side, height, width)
        u = draws[step]
        corners = [(pick(u[k], height - side + 1), pick(u[k + 1], width - side + 1)) for k in (0, 2)]
        (y1, x1), (y2, x2) = corners
        shape = double_bump(side) if pick(u[4], 2) == 0 else double_bump(side).T
        old = best - x
        unused = max(radius**2 - (old**2).sum(), 0.0)
        new = old.copy()
        for c in range(channels):
            union = np.zeros((height, width), bool)
            union[y1 : y1 + side, x1 : x1 + side] = union[y2 : y2 + side, x2 : x2 + side] = True
            mass = np.sqrt((old[c][union] ** 2).sum() + unused / channels)
            window = old[c, y1 : y1 + side, x1 : x1 + side]
            sign = 1 if pick(u[5 + c], 2) == 0 else -1
            blend = sign * shape + window / (np.sqrt((window**2).sum()) + 1e-12)
            new[c, y2 : y2 + side, x2 : x2 + side] = 0
            new[c, y1 : y1 + side, x1 : x1 + side] = blend / (np.sqrt((blend**2).sum()) + 1e-12) * mass
        tried = image(new)
        asked.append(score(tried))
        if asked[-1] > highest:
            best, highest = tried, asked[-1]
    return best, asked
