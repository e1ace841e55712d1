"""Positions that are computed together: those whose tiles have nearly the same size everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from striate.nets.site import Pair

from .geometry import Extent, Ints, Rect
from .locality import Part
from .plan import WHOLE_AT, grown, share
from .program import Program

BYTES = 4
Floats = np.ndarray[Any, np.dtype[np.float64]]


def grouped(
    program: Program, parts: tuple[Part, ...], tops: Ints, lefts: Ints, size: Pair, *, memory: int, most: int
) -> Iterator[Ints]:
    """Places in ``tops`` and ``lefts``, group by group.

    A group computes tiles of one size, the largest of its members. How large the tiles of a position are depends on
    how its edges lie to the strides of the net, and on whether the borders of the image cut them off; rows and columns
    are each ordered by that and dealt out, so that large tiles are with large ones.
    """
    height, width = program.shapes[0][-2:]
    rows, row_of = np.unique(tops, return_inverse=True)
    columns, column_of = np.unique(lefts, return_inverse=True)
    middle = (np.array([(height - size[0]) // 2]), np.array([(width - size[1]) // 2]))
    need = _bytes(program, parts, _rect(*middle, size, (height, width)))
    limit = int(max(1, min(most, memory // max(1, need))))
    side = max(1, math.isqrt(limit))
    zeros = (np.zeros_like(rows), np.zeros_like(columns))
    by_row = _weights(program, parts, _rect(rows, zeros[0], (size[0], width), (height, width)), 0)
    by_column = _weights(program, parts, _rect(zeros[1], columns, (height, size[1]), (height, width)), 1)
    row_cluster, column_cluster = _dealt(by_row, side)[row_of], _dealt(by_column, side)[column_of]
    order = np.lexsort((lefts, tops, column_cluster, row_cluster))
    keys = np.stack([row_cluster[order], column_cluster[order]])
    changes = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(0)) + 1
    for group in np.split(order, changes):
        for begin in range(0, len(group), limit):
            yield group[begin : begin + limit]


def _rect(tops: Ints, lefts: Ints, size: Pair, lengths: Pair) -> Rect:
    return Extent(tops, tops + size[0], lengths[0]), Extent(lefts, lefts + size[1], lengths[1])


def _dealt(weights: Floats, side: int) -> Ints:
    """Clusters of about ``side`` neighbours in weight."""
    count = math.ceil(len(weights) / side)
    cluster = np.empty(len(weights), np.int64)
    for number, members in enumerate(np.array_split(np.argsort(weights, kind="stable"), count)):
        cluster[members] = number
    return cluster


def _weights(program: Program, parts: tuple[Part, ...], first: Rect, axis: int) -> Floats:
    """What each position costs by its extents along one axis alone, in a unit of no meaning."""
    rects, total = {0: first}, np.zeros(len(first[0].low))
    for node, part in zip(program.nodes, parts, strict=True):
        rect = grown(node, part, rects, program.shapes) if node.image else None
        if rect is None:
            continue
        rects.update(dict.fromkeys(node.outputs, rect))
        work = node.macs + 16 * math.prod(program.shapes[node.outputs[0]])
        total += work * (rect[axis].high - rect[axis].low) / rect[axis].length
    return total


def _bytes(program: Program, parts: tuple[Part, ...], first: Rect) -> int:
    """Bytes of one position where most are alive: twice what is held then, for what the kernels need."""
    rects, alive, most = {0: first}, {0: share(first) * math.prod(program.shapes[0])}, 0.0
    for place, (node, part) in enumerate(zip(program.nodes, parts, strict=True)):
        if not node.image:
            continue
        rect = grown(node, part, rects, program.shapes)
        if rect is not None and share(rect) < WHOLE_AT:
            rects.update(dict.fromkeys(node.outputs, rect))
        else:
            rect = None
            for value in node.inputs:
                if rects.pop(value, None) is not None:
                    alive[value] = math.prod(program.shapes[value])
        for value in node.outputs:
            alive[value] = (1.0 if rect is None else share(rect)) * math.prod(program.shapes[value])
        most = max(most, sum(alive.values()))
        for value in (*node.inputs, *node.outputs):
            if program.last[value] <= place:
                alive.pop(value, None)
    return int(2 * BYTES * most)
