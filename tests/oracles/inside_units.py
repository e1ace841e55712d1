"""Oracles of units: top patches by brute force, fields by gradient, correlations by definition; plain float64 loops."""

from __future__ import annotations


def box_of(place, axes):
    """(top, left, bottom, right) of a place (row, column); ``axes`` are (size, stride, offset, length) of each axis."""
    ends = []
    for at, (size, stride, offset, length) in zip(place, axes, strict=True):
        centre = offset + at * stride
        low, high = round(centre - (size - 1) / 2), round(centre + (size - 1) / 2)
        first = min(max(low, 0), length - 1)
        ends.append((first, max(min(high + 1, length), first + 1)))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def iou(one, other):
    """Intersection over union of two boxes."""
    tall = min(one[2], other[2]) - max(one[0], other[0])
    wide = min(one[3], other[3]) - max(one[1], other[1])
    if tall <= 0 or wide <= 0:
        return 0.0
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return tall * wide / (area[0] + area[1] - tall * wide)


def top_places(maps, ids, axes, *, k, overlap=0.3, floor=float("-inf")):
    """The k strongest (value, id, place, box) of one unit, maps (n, h, w) as nested lists: greedy in every image."""
    found = []
    for values, number in zip(maps, ids, strict=True):
        every = [(value, (y, x)) for y, row in enumerate(values) for x, value in enumerate(row) if value > floor]
        every.sort(key=lambda each: (-each[0], each[1]))
        taken = []
        for value, place in every:
            box = box_of(place, axes)
            if all(iou(box, other) <= overlap for _, _, _, other in taken):
                taken.append((value, number, place, box))
            if len(taken) == k:
                break
        found += taken
    found.sort(key=lambda each: (-each[0], each[1], each[2]))
    return found[:k]
