"""Marks move with the pixels: boxes, masks, region maps and points go through the same motions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.data.annotations import VOID, Annotations

from .motion import Motion

A = TypeVar("A", bound=Annotations)
_GRID = 32  # points a side by which the visible share of a box is told
_SIDE = 16  # pieces of a box's side where it may become crooked
_TOUCHING = 1e-9


@dataclass(frozen=True)
class _Moved:
    boxes: Tensor | None
    share: Tensor


def moved(known: A, motions: Sequence[Motion], size: tuple[int, int], *, row: int = 0, visible: float = 0.25) -> A:
    """What is known of an image of this (H, W), after the motions of image ``row`` of a batch.

    A box becomes the smallest one around what of it stays in the image. What part of an object stays is told by its
    box (of 32 x 32 points in it), else by the pixels of its mask, else by its points; with less than ``visible`` of it
    the object is dropped, boxes, masks, points and flags alike. Points outside become 0, 0, 0. Which point is the left
    eye does not change in a mirror.

    Raises:
        StriateError: ``visible`` is no share, or masks and regions are not of this size.
    """
    if not 0.0 <= visible <= 1.0:
        raise StriateError(f"visible is {visible}", accepted="a share from 0 to 1")
    for planes in (known.masks, known.regions):
        if planes is not None and tuple(planes.shape[-2:]) != tuple(size):
            raise StriateError(f"marks of {tuple(planes.shape[-2:])} pixels", accepted=f"marks of {tuple(size)} pixels")
    if not motions:
        return known
    share = torch.ones(known.objects, dtype=torch.float64)
    for motion in motions:
        known, kept = _once(known, motion.row(row))
        share = share * kept
    stays = (share >= visible) & (share > 0)
    return known if bool(stays.all()) else _only(known, stays)


def _once(known: A, motion: Motion) -> tuple[A, Tensor]:
    share = torch.ones(known.objects, dtype=torch.float64)
    boxes, masks, points, regions = known.boxes, known.masks, known.keypoints, known.regions
    if boxes is not None and len(boxes):
        share = _visible(motion, _inner_points(boxes))
        boxes = _hulls(motion, boxes)
    elif masks is not None and len(masks):
        share = torch.stack([_visible(motion, _pixels(mask)[None])[0] for mask in masks])
    elif points is not None and len(points):
        share = _labelled(motion, points)
    if points is not None and points.numel():
        points = _points(motion, points)
    if masks is not None and len(masks):
        masks = motion.nearest(masks[None].to(torch.uint8), 0)[0].bool()
    if regions is not None:
        regions = motion.nearest(regions[None, None], VOID)[0, 0]
    return replace(known, boxes=boxes, masks=masks, keypoints=points, regions=regions), share


def _only(known: A, stays: Tensor) -> A:
    names = ("boxes", "box_classes", "masks", "keypoints", "crowd", "difficult")
    chosen = {name: getattr(known, name)[stays] for name in names if getattr(known, name) is not None}
    return replace(known, **chosen)


def _forward(motion: Motion, points: Tensor) -> Tensor:
    """Points (objects, k, 2) of one image, all through its motion."""
    return motion.forward(points.reshape(1, -1, 2).double()).view(points.shape)


def _inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    x, y = points.unbind(-1)
    return (x > 0) & (x < width) & (y > 0) & (y < height)


def _visible(motion: Motion, points: Tensor) -> Tensor:
    """The share of each row of points (objects, k, 2) that stays in the image; 0 for a row without points."""
    inside = _inside(_forward(motion, points), motion.size)
    return inside.double().sum(1) / max(points.shape[1], 1)


def _inner_points(boxes: Tensor) -> Tensor:
    steps = (torch.arange(_GRID, dtype=torch.float64) + 0.5) / _GRID
    x = boxes[:, None, 0] + steps * (boxes[:, None, 2] - boxes[:, None, 0])
    y = boxes[:, None, 1] + steps * (boxes[:, None, 3] - boxes[:, None, 1])
    shape = (len(boxes), _GRID, _GRID)
    return torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], -1).flatten(1, 2)


def _pixels(mask: Tensor) -> Tensor:
    return mask.nonzero().flip(1).double() + 0.5


def _labelled(motion: Motion, points: Tensor) -> Tensor:
    inside = _inside(_forward(motion, points[..., :2]), motion.size)
    named = points[..., 2] > 0
    return torch.where(named.any(1), (inside & named).sum(1) / named.sum(1).clamp(min=1), 1.0)


def _points(motion: Motion, points: Tensor) -> Tensor:
    found = _forward(motion, points[..., :2])
    seen = _inside(found, motion.size) & (points[..., 2] > 0)
    out = torch.cat([found, points[..., 2:].double()], -1).to(points.dtype)
    return torch.where(seen[..., None], out, torch.zeros_like(out))


def _hulls(motion: Motion, boxes: Tensor) -> Tensor:
    """The smallest boxes around what stays in the image of each moved box; empty ones are 0, 0, 0, 0.

    What stays is a polygon: its corners are corners of the moved box, of the image, and crossings of their edges.
    """
    height, width = motion.size
    corners = _forward(motion, _outlines(boxes, 1 if motion.field is None else _SIDE))
    ends = corners.roll(-1, 1)
    limits = corners.new_tensor([width, height])
    fits = ((corners >= -_TOUCHING) & (corners <= limits + _TOUCHING)).all(-1)
    candidates, valid = [corners], [fits]
    for axis in (0, 1):
        other, most = 1 - axis, float(limits[1 - axis])
        for edge in (0.0, float(limits[axis])):
            along = (edge - corners[..., axis]) / (ends[..., axis] - corners[..., axis])
            crossing = corners[..., other] + along * (ends[..., other] - corners[..., other])
            point = torch.stack([torch.full_like(crossing, edge), crossing], -1)
            candidates.append(point if axis == 0 else point.flip(-1))
            crosses = (along >= 0) & (along <= 1) & (crossing >= -_TOUCHING) & (crossing <= most + _TOUCHING)
            valid.append(crosses)
    frame = corners.new_tensor([[0, 0], [width, 0], [0, height], [width, height]]).expand(len(boxes), 4, 2)
    candidates.append(frame)
    valid.append(_within(frame, corners, ends))
    points, there = torch.cat(candidates, 1), torch.cat(valid, 1)[..., None]
    low = torch.where(there, points, math.inf).amin(1)
    high = torch.where(there, points, -math.inf).amax(1)
    hulls = torch.cat([torch.minimum(low.clamp(min=0), limits), torch.minimum(high.clamp(min=0), limits)], 1)
    return torch.where(there.any(1), hulls, torch.zeros_like(hulls)).to(boxes.dtype)


def _outlines(boxes: Tensor, pieces: int) -> Tensor:
    """Points around each box, clockwise, ``pieces`` a side: (objects, 4 pieces, 2)."""
    left, top, right, bottom = boxes.double().unbind(1)
    xs, ys = torch.stack([left, right, right, left], 1), torch.stack([top, top, bottom, bottom], 1)
    corners = torch.stack([xs, ys], -1)
    steps = torch.arange(pieces, dtype=torch.float64)[:, None] / pieces
    sides = corners[:, :, None] + steps * (corners.roll(-1, 1) - corners)[:, :, None]
    return sides.flatten(1, 2)


def _within(points: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Whether points (k, p, 2) lie in the polygons with these edges (k, m, 2), by the parity of crossings."""
    x, y = points[:, :, None, 0], points[:, :, None, 1]
    x0, y0, x1, y1 = starts[:, None, :, 0], starts[:, None, :, 1], ends[:, None, :, 0], ends[:, None, :, 1]
    spans = (y0 > y) != (y1 > y)
    right = x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return (spans & right).sum(-1) % 2 == 1
