"""COCO's masks one pixel and one letter at a time, in plain Python, from the description in its API's source."""

from __future__ import annotations

import itertools
import math


def runs_of(mask: list[list[int]]) -> list[int]:
    """Runs down the columns, the first of background."""
    flat = [mask[row][column] for column in range(len(mask[0])) for row in range(len(mask))]
    counts, value = [0], 0
    for pixel in flat:
        if bool(pixel) != bool(value):
            counts.append(0)
            value = 1 - value
        counts[-1] += 1
    return counts


def mask_of(counts: list[int], height: int, width: int) -> list[list[int]]:
    """The pixels of runs."""
    flat: list[int] = []
    for number, count in enumerate(counts):
        flat += [number % 2] * count
    return [[flat[column * height + row] for column in range(width)] for row in range(height)]


def text_of(counts: list[int]) -> str:
    """Five bits a letter, lowest first, the sixth says that more follow; from the fourth count on differences."""
    out = ""
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = left % 32
            left = (left - bits) // 32
            more = left != (-1 if bits >= 16 else 0)
            out += chr(48 + bits + (32 if more else 0))
    return out


def counts_of(text: str) -> list[int]:
    """The inverse of `text_of`."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, factor = 0, 1
        while True:
            code = ord(text[place]) - 48
            place += 1
            value += (code % 32) * factor
            factor *= 32
            if code < 32:
                value -= factor if code >= 16 else 0
                break
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def polygon_mask(polygon: list[float], height: int, width: int) -> list[list[int]]:
    """Pixels of one polygon: its boundary in fifths of pixels, then parity down each column."""
    x = [int(5 * value + 0.5) for value in polygon[0::2]]
    y = [int(5 * value + 0.5) for value in polygon[1::2]]
    points: list[tuple[int, int]] = []
    for (xs, ys), (xe, ye) in zip(zip(x, y), zip([*x[1:], x[0]], [*y[1:], y[0]])):  # noqa: B905
        across, down = abs(xe - xs), abs(ye - ys)
        steps = max(across, down)
        flip = xs > xe if across >= down else ys > ye
        (ax, ay), (bx, by) = ((xe, ye), (xs, ys)) if flip else ((xs, ys), (xe, ye))
        line = []
        for step in range(steps + 1):
            if across >= down:
                slope = (by - ay) / across if across else 0.0
                line.append((ax + step, int(ay + slope * step + 0.5)))
            else:
                line.append((int(ax + (bx - ax) / down * step + 0.5), ay + step))
        points += reversed(line) if flip else line
    flips: list[int] = []
    for (u0, v0), (u1, v1) in itertools.pairwise(points):
        if u0 == u1:
            continue
        column = ((u1 if u1 < u0 else u1 - 1) + 0.5) / 5 - 0.5
        if column != math.floor(column) or column < 0 or column > width - 1:
            continue
        row = math.ceil(min(max((min(v0, v1) + 0.5) / 5 - 0.5, 0), height))
        flips.append(int(column) * height + row)
    return [
        [sum(flip <= column * height + row for flip in flips) % 2 for column in range(width)] for row in range(height)
    ]
