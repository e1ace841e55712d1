"""Convolutions, pooling, up-sampling by nested loops over plain lists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil, floor

Grid = list[list[float]]


def correlate(image: Grid, kernel: Grid) -> Grid:
    k = len(kernel)
    return [
        [
            sum(image[y + i][x + j] * kernel[i][j] for i in range(k) for j in range(k))
            for x in range(len(image[0]) - k + 1)
        ]
        for y in range(len(image) - k + 1)
    ]


def convolve(image: Grid, kernel: Grid) -> Grid:
    """By the formula: the kernel's indices run against the image's."""
    k = len(kernel)
    return [
        [
            sum(image[y - i][x - j] * kernel[i][j] for i in range(k) for j in range(k))
            for x in range(k - 1, len(image[0]))
        ]
        for y in range(k - 1, len(image))
    ]


def pool(image: Grid, stride: int, reduce: Callable[[list[float]], float]) -> Grid:
    side = range(0, len(image) - 1, stride)
    return [[reduce([image[y + i][x + j] for i in (0, 1) for j in (0, 1)]) for x in side] for y in side]


def bilinear(small: Grid, size: int) -> Grid:
    """Pixels as areas: output pixel i lies at (i + .5) n / size - .5, held inside the image."""
    n = len(small)

    def at(i: int) -> tuple[int, int, float]:
        place = min(max((i + 0.5) * n / size - 0.5, 0), n - 1)
        low = min(floor(place), n - 2)
        return low, low + 1, place - low

    found = []
    for y in range(size):
        a, b, v = at(y)
        row = []
        for x in range(size):
            c, d, u = at(x)
            top = (1 - u) * small[a][c] + u * small[a][d]
            bottom = (1 - u) * small[b][c] + u * small[b][d]
            row.append((1 - v) * top + v * bottom)
        found.append(row)
    return found


def stamp(values: Grid, kernel: Grid) -> Grid:
    side = len(values) + len(kernel) - 1
    out = [[0.0] * side for _ in range(side)]
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            for i, line in enumerate(kernel):
                for j, weight in enumerate(line):
                    out[y + i][x + j] += value * weight
    return out


def region(rows: int, columns: int, bins: int) -> Grid:
    values = [[float(y * columns + x) for x in range(columns)] for y in range(rows)]

    def span(i: int, n: int) -> range:
        return range(floor(i * n / bins), ceil((i + 1) * n / bins))

    return [
        [max(values[y][x] for y in span(i, rows) for x in span(j, columns)) for j in range(bins)] for i in range(bins)
    ]


def flat(grid: Grid) -> list[float]:
    return [value for row in grid for value in row]


def field(windows: list[tuple[int, int]]) -> int:
    """Size seen by one last unit, going backwards from it: n -> (n - 1) stride + kernel."""
    size = 1
    for kernel, stride in reversed(windows):
        size = (size - 1) * stride + kernel
    return size


IMAGE = [[10, 20, 30, 15, 12], [11, 200, 34, 23, 45], [32, 35, 255, 255, 10], [10, 33, 6, 7, 59], [13, 43, 13, 45, 3]]
KERNEL = [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]
POOLED = [[1, 3, 6, 6], [20, 9, 8, 4], [2, 1, 4, 5], [1, 12, 13, 10]]
ALEXNET = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]


def sliding(size: int) -> int:
    first, last = size - 4, (size - 4) // 2 - 4
    return first**2 * 16 * 75 + last**2 * (400 * 16 * 25 + 400 * 400 + 400 * 4)


def unet() -> int:
    def double(a: int, b: int) -> int:
        return 9 * a * b + b + 9 * b * b + b

    w = [64, 128, 256, 512, 1024]
    down = double(1, 64) + sum(double(a, b) for a, b in pairwise(w))
    up = sum(4 * b * a + a + double(b, a) for a, b in pairwise(w))
    return down + up + 64 * 2 + 2


EXPECTED: dict[str, dict[str, list[float]]] = {
    "conv-sum": {
        "all sums": flat(correlate(IMAGE, KERNEL)),
        "convolution by the formula": flat(convolve(IMAGE, KERNEL)),
    },
    "pool-4x4": {
        "maximum, stride 1": flat(pool(POOLED, 1, max)),
        "maximum, stride 2": flat(pool(POOLED, 2, max)),
        "mean, stride 2": flat(pool(POOLED, 2, lambda v: sum(v) / 4)),
    },
    "pool-k6": {"maximum": flat(pool([[2, 2, 7, 3], [9, 4, 6, 1], [8, 5, 2, 4], [3, 1, 2, 6]], 2, max))},
    "upsample-2x2": {"bilinear, pixels as areas": flat(bilinear([[10, 20], [30, 40]], 4))},
    "bilinear-point": {"value at (20.2, 14.5)": [0.8 * (91 + 210) / 2 + 0.2 * (162 + 95) / 2]},
    "transposed-conv": {"output": flat(stamp([[0, 1], [2, 3]], [[0, 1], [2, 3]]))},
    "roi-pool": {"maxima": flat(region(4, 6, 3))},
    "alexnet-fields": {
        "pool1, conv2, pool2, conv3, conv4, conv5, pool5": [float(field(ALEXNET[:n])) for n in range(2, 9)]
    },
    "sliding-conv": {"multiply-adds": [float(sliding(n)) for n in (14, 16, 28)]},
    "depthwise-ratio": {"work for N = 128, 512 outputs, D = 3": [1 / 128 + 1 / 9, 1 / 512 + 1 / 9]},
    "unet-size": {"parameters, 1 channel in, 2 classes": [float(unet())]},
}
