"""What is marked on the images, looked at once: objects, masks, regions, groups; and what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.data.annotations import VOID, Annotations
from striate.data.dataset import Dataset

OUTSIDE = 1.0  # pixels by which a box may stick out: layouts differ in where they count from
SLIVER = 2.0  # pixels of a side below which a box is tiny
SPECK = 1e-4  # share of the image's area below which a box is tiny
WHOLE = 0.995  # share of the image's area from which a box says nothing of where the object is
TWICE = 0.95  # intersection over union of two boxes of one class from which they mark the same object
ASTRAY = 0.5  # intersection over union of a box and its mask's box, below which they do not belong together
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what is marked on an image: its row, what it is, the box to be drawn if there is one."""

    row: int
    fact: str
    box: Box | None = None


@dataclass(frozen=True, eq=False)
class Marked:
    """What is marked on the images of one split.

    Attributes:
        objects: (N,) objects of each image.
        classes: (K,) objects of each class; for regions, images that show it.
        groups: The group of each image, "" for none.
        problems: By name of the check.
    """

    objects: Tensor
    classes: Tensor
    groups: tuple[str, ...]
    problems: dict[str, list[Problem]]


def annotated(data: Dataset) -> bool:
    """Whether anything is known of the images beside their labels; what is drawn by rule is right by rule."""
    return data.task in {"boxes", "regions"} or getattr(data.store, "notes", None) is not None


def look_at_marks(data: Dataset, *, progress: Progress = SILENT) -> Marked:
    """Everything marked on the images of a split, each image's annotations read once, and what is wrong with it."""
    objects = torch.zeros(len(data), dtype=torch.int64)
    classes = torch.zeros(len(data.classes), dtype=torch.int64)
    groups: list[str] = []
    problems: dict[str, list[Problem]] = defaultdict(list)
    for row in progress.track(range(len(data)), f"look at {data.split} marks", len(data)):
        place = int(data.places[row])
        try:
            known = data.store.annotations(place)
        except StriateError as error:
            problems["unreadable-marks"].append(Problem(row, str(error)))
            groups.append("")
            continue
        groups.append(known.group)
        objects[row] = known.objects
        classes += _classes(known, data.task, len(classes))
        for check, fact, box in _problems(known, data, data.store.size_of(place)):
            problems[check].append(Problem(row, fact, box))
    return Marked(objects, classes, tuple(groups), dict(problems))


Wrong = tuple[str, str, Box | None]  # name of the check, fact, box


def _problems(known: Annotations, data: Dataset, size: tuple[int, int]) -> Iterator[Wrong]:
    if known.boxes is not None and len(known.boxes):
        yield from _box_problems(known.boxes, size)
        yield from _twice(known)
    if known.box_classes is not None:
        for number in known.box_classes.tolist():
            if not 0 <= number < len(data.classes):
                yield "unknown-class", f"an object of class {number} of {len(data.classes)}", None
    if known.masks is not None:
        yield from _mask_problems(known, size)
    if known.regions is not None:
        yield from _region_problems(known.regions, len(data.classes), size)
    if known.keypoints is not None:
        points = known.keypoints[known.keypoints[..., 2] > 0]
        limits = torch.tensor([size[1], size[0]], dtype=points.dtype) + OUTSIDE
        out = int(((points[:, :2] < -OUTSIDE) | (points[:, :2] > limits)).any(1).sum())
        if out:
            yield "points-outside", f"{out} of {len(points)} points outside {size[1]}x{size[0]}", None


def _box_problems(boxes: Tensor, size: tuple[int, int]) -> Iterator[Wrong]:
    height, width = size
    for left, top, right, bottom in boxes.tolist():
        box = (left, top, right, bottom)
        words = f"box {left:.0f} {top:.0f} {right:.0f} {bottom:.0f} on {width}x{height}"
        across, down = right - left, bottom - top
        if not (across > 0 and down > 0):
            yield "empty-boxes", words, box
            continue
        if min(left, top) < -OUTSIDE or right > width + OUTSIDE or bottom > height + OUTSIDE:
            yield "boxes-outside", words, box
        if min(across, down) < SLIVER or across * down < SPECK * width * height:
            yield "tiny-boxes", words, box
        inside = max(0.0, min(right, width) - max(left, 0.0)) * max(0.0, min(bottom, height) - max(top, 0.0))
        if inside >= WHOLE * width * height:
            yield "whole-image-boxes", words, box


def _twice(known: Annotations) -> Iterator[Wrong]:
    boxes = known.boxes
    if boxes is None or len(boxes) < 2:
        return
    kinds = known.box_classes if known.box_classes is not None else torch.zeros(len(boxes), dtype=torch.int64)
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    other = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (other - corner).clamp_min(0.0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp_min(0.0).prod(1)
    union = area[:, None] + area[None] - shared
    alike = (shared >= TWICE * union) & (union > 0) & (kinds[:, None] == kinds[None])
    if known.crowd is not None:
        alike &= ~(known.crowd[:, None] | known.crowd[None])
    for first, second in alike.triu(1).nonzero().tolist():
        left, top, right, bottom = boxes[second].tolist()
        yield "repeated-boxes", f"objects {first + 1} and {second + 1} have one box", (left, top, right, bottom)


def _mask_problems(known: Annotations, size: tuple[int, int]) -> Iterator[Wrong]:
    masks = known.masks
    if masks is None or not len(masks):
        return
    if tuple(masks.shape[1:]) != size:
        yield "mask-size", f"masks of {masks.shape[2]}x{masks.shape[1]} on an image of {size[1]}x{size[0]}", None
        return
    if known.boxes is not None and len(known.boxes) != len(masks):
        yield "mask-boxes", f"{len(masks)} masks and {len(known.boxes)} boxes", None
        return
    for number, mask in enumerate(masks):
        down, across = mask.any(1).nonzero().reshape(-1), mask.any(0).nonzero().reshape(-1)
        if not len(down):
            yield "empty-masks", f"the mask of object {number + 1} is empty", None
        elif known.boxes is not None:
            edge = [int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1]
            left, top, right, bottom = known.boxes[number].tolist()
            shared = max(0.0, min(right, edge[2]) - max(left, edge[0])) * max(
                0.0, min(bottom, edge[3]) - max(top, edge[1])
            )
            union = (right - left) * (bottom - top) + (edge[2] - edge[0]) * (edge[3] - edge[1]) - shared
            if union <= 0 or shared / union < ASTRAY:
                yield (
                    "mask-boxes",
                    f"object {number + 1}: box {left:.0f} {top:.0f} {right:.0f} {bottom:.0f}, its mask lies in "
                    f"{edge[0]} {edge[1]} {edge[2]} {edge[3]}",
                    (left, top, right, bottom),
                )


def _region_problems(regions: Tensor, classes: int, size: tuple[int, int]) -> Iterator[Wrong]:
    if tuple(regions.shape) != size:
        yield "mask-size", f"a map of {regions.shape[1]}x{regions.shape[0]} on an image of {size[1]}x{size[0]}", None
    counts = torch.bincount(regions.reshape(-1).to(torch.int64), minlength=256)
    beyond = [value for value in counts.nonzero().reshape(-1).tolist() if value >= classes and value != VOID]
    if beyond:
        share = float(counts[beyond].sum()) / regions.numel()
        named = ", ".join(map(str, beyond[:6]))
        yield "unknown-class", f"values {named} where there are {classes} classes, {100 * share:.1f} % of the map", None
    if int(counts[VOID]) == regions.numel():
        yield "empty-masks", "a map in which no pixel has a class", None


def _classes(known: Annotations, task: str, count: int) -> Tensor:
    """Objects of each class on one image; for regions, 1 for each class that it shows."""
    if task == "regions" and known.regions is not None:
        return (torch.bincount(known.regions.reshape(-1).to(torch.int64), minlength=256)[:count] > 0).to(torch.int64)
    if known.box_classes is None:
        return torch.zeros(count, dtype=torch.int64)
    inside = known.box_classes[(known.box_classes >= 0) & (known.box_classes < count)]
    return torch.bincount(inside, minlength=count)
