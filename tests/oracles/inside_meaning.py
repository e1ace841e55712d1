"""Network dissection by loops in float64, written from Bau et al. 2017, section 2; imports nothing of ours."""

from __future__ import annotations

import math

import numpy as np


def quantile_threshold(values, share):
    """The value that at most ``share`` of the places are strictly above, the largest such that no more fit."""
    ordered = sorted((float(one) for one in np.asarray(values).reshape(-1)), reverse=True)
    return ordered[int(share * len(ordered) + 1e-9)]


def bilinear(maps, size, stride, offset):
    """(h, w) enlarged to ``size``: unit i stands at pixel offset + i stride; beyond the ends the end is held."""
    out = np.zeros(size)
    h, w = maps.shape
    for y in range(size[0]):
        for x in range(size[1]):
            v = min(max((y - offset[0]) / stride[0], 0.0), h - 1.0)
            u = min(max((x - offset[1]) / stride[1], 0.0), w - 1.0)
            top, left = min(math.floor(v), max(h - 2, 0)), min(math.floor(u), max(w - 2, 0))
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            down, across = v - top, u - left
            out[y, x] = (
                (1 - down) * (1 - across) * maps[top, left]
                + (1 - down) * across * maps[top, right]
                + down * (1 - across) * maps[bottom, left]
                + down * across * maps[bottom, right]
            )
    return out


def unit_iou(maps, masks, counted, *, share, stride, offset):
    """IoU of one unit, maps (N, h, w), and one concept, masks (N, H, W), over the pixels that count."""
    bar = quantile_threshold(maps, share)
    inter = union = 0
    for number in range(len(maps)):
        big = bilinear(maps[number], masks.shape[1:], stride, offset)
        for y in range(masks.shape[1]):
            for x in range(masks.shape[2]):
                if not counted[number, y, x]:
                    continue
                on, there = big[y, x] > bar, bool(masks[number, y, x])
                inter += on and there
                union += on or there
    return inter / union if union else 0.0
