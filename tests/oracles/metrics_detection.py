"""Average precision detection by detection: COCO's evaluation and VOC's development kit as plain loops over lists.

An object is a dictionary with image, class, cells (its pixels, a set), area, crowd, difficult; a detection has a score
instead of the marks. Overlaps are counted pixel by pixel, so boxes here have whole numbers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Thing = dict[str, Any]
AREAS = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))


def cells(box: tuple[int, int, int, int], scale: int = 1) -> set[tuple[int, int]]:
    """Squares of a box left, top, right, bottom whose edges are multiples of ``scale``."""
    left, top, right, bottom = (edge // scale for edge in box)
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


def overlap(detection: Thing, thing: Thing) -> float:
    both = len(detection["cells"] & thing["cells"])
    below = len(detection["cells"]) if thing["crowd"] else len(detection["cells"] | thing["cells"])
    return both / below if below else 0.0


def coco_image(
    truths: list[Thing], found: list[Thing], threshold: float, area: int, most: int
) -> list[tuple[Any, ...]]:
    """Score, whether matched and whether set aside of the surest detections of one class in one image."""
    low, high = AREAS[area]
    marked = [(bool(each["crowd"]) or not low <= each["area"] <= high, each) for each in truths]
    marked = [pair for pair in marked if not pair[0]] + [pair for pair in marked if pair[0]]
    taken = [False] * len(marked)
    rows = []
    for detection in sorted(found, key=lambda each: -each["score"])[:most]:
        best, at_least = None, min(threshold, 1 - 1e-10)
        for place, (aside, thing) in enumerate(marked):
            if taken[place] and not thing["crowd"]:
                continue
            if best is not None and not marked[best][0] and aside:
                break  # a real object is never given up for one that is set aside
            if overlap(detection, thing) >= at_least:
                best, at_least = place, overlap(detection, thing)
        if best is None:
            rows.append((detection["score"], False, not low <= detection["area"] <= high))
        else:
            taken[best] = True
            rows.append((detection["score"], True, marked[best][0]))
    return rows


def coco_cell(
    truths: list[Thing], found: list[Thing], *, images: int, threshold: float, area: int, most: int
) -> tuple[list[float], float] | None:
    """Precision at 101 recalls and the largest recall, of one class at one IoU; None without objects."""
    low, high = AREAS[area]
    asked = sum(not each["crowd"] and low <= each["area"] <= high for each in truths)
    if asked == 0:
        return None
    rows: list[tuple[Any, ...]] = []
    for image in range(images):
        of_image = [[each for each in things if each["image"] == image] for things in (truths, found)]
        rows += coco_image(of_image[0], of_image[1], threshold, area, most)
    rows.sort(key=lambda row: -row[0])
    right = wrong = 0
    points = []
    for _, matched, aside in rows:
        right += matched and not aside
        wrong += not matched and not aside
        points.append((right / asked, right / (right + wrong) if right + wrong else 0.0))
    levels = np.linspace(0, 1, 101)
    curve = [max((p for r, p in points if r >= level), default=0.0) for level in levels]
    return curve, points[-1][0] if points else 0.0


def coco_twelve(truths: list[Thing], found: list[Thing], images: int, classes: int) -> list[float | None]:
    """AP, AP50, AP75, AP by area; AR with 1, 10, 100 detections, AR by area; None where nothing is asked for."""
    thresholds = list(np.linspace(0.5, 0.95, 10))

    def each(area: int, most: int, chosen: list[float]) -> list[tuple[list[float], float]]:
        cells_ = []
        for k in range(classes):
            mine = [[thing for thing in things if thing["class"] == k] for things in (truths, found)]
            cells_ += [
                coco_cell(mine[0], mine[1], images=images, threshold=threshold, area=area, most=most)
                for threshold in chosen
            ]
        return [cell for cell in cells_ if cell is not None]

    def ap(area: int = 0, chosen: list[float] = thresholds) -> float | None:
        values = [p for curve, _ in each(area, 100, chosen) for p in curve]
        return sum(values) / len(values) if values else None

    def ar(area: int = 0, most: int = 100) -> float | None:
        values = [recall for _, recall in each(area, most, thresholds)]
        return sum(values) / len(values) if values else None

    return [
        ap(), ap(chosen=thresholds[:1]), ap(chosen=thresholds[5:6]), ap(1), ap(2), ap(3),
        ar(most=1), ar(most=10), ar(most=100), ar(1), ar(2), ar(3),
    ]  # fmt: skip


def voc_ranks(truths: list[Thing], found: list[Thing], threshold: float) -> tuple[list[tuple[float, int, int]], int]:
    """Score, hit and miss (neither for a difficult object) of one class's detections over all images, and objects."""
    taken: set[int] = set()
    rows = []
    for detection in sorted(found, key=lambda each: -each["score"]):
        best, highest = None, -1.0
        for place, thing in enumerate(truths):
            if thing["image"] == detection["image"]:
                value = len(detection["cells"] & thing["cells"]) / max(len(detection["cells"] | thing["cells"]), 1)
                if value > highest:
                    best, highest = place, value
        if best is None or highest < threshold:
            rows.append((detection["score"], 0, 1))
        elif truths[best]["difficult"]:
            rows.append((detection["score"], 0, 0))
        elif best in taken:
            rows.append((detection["score"], 0, 1))
        else:
            taken.add(best)
            rows.append((detection["score"], 1, 0))
    return rows, sum(not thing["difficult"] for thing in truths)


def points(rows: list[tuple[float, int, int]], objects: int) -> list[tuple[Fraction, Fraction]]:
    """Recall and precision after each detection that counts."""
    right = wrong = 0
    found = []
    for _, hit, miss in rows:
        right, wrong = right + hit, wrong + miss
        if hit or miss:
            found.append((Fraction(right, objects), Fraction(right, right + wrong)))
    return found


def area_under(curve: list[tuple[Fraction, Fraction]]) -> Fraction:
    """VOC from 2010 on: precision made to fall, summed where recall changes."""
    recall = [Fraction(0), *(r for r, _ in curve), Fraction(1)]
    precision = [Fraction(0), *(p for _, p in curve), Fraction(0)]
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum(((b - a) * p for a, b, p in zip(recall, recall[1:], precision[1:], strict=False)), Fraction(0))


def at_levels(curve: list[tuple[Fraction, Fraction]], levels: int) -> Fraction:
    """Mean of the best precision at or beyond equally spaced recalls."""
    spaced = [Fraction(k, levels - 1) for k in range(levels)]
    return (
        sum((max((p for r, p in curve if r >= level), default=Fraction(0)) for level in spaced), Fraction(0)) / levels
    )
