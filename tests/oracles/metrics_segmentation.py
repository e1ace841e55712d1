"""Figures of class maps pixel by pixel from their definitions: sets of pixels, whole numbers, fractions."""

from __future__ import annotations

import math
from fractions import Fraction

Map = list[list[int]]
Point = tuple[int, int]


def mean(values: list[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


def figures(labels: list[Map], predicted: list[Map], classes: int, void: int | None) -> dict[str, object]:
    """Accuracy, mean accuracy, mean IoU, weighted IoU, mean Dice and each class's own over all images together."""
    pairs = [
        (a, b)
        for one, other in zip(labels, predicted, strict=True)
        for row, row_ in zip(one, other, strict=True)
        for a, b in zip(row, row_, strict=True)
        if a != void
    ]
    iou: list[Fraction | None] = []
    dice: list[Fraction | None] = []
    accuracy: list[Fraction | None] = []
    weighted = Fraction(0)
    for k in range(classes):
        truth = {i for i, (a, _) in enumerate(pairs) if a == k}
        found = {i for i, (_, b) in enumerate(pairs) if b == k}
        both, either = len(truth & found), len(truth | found)
        iou.append(Fraction(both, either) if either else None)
        dice.append(Fraction(2 * both, len(truth) + len(found)) if either else None)
        accuracy.append(Fraction(both, len(truth)) if truth else None)
        if truth:
            weighted += Fraction(len(truth), len(pairs)) * Fraction(both, either)
    return {
        "accuracy": Fraction(sum(a == b for a, b in pairs), len(pairs)) if pairs else None,
        "mean_accuracy": mean([each for each in accuracy if each is not None]),
        "mean_iou": mean([each for each in iou if each is not None]),
        "weighted_iou": weighted if pairs else None,
        "mean_dice": mean([each for each in dice if each is not None]),
        "classes": list(zip(iou, dice, accuracy, strict=True)),
    }


def outline(mask: set[Point], counted: set[Point]) -> set[Point]:
    """Pixels of the mask with one of four neighbours counted and outside it."""
    steps = ((0, 1), (0, -1), (1, 0), (-1, 0))
    return {(y, x) for y, x in mask if any((y + i, x + j) in counted - mask for i, j in steps)}


def class_sets(labels: Map, predicted: Map, k: int, void: int | None) -> tuple[set[Point], set[Point], set[Point]]:
    places = {(y, x) for y, row in enumerate(labels) for x, _ in enumerate(row)}
    counted = {(y, x) for y, x in places if labels[y][x] != void}
    return (
        {(y, x) for y, x in counted if labels[y][x] == k},
        {(y, x) for y, x in counted if predicted[y][x] == k},
        counted,
    )


def near(points: set[Point], others: set[Point], distance: float) -> int:
    return sum(any(math.dist(p, q) <= distance for q in others) for p in points)


def boundary(labels: Map, predicted: Map, k: int, void: int | None, distance: float) -> tuple[int, int, int, int]:
    """Predicted outline pixels near the true outline and in all; true ones near the predicted and in all."""
    truth, found, counted = class_sets(labels, predicted, k, void)
    theirs, ours = outline(truth, counted), outline(found, counted)
    return near(ours, theirs, distance), len(ours), near(theirs, ours, distance), len(theirs)


def f_score(near_: int, ours: int, far: int, theirs: int) -> float | None:
    if ours + theirs == 0:
        return None
    if ours == 0 or theirs == 0 or near_ + far == 0:
        return 0.0
    precision, recall = near_ / ours, far / theirs
    return 2 * precision * recall / (precision + recall)


def most_pairs(points: list[Point], others: list[Point], distance: float) -> int:
    """The largest one-to-one matching within the distance, by trying every choice for each point."""
    if not points:
        return 0
    first, *rest = points
    best = most_pairs(rest, others, distance)
    for q in others:
        if math.dist(first, q) <= distance:
            best = max(best, 1 + most_pairs(rest, [each for each in others if each != q], distance))
    return best


def band(mask: set[Point], counted: set[Point], size: tuple[int, int], distance: int) -> set[Point]:
    """Pixels of the mask with a pixel outside it, or outside the image, within so many king's moves."""
    height, width = size
    outside = counted - mask
    for y in range(-1, height + 1):
        for x in range(-1, width + 1):
            if not (0 <= y < height and 0 <= x < width):
                outside = outside | {(y, x)}
    return {(y, x) for y, x in mask if any(max(abs(y - i), abs(x - j)) <= distance for i, j in outside)}
