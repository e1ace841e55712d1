"""The ten digits as pictures of 7 x 12 pixels: target codes of LeNet-5's last layer.

Source: the idea is LeCun et al. 1998, section II.B and figure 3; these are drawn by us. Like characters lie near each
other, so that a confusion of the net is a likely one.
"""

from __future__ import annotations

_STROKES = {  # of seven: top, upper left, upper right, middle, lower left, lower right, bottom
    "0": "abcefg",
    "1": "cf",
    "2": "acdeg",
    "3": "acdfg",
    "4": "bcdf",
    "5": "abdfg",
    "6": "abdefg",
    "7": "acf",
    "8": "abcdefg",
    "9": "abcdfg",
}
_PIXELS = {  # rows and columns of each stroke in a picture of twelve rows and seven columns
    "a": (range(1, 2), range(1, 6)),
    "b": (range(1, 6), range(1, 2)),
    "c": (range(1, 6), range(5, 6)),
    "d": (range(5, 6), range(1, 6)),
    "e": (range(5, 11), range(1, 2)),
    "f": (range(5, 11), range(5, 6)),
    "g": (range(10, 11), range(1, 6)),
}


def _drawn(strokes: str) -> tuple[float, ...]:
    inked = {(row, column) for each in strokes for row in _PIXELS[each][0] for column in _PIXELS[each][1]}
    return tuple(1.0 if (row, column) in inked else -1.0 for row in range(12) for column in range(7))


CODES = tuple(_drawn(strokes) for strokes in _STROKES.values())  # 84 numbers, ink 1 and paper -1
