"""Average precision as PASCAL VOC defines it, and the curve of precision and recall under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .bootstrap import DRAWS
from .boxes import box_iou
from .detection import Detections, Of, Truths, check_image, masks_of
from .image_intervals import image_draws, interval_over_images, over
from .runs import mask_iou

Points = Literal["all", "eleven"]
_NOTHING = "0/0: no object of the class"
_CELLS = 1 << 21  # draws times detections that are held at a time


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Detections of one class, surest first, against its objects.

    Attributes:
        hits: Whether each found an object that none before it had found, shape (n,) bool.
        objects: How many there are to be found.
        scores: The score of each, or None.

    >>> curve = PrecisionRecall(torch.tensor([True, False, True]), objects=4)
    >>> curve.recall.tolist()
    [0.25, 0.25, 0.5]
    >>> f"{curve.area().value:.4f}"
    '0.4167'
    """

    hits: Tensor
    objects: int
    scores: Tensor | None = None

    def __post_init__(self) -> None:
        if self.hits.dim() != 1 or int(self.hits.sum()) > self.objects or self.objects < 0:
            raise StriateError(
                f"{int(self.hits.sum())} hits (shape {tuple(self.hits.shape)}) of {self.objects} objects",
                accepted="a vector of hits, at most one for each object",
            )

    @property
    def precision(self) -> Tensor:
        """Share of hits among the detections up to each, float64."""
        return self._found() / torch.arange(1, len(self.hits) + 1)

    @property
    def recall(self) -> Tensor:
        """Share of the objects found up to each detection, float64; NaN where there are none."""
        return self._found() / self.objects if self.objects else torch.full(self.hits.shape, torch.nan)

    @property
    def envelope(self) -> Tensor:
        """The best precision at each recall or a higher one, float64."""
        return _best_from_here(self.precision)

    def area(self) -> Number:
        """Area under the envelope: the average precision of VOC from 2010 on.

        Source: Everingham, Eslami, Van Gool, Williams, Winn & Zisserman 2015, "The PASCAL visual object classes
        challenge: a retrospective", section 2.2.
        """
        if self.objects == 0:
            return Number(None, n=0, why=_NOTHING)
        return Number(float(self.envelope[self.hits].sum()) / self.objects, n=self.objects)

    def sampled(self, points: int) -> Number:
        """Mean of the envelope at ``points`` equally spaced recalls from 0 to 1: 11 in VOC to 2009, 101 in COCO.

        Recalls are compared as fractions; in floats 3 of 10 objects do not reach the recall 3 x 0.1.

        Source: Everingham, Van Gool, Williams, Winn & Zisserman 2010, section 4.2; Lin et al. 2014.
        """
        if points < 2:
            raise StriateError(f"points is {points}", accepted="a whole number of at least 2")
        if self.objects == 0:
            return Number(None, n=0, why=_NOTHING)
        levels = torch.arange(points) * self.objects
        first = torch.searchsorted(self.hits.cumsum(0) * (points - 1), levels)
        reached = torch.cat([self.envelope, torch.zeros(1, dtype=torch.float64)])[first]
        return Number(float(reached.sum()) / points, n=self.objects)

    def steps(self) -> Number:
        """Mean over the objects of the precision at which each is found, without an envelope; 0 for those missed."""
        if self.objects == 0:
            return Number(None, n=0, why=_NOTHING)
        return Number(float(self.precision[self.hits].sum()) / self.objects, n=self.objects)

    def _found(self) -> Tensor:
        return self.hits.cumsum(0).to(torch.float64)


@dataclass(frozen=True)
class VocClass:
    """The figures of one class.

    Attributes:
        ap: Its average precision.
        objects: Objects to be found (not difficult).
        detections: Detections that count: all but those of difficult objects.
        hits: How many of them found an object.
    """

    ap: Number
    objects: int
    detections: int
    hits: int


@dataclass(frozen=True)
class VocFigures:
    """Average precision of each class, and its mean over the classes that have objects."""

    mean_ap: Number
    classes: tuple[VocClass, ...]


@dataclass(frozen=True)
class _Image:
    """The detections of one image that count, surest first, and the objects of each class to be found."""

    scores: Tensor
    classes: Tensor
    hits: Tensor
    objects: Tensor


@dataclass(frozen=True)
class VocMatches:
    """Detections matched with objects image by image; every update gives a new value.

    It holds a score, a class and a hit for each detection, and no boxes.

    Attributes:
        classes: How many classes there are.
        threshold: The IoU from which a detection finds an object.
        of: Whether ``"boxes"`` or ``"masks"`` are compared.
        parts: What each image gave.
    """

    classes: int
    threshold: float = 0.5
    of: Of = "boxes"
    parts: tuple[_Image, ...] = ()

    def __post_init__(self) -> None:
        if self.classes < 1 or not 0 < self.threshold <= 1 or self.of not in ("boxes", "masks"):
            raise StriateError(
                f"{self.of!r} of {self.classes} classes at an IoU of {self.threshold}",
                accepted="'boxes' or 'masks' of at least 1 class at an IoU above 0 and at most 1",
            )

    def update(self, truths: Truths, detections: Detections) -> VocMatches:
        """With this image added."""
        check_image(truths, detections, self.classes, self.of, image=len(self.parts))
        hits, counts, _ = voc_matching(truths, detections, threshold=self.threshold, of=self.of)
        order = torch.sort(detections.scores, descending=True, stable=True).indices
        order = order[counts[order]]
        asked = truths.classes[~left_aside(truths)]
        part = _Image(
            detections.scores[order],
            detections.classes[order],
            hits[order],
            torch.bincount(asked, minlength=self.classes),
        )
        return VocMatches(self.classes, self.threshold, self.of, (*self.parts, part))

    def merge(self, other: VocMatches) -> VocMatches:
        """Both together; the other's images come behind."""
        mine = (self.classes, self.threshold, self.of)
        if mine != (other.classes, other.threshold, other.of):
            raise StriateError(
                f"matches of {mine} and {(other.classes, other.threshold, other.of)} do not add up",
                accepted="the same classes, threshold and kind",
            )
        return VocMatches(*mine, (*self.parts, *other.parts))

    def curve(self, number: int) -> PrecisionRecall:
        """Precision and recall of one class over all images; equal scores are ranked in the order given."""
        scores, hits, _ = self._ranked()[number]
        objects = sum(int(part.objects[number]) for part in self.parts)
        return PrecisionRecall(hits, objects, scores)

    def compute(self, *, points: Points = "all", seed: int = 0, draws: int = DRAWS) -> VocFigures:
        """The figures, with intervals by ``draws`` draws of images from ``seed``: none, or at least 100.

        Time and not memory grows with detections times draws: seconds for 40,000 detections and 1,000 draws.
        """
        if points not in ("all", "eleven"):
            raise StriateError(f"points is {points!r}", accepted="'all' or 'eleven'")
        images, ranked = len(self.parts), self._ranked()
        none = torch.zeros(0, self.classes, dtype=torch.int64)
        objects = torch.cat([none, *(part.objects[None] for part in self.parts)])
        curves = [PrecisionRecall(hits, int(objects[:, k].sum()), scores) for k, (scores, hits, _) in enumerate(ranked)]
        values = torch.tensor([float(_average(curve, points)) for curve in curves], dtype=torch.float64)
        drawn = torch.zeros(0, self.classes, dtype=torch.float64)
        if images > 1 and draws > 0:
            drawn = torch.cat(
                [
                    torch.stack(
                        [
                            _drawn_ap(times, hit, image, objects[:, k], points)
                            for k, (_, hit, image) in enumerate(ranked)
                        ],
                        dim=1,
                    )
                    for times in image_draws(images, seed=seed, draws=draws)
                ]
            )

        def number(value: float, of_draws: Tensor, why: str) -> Number:
            if draws > 0 or math.isnan(value):
                return interval_over_images(value, of_draws, images, why=why)
            return Number(value, n=images, why="no interval was asked for")

        absent = int(values.isnan().sum())
        every = f"left out, without objects: {absent} of {self.classes} classes" if absent else ""
        if absent == self.classes:
            every = "0/0: no objects"
        each = tuple(
            VocClass(
                number(float(values[k]), drawn[:, k], _NOTHING if curve.objects == 0 else ""),
                curve.objects,
                len(curve.hits),
                int(curve.hits.sum()),
            )
            for k, curve in enumerate(curves)
        )
        return VocFigures(number(float(values.nanmean()), drawn.nanmean(1), every), each)

    def _ranked(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For each class: scores, hits and image numbers of its detections, surest first."""
        empty = torch.zeros(0)
        scores = torch.cat([empty.to(torch.float64), *(part.scores for part in self.parts)])
        classes = torch.cat([empty.to(torch.int64), *(part.classes for part in self.parts)])
        hits = torch.cat([empty.to(torch.bool), *(part.hits for part in self.parts)])
        images = torch.repeat_interleave(
            torch.arange(len(self.parts)), torch.tensor([len(part.scores) for part in self.parts], dtype=torch.int64)
        )
        order = torch.sort(scores, descending=True, stable=True).indices
        found = []
        for k in range(self.classes):
            rows = order[classes[order] == k]
            found.append((scores[rows], hits[rows], images[rows]))
        return found


def voc_figures(
    truths: Sequence[Truths],
    detections: Sequence[Detections],
    classes: int,
    *,
    threshold: float = 0.5,
    points: Points = "all",
    of: Of = "boxes",
    seed: int = 0,
    draws: int = DRAWS,
) -> VocFigures:
    """VOC's average precision of each class, of images in the same order, with intervals by drawing images.

    ``points="eleven"`` is the figure of VOC 2007, ``"all"`` that of 2010 to 2012.

    Source: Everingham et al. 2010, section 4.2, and the development kit of the challenge: matching as `voc_matching`.
    """
    if len(truths) != len(detections):
        raise StriateError(f"truths of {len(truths)} images and detections of {len(detections)}", accepted="as many")
    matches = VocMatches(classes, threshold, of)
    for truth, found in zip(truths, detections, strict=True):
        matches = matches.update(truth, found)
    return matches.compute(points=points, seed=seed, draws=draws)


def voc_matching(
    truths: Truths, detections: Detections, *, threshold: float = 0.5, of: Of = "boxes"
) -> tuple[Tensor, Tensor, Tensor]:
    """Which detections of an image are hits, which count, and the object that each overlaps most (-1 for none).

    Detections choose in the order of their scores. Each looks at the object of its class that it overlaps most, be
    that taken or not: a hit where the IoU is at least ``threshold`` and no detection before had it; nothing at all
    where the object is difficult (or a crowd); else a miss. All of shape (n,), in the order of the detections.

    Source: Everingham et al. 2010, section 4.2, and the development kit. COCO looks for the best free object instead.
    """
    n = len(detections)
    hits, counts = torch.zeros(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)
    best = torch.full((n,), -1, dtype=torch.int64)
    if n == 0 or len(truths) == 0:
        return hits, counts, best
    overlaps = overlap_table(detections, truths, of).numpy()
    overlaps[detections.classes.numpy()[:, None] != truths.classes.numpy()[None]] = -1.0
    aside, taken = left_aside(truths), set()
    for row in torch.sort(detections.scores, descending=True, stable=True).indices.tolist():
        place = int(np.argmax(overlaps[row]))  # the first of equal ones
        if overlaps[row, place] > 0:
            best[row] = place
        if overlaps[row, place] < threshold:
            continue
        if aside[place]:
            counts[row] = False
        elif place not in taken:
            hits[row] = True
            taken.add(place)
    return hits, counts, best


def overlap_table(detections: Detections, truths: Truths, of: Of) -> Tensor:
    """IoU of each detection with each object of an image, whatever their classes, shape (n, m) float64."""
    if of == "masks":
        return mask_iou(masks_of(detections), masks_of(truths))
    return box_iou(detections.boxes, truths.boxes)


def left_aside(truths: Truths) -> Tensor:
    """Objects that are not asked for: difficult ones and crowds, shape (n,) bool."""
    aside = torch.zeros(len(truths), dtype=torch.bool)
    for marks in (truths.difficult, truths.crowd):
        if marks is not None:
            aside = aside | marks
    return aside


def _average(curve: PrecisionRecall, points: Points) -> Number:
    return curve.area() if points == "all" else curve.sampled(11)


def _best_from_here(precision: Tensor) -> Tensor:
    return precision.flip(-1).cummax(-1).values.flip(-1) if precision.numel() else precision


def _drawn_ap(times: Tensor, hits: Tensor, image: Tensor, objects: Tensor, points: Points) -> Tensor:
    """Average precision of one class in each draw, shape (draws,), NaN without objects.

    An image drawn twice counts twice, with equal scores; within a group of equal scores the envelope is the precision
    at its end, so that counts can stand for copies.
    """
    asked = times @ objects.to(torch.float64)
    if len(hits) == 0:
        return torch.where(asked > 0, 0.0, torch.nan)
    found = []
    step = max(1, _CELLS // len(hits))
    for some, n in zip(torch.split(times, step), torch.split(asked, step), strict=True):
        weights = some[:, image]
        right = weights * hits
        reached = right.cumsum(1)
        envelope = _best_from_here(over(reached, weights.cumsum(1)).nan_to_num(0.0))
        if points == "all":
            found.append(over((envelope * right).sum(1), n))
            continue
        levels = torch.arange(11, dtype=torch.float64) * n[:, None]
        first = torch.searchsorted(reached * 10, levels)
        padded = torch.cat([envelope, torch.zeros(len(envelope), 1, dtype=torch.float64)], dim=1)
        found.append(torch.where(n > 0, padded.gather(1, first).sum(1) / 11, torch.nan))
    return torch.cat(found)
