"""Non-printability by loops over pixels and colours. Source: Sharif et al. 2016, section 4.3.2."""

from __future__ import annotations

import math

Image = list[list[list[float]]]  # channel, row, column


def _distances(image: Image, colours: list[list[float]]) -> list[list[float]]:
    red, green, blue = image
    return [
        [math.dist((red[y][x], green[y][x], blue[y][x]), colour) for colour in colours]
        for y in range(len(red))
        for x in range(len(red[0]))
    ]


def mean_product(image: Image, colours: list[list[float]]) -> float:
    every = _distances(image, colours)
    return sum(math.prod(row) for row in every) / len(every)


def mean_nearest(image: Image, colours: list[list[float]]) -> float:
    every = _distances(image, colours)
    return sum(min(row) for row in every) / len(every)
