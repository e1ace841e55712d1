"""Marks move with the pixels: boxes, masks, region maps and points go through the same motions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TypeVar

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.data.annotations import VOID, Annotations

from .motion import Motion

A = TypeVar("A", bound=Annotations)
Point = tuple[float, float]
Polygon = list[Point]
_GRID = 32  # points a side by which the visible share of a box is told
_PIECES = 16  # into which a side is divided where it may become crooked


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
    each = [motion.row(row) for motion in motions]
    share = _visible(known, each)
    boxes, masks, points, regions = known.boxes, known.masks, known.keypoints, known.regions
    if boxes is not None and len(boxes):
        boxes = _hulls(boxes, each)
    for motion in each:
        if points is not None and points.numel():
            points = _points(motion, points)
        if masks is not None and len(masks):
            masks = motion.nearest(masks[None].to(torch.uint8), 0)[0].bool()
        if regions is not None:
            regions = motion.nearest(regions[None, None], VOID)[0, 0]
    known = replace(known, boxes=boxes, masks=masks, keypoints=points, regions=regions)
    stays = (share >= visible) & (share > 0)
    return known if bool(stays.all()) else _only(known, stays)


def _only(known: A, stays: Tensor) -> A:
    names = ("boxes", "box_classes", "masks", "keypoints", "crowd", "difficult")
    chosen = {name: getattr(known, name)[stays] for name in names if getattr(known, name) is not None}
    return replace(known, **chosen)


def _visible(known: Annotations, motions: Sequence[Motion]) -> Tensor:
    """The share of each object that is in the image before and after every motion, (objects,) float64."""
    boxes, masks, points = known.boxes, known.masks, known.keypoints
    if boxes is not None and len(boxes):
        return _stays(_inner_points(boxes), motions).double().mean(1)
    if masks is not None and len(masks):
        parts = [_stays((mask.nonzero().flip(1) + 0.5)[None], motions)[0].double() for mask in masks]
        return torch.stack([part.mean() if len(part) else part.sum() for part in parts])
    if points is not None and points.numel():
        named = points[..., 2] > 0
        seen = (_stays(points[..., :2], motions) & named).sum(1)
        return torch.where(named.any(1), seen / named.sum(1).clamp(min=1), 1.0).double()
    return torch.ones(known.objects, dtype=torch.float64)


def _stays(points: Tensor, motions: Sequence[Motion]) -> Tensor:
    """Which of the points (objects, k, 2) no motion takes out of the image."""
    stays = torch.ones(points.shape[:-1], dtype=torch.bool)
    for motion in motions:
        points = _forward(motion, points)
        stays &= _inside(points, motion.size)
    return stays


def _forward(motion: Motion, points: Tensor) -> Tensor:
    """Points (..., 2) of one image, all through its motion."""
    return motion.forward(points.reshape(1, -1, 2).double()).view(points.shape)


def _inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    x, y = points.unbind(-1)
    return (x > 0) & (x < size[1]) & (y > 0) & (y < size[0])


def _inner_points(boxes: Tensor) -> Tensor:
    steps = (torch.arange(_GRID, dtype=torch.float64) + 0.5) / _GRID
    x = boxes[:, None, 0] + steps * (boxes[:, None, 2] - boxes[:, None, 0])
    y = boxes[:, None, 1] + steps * (boxes[:, None, 3] - boxes[:, None, 1])
    shape = (len(boxes), _GRID, _GRID)
    return torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], -1).flatten(1, 2)


def _points(motion: Motion, points: Tensor) -> Tensor:
    found = _forward(motion, points[..., :2])
    seen = _inside(found, motion.size) & (points[..., 2] > 0)
    out = torch.cat([found, points[..., 2:].double()], -1).to(points.dtype)
    return torch.where(seen[..., None], out, torch.zeros_like(out))


def _hulls(boxes: Tensor, motions: Sequence[Motion]) -> Tensor:
    """The smallest boxes around what of each moved box is never outside of the image; 0, 0, 0, 0 where nothing is."""
    polygons = [
        [(left, top), (right, top), (right, bottom), (left, bottom)] for left, top, right, bottom in boxes.tolist()
    ]
    for motion in motions:
        if motion.field is not None:
            polygons = [_divided(polygon) for polygon in polygons]
        flat = torch.tensor([point for polygon in polygons for point in polygon], dtype=torch.float64).view(-1, 2)
        there: list[Point] = [(x, y) for x, y in _forward(motion, flat).tolist()]
        ends = list(accumulate(map(len, polygons), initial=0))
        polygons = [_clipped(there[start:end], motion.size) for start, end in pairwise(ends)]
    hulls = [
        [min(x for x, _ in each), min(y for _, y in each), max(x for x, _ in each), max(y for _, y in each)]
        if each
        else [0.0] * 4
        for each in polygons
    ]
    return torch.tensor(hulls, dtype=boxes.dtype).view(-1, 4)


def _divided(polygon: Polygon) -> Polygon:
    """The same outline with more corners, for a map that bends straight lines."""
    return [
        (x + (across - x) * piece / _PIECES, y + (down - y) * piece / _PIECES)
        for (x, y), (across, down) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)
        for piece in range(_PIECES)
    ]


def _clipped(polygon: Polygon, size: tuple[int, int]) -> Polygon:
    """What of a polygon lies in the image (Sutherland & Hodgman 1974, "Reentrant polygon clipping")."""
    for axis in (0, 1):
        for limit, sign in ((0.0, 1.0), (float(size[1 - axis]), -1.0)):
            kept: Polygon = []
            for start, end in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
                one, two = sign * (start[axis] - limit), sign * (end[axis] - limit)
                if one >= 0:
                    kept.append(start)
                if (one >= 0) != (two >= 0):
                    other = start[1 - axis] + one / (one - two) * (end[1 - axis] - start[1 - axis])
                    kept.append((limit, other) if axis == 0 else (other, limit))
            polygon = kept
    return polygon
