"""Why detections are wrong: badly placed, wrongly named, both, found twice, nothing there; and objects missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from striate.core.errors import StriateError

from .average_precision_voc import left_aside, overlap_table, voc_matching
from .detection import Detections, Of, Truths, check_image

Kind = Literal["hit", "localisation", "classification", "both", "duplicate", "background", "aside"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BACKGROUND = 0.1


@dataclass(frozen=True)
class ErrorCounts:
    """How the detections of a class went, and its objects that nothing came near.

    Attributes:
        hit: Found an object.
        localisation: Overlaps an object of its class, too little.
        classification: Overlaps an object of another class well.
        both: Overlaps an object of another class, too little.
        duplicate: Overlaps well an object that is found already.
        background: Overlaps nothing.
        aside: Overlaps a difficult object, which does not count.
        missed: Objects of the class that no hit found and no badly placed or wrongly named detection points at.
    """

    hit: int = 0
    localisation: int = 0
    classification: int = 0
    both: int = 0
    duplicate: int = 0
    background: int = 0
    aside: int = 0
    missed: int = 0


@dataclass(frozen=True, eq=False)
class ImageErrors:
    """What became of each detection of an image, in their order, and which objects were missed, (m,) bool."""

    kinds: tuple[Kind, ...]
    missed: Tensor


@dataclass(frozen=True)
class ErrorTally:
    """Errors counted image by image; every update gives a new value.

    Attributes:
        classes: How many classes there are.
        threshold: The IoU from which a detection is well placed.
        of: Whether ``"boxes"`` or ``"masks"`` are compared.
        table: Counts, shape (classes, kinds and missed) int64.
        images: How many images they are of.
    """

    classes: int
    threshold: float
    of: Of
    table: Tensor
    images: int = 0

    @classmethod
    def empty(cls, classes: int, *, threshold: float = 0.5, of: Of = "boxes") -> ErrorTally:
        """Nothing counted yet."""
        if classes < 1 or not BACKGROUND < threshold <= 1:
            raise StriateError(
                f"{classes} classes at an IoU of {threshold}",
                accepted=f"at least 1 class, an IoU above {BACKGROUND} and at most 1",
            )
        return cls(classes, threshold, of, torch.zeros(classes, len(KINDS) + 1, dtype=torch.int64))

    def update(self, truths: Truths, detections: Detections) -> ErrorTally:
        """With this image added."""
        check_image(truths, detections, self.classes, self.of, image=self.images)
        found = image_errors(truths, detections, threshold=self.threshold, of=self.of)
        table = self.table.clone()
        for number, kind in zip(detections.classes.tolist(), found.kinds, strict=True):
            table[number, KINDS.index(kind)] += 1
        table[:, -1] += torch.bincount(truths.classes[found.missed], minlength=self.classes)
        return ErrorTally(self.classes, self.threshold, self.of, table, self.images + 1)

    def merge(self, other: ErrorTally) -> ErrorTally:
        """Both counted together."""
        mine = (self.classes, self.threshold, self.of)
        if mine != (other.classes, other.threshold, other.of):
            raise StriateError("errors counted in two ways do not add up", accepted="one threshold, kind and classes")
        return ErrorTally(*mine, self.table + other.table, self.images + other.images)

    def compute(self) -> tuple[ErrorCounts, ...]:
        """The counts of each class."""
        return tuple(ErrorCounts(*row) for row in self.table.tolist())


def detection_errors(
    truths: Sequence[Truths],
    detections: Sequence[Detections],
    classes: int,
    *,
    threshold: float = 0.5,
    of: Of = "boxes",
) -> tuple[ErrorCounts, ...]:
    """What became of the detections of each class, of images in the same order.

    Source: Bolya, Foley, Hays & Hoffman 2020, "TIDE", section 2.2; hits are those of VOC's matching, and the counts
    are given, not what each kind costs in average precision.
    """
    if len(truths) != len(detections):
        raise StriateError(f"truths of {len(truths)} images and detections of {len(detections)}", accepted="as many")
    tally = ErrorTally.empty(classes, threshold=threshold, of=of)
    for truth, found in zip(truths, detections, strict=True):
        tally = tally.update(truth, found)
    return tally.compute()


def image_errors(truths: Truths, detections: Detections, *, threshold: float = 0.5, of: Of = "boxes") -> ImageErrors:
    """What became of each detection of one image: the first kind that fits, in the order of Bolya et al. 2020."""
    hits, counts, best = voc_matching(truths, detections, threshold=threshold, of=of)
    asked = ~left_aside(truths)
    overlaps = overlap_table(detections, truths, of) * asked
    same = detections.classes[:, None] == truths.classes[None]
    reached = torch.zeros(len(truths), dtype=torch.bool)
    kinds: list[Kind] = []
    for row in range(len(detections)):
        if not bool(counts[row]):
            kinds.append("aside")
            continue
        if bool(hits[row]):
            reached[best[row]] = True
            kinds.append("hit")
            continue
        own, other = overlaps[row] * same[row], overlaps[row] * ~same[row]
        high, wide = (float(each.max()) if len(each) else 0.0 for each in (own, other))
        if BACKGROUND <= high < threshold:
            reached[own.argmax()] = True
            kinds.append("localisation")
        elif wide >= threshold:
            reached[other.argmax()] = True
            kinds.append("classification")
        elif high >= threshold:
            kinds.append("duplicate")
        else:
            kinds.append("both" if wide > BACKGROUND else "background")
    return ImageErrors(tuple(kinds), asked & ~reached)
