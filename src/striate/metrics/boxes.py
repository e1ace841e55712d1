"""Boxes: areas, overlaps, and the ways to write one down, in float64.

A box is left, top, right, bottom in pixels, as edges: x = 0 is the left edge of the image, a box that covers the first
pixel alone is (0, 0, 1, 1), and width is right - left. PASCAL VOC writes that box (1, 1, 1, 1) and counts width with
1 added: take 1 from its left and top, and every overlap is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError


def box_areas(boxes: Tensor) -> Tensor:
    """Width times height of each box, shape (n,) float64, in square pixels."""
    exact = checked_boxes(boxes)
    return (exact[:, 2] - exact[:, 0]) * (exact[:, 3] - exact[:, 1])


def intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """Area that each box shares with each other, shape (n, m) float64."""
    a, b = checked_boxes(boxes)[:, None], checked_boxes(others)[None]
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0)
    return sides[..., 0] * sides[..., 1]


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each box with each other, shape (n, m) float64, in [0, 1].

    Two boxes without area have no union; they overlap by 0, as COCO counts it.

    >>> box_iou(torch.tensor([[0, 0, 10, 10]]), torch.tensor([[0, 0, 10, 5], [10, 0, 20, 10]])).tolist()
    [[0.5, 0.0]]

    Source: Jaccard 1912, "The distribution of the flora in the alpine zone"; Everingham et al. 2010, section 4.2.
    """
    inside = intersections(boxes, others)
    return _over(inside, box_areas(boxes)[:, None] + box_areas(others)[None] - inside)


def generalised_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU less the share of the common hull that neither covers, shape (n, m), in (-1, 1]: far apart is below 0.

    Where the hull has no area there is no such share, and nothing is taken off.

    Source: Rezatofighi et al. 2019, "Generalized intersection over union", algorithm 1.
    """
    a, b = checked_boxes(boxes)[:, None], checked_boxes(others)[None]
    sides = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull, inside = sides[..., 0] * sides[..., 1], intersections(boxes, others)
    union = box_areas(boxes)[:, None] + box_areas(others)[None] - inside
    return _over(inside, union) - _over((hull - union).clamp_min(0), hull)


def crowd_overlap(detections: Tensor, crowds: Tensor) -> Tensor:
    """Share of each detection's own area that lies in each crowd, shape (n, m), in [0, 1].

    A crowd stands for many objects that were not told apart: a detection of one of them covers a small part of it.

    Source: Lin et al. 2014, "Microsoft COCO"; the evaluation code of its authors divides by the detection's area.
    """
    return _over(intersections(detections, crowds), box_areas(detections)[:, None])


def from_xywh(boxes: Tensor) -> Tensor:
    """Edges of boxes written as left, top, width, height (COCO)."""
    given = _four_columns(boxes)
    return checked_boxes(torch.cat([given[:, :2], given[:, :2] + given[:, 2:]], dim=1))


def to_xywh(boxes: Tensor) -> Tensor:
    """Left, top, width, height (COCO)."""
    exact = checked_boxes(boxes)
    return torch.cat([exact[:, :2], exact[:, 2:] - exact[:, :2]], dim=1)


def from_centre(boxes: Tensor) -> Tensor:
    """Edges of boxes written as centre x, centre y, width, height (YOLO, in pixels)."""
    given = _four_columns(boxes)
    return checked_boxes(torch.cat([given[:, :2] - given[:, 2:] / 2, given[:, :2] + given[:, 2:] / 2], dim=1))


def to_centre(boxes: Tensor) -> Tensor:
    """Centre x, centre y, width, height."""
    exact = checked_boxes(boxes)
    return torch.cat([(exact[:, :2] + exact[:, 2:]) / 2, exact[:, 2:] - exact[:, :2]], dim=1)


def checked_boxes(boxes: Tensor) -> Tensor:
    """The boxes in float64 on the CPU.

    Raises:
        StriateError: Not of shape (n, 4), a number that is not finite, or a right or bottom edge before its opposite.
    """
    exact = _four_columns(boxes)
    wrong = ((exact[:, 2] < exact[:, 0]) | (exact[:, 3] < exact[:, 1])).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise StriateError(
            f"box {row} is {exact[row].tolist()}",
            accepted="left, top, right, bottom with left <= right and top <= bottom",
            hint="from_xywh for left, top, width, height; from_centre for a centre and a size",
        )
    return exact


def _four_columns(boxes: Tensor) -> Tensor:
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise StriateError(f"boxes have shape {tuple(boxes.shape)}", accepted="(n, 4)")
    exact = boxes.detach().cpu().to(torch.float64)
    wrong = (~exact.isfinite().all(1)).nonzero()
    if len(wrong):
        raise StriateError(f"box {int(wrong[0])} is {exact[int(wrong[0])].tolist()}", accepted="finite numbers")
    return exact


def _over(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below.clamp_min(torch.finfo(torch.float64).tiny), 0.0)
