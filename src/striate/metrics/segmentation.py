"""Figures of class maps: how well every pixel is named, over a whole set of images.

All are ratios of pixels summed over the set, as the benchmarks have it; the mean of the images' own ratios is another
number (`PixelCounts.image_iou` has those). Intervals come from drawing images, since pixels of one image go together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .image_intervals import drawn_figures, interval_over_images, over

VOID = 255  # the label of pixels that count for nothing, as PASCAL VOC writes it
RIGHT, LABELLED, PREDICTED = range(3)  # the columns of counts
_OVERALL = 5  # accuracy, mean accuracy, mean IoU, weighted IoU, mean Dice


@dataclass(frozen=True)
class ClassRegion:
    """How well the pixels of one class are found.

    Attributes:
        iou: Pixels right over pixels labelled or predicted as the class.
        dice: Twice the pixels right over the sum of both areas.
        accuracy: Pixels right over pixels labelled as the class.
        labelled: Its pixels by the labels.
        predicted: Its pixels by the predictions.
        images: In how many images it is labelled or predicted.
    """

    iou: Number
    dice: Number
    accuracy: Number
    labelled: int
    predicted: int
    images: int


@dataclass(frozen=True)
class SegmentationFigures:
    """Figures of class maps over a whole set.

    Attributes:
        images: How many were counted.
        pixels: Pixels that were counted.
        void: Pixels that were left out.
        accuracy: Share of pixels right.
        mean_accuracy: Mean over the classes that are labelled of the share of their pixels right.
        mean_iou: Mean over classes of IoU over the whole set.
        weighted_iou: The same, weighted by labelled pixels.
        mean_dice: Mean over classes of Dice.
        classes: The figures of each class.
    """

    images: int
    pixels: int
    void: int
    accuracy: Number
    mean_accuracy: Number
    mean_iou: Number
    weighted_iou: Number
    mean_dice: Number
    classes: tuple[ClassRegion, ...]


@dataclass(frozen=True)
class ImageIou:
    """IoU of each class in each image alone, for slices and for finding the worst images.

    Attributes:
        values: Shape (images, classes) float64, 0 where not defined.
        defined: Where the class is labelled or predicted in the image, bool.
    """

    values: Tensor
    defined: Tensor

    def means(self) -> tuple[Number, ...]:
        """The mean over the classes of each image."""
        found = self.defined.sum(1).tolist()
        sums = self.values.sum(1).tolist()
        nothing = Number.missing("0/0: no pixel is counted")
        return tuple(Number(total / n, n=n) if n else nothing for total, n in zip(sums, found, strict=True))


@dataclass(frozen=True)
class PixelCounts:
    """Pixels counted class by class and image by image, in batches of any size; every update gives a new value.

    It holds three whole numbers for each image and class, however large the images are.

    Attributes:
        void: The label that is left out, or None.
        matrix: Pixels of all images, shape (K, K) int64: rows are labels, columns predictions.
        parts: For each update, shape (n, K, 3) int64: pixels right, labelled and predicted.
        left_out: Pixels with the void label.
    """

    void: int | None
    matrix: Tensor
    parts: tuple[Tensor, ...] = ()
    left_out: int = 0

    @classmethod
    def empty(cls, classes: int, *, void: int | None = VOID) -> PixelCounts:
        """Nothing counted yet; ``void`` is a label outside ``range(classes)``."""
        if classes < 1:
            raise StriateError(f"classes is {classes}", accepted="a whole number of at least 1")
        if void is not None and 0 <= void < classes:
            raise StriateError(
                f"void is {void}, which is one of {classes} classes", accepted="a number of no class, or None"
            )
        return cls(void, torch.zeros(classes, classes, dtype=torch.int64))

    @property
    def counts(self) -> Tensor:
        """Pixels right, labelled and predicted, shape (images, K, 3) int64, in the order of the updates."""
        return torch.cat([self.matrix.new_zeros(0, len(self.matrix), 3), *self.parts])

    def update(self, labels: Tensor, predicted: Tensor) -> PixelCounts:
        """With these images added: class numbers, shape (H, W) or (n, H, W); predictions at void pixels do not count.

        Raises:
            StriateError: The two differ in shape, are no whole numbers, or hold a number that is no class.
        """
        classes = len(self.matrix)
        truth, guess = class_maps(labels, predicted)
        matrix, left_out = self.matrix.clone(), self.left_out
        part = torch.zeros(len(truth), classes, 3, dtype=torch.int64)
        for row, (one, other) in enumerate(zip(truth, guess, strict=True)):
            named, found = counted_pixels(one, other, classes, void=self.void, image=row)
            cells = torch.bincount(named * classes + found, minlength=classes * classes).view(classes, classes)
            part[row] = torch.stack([cells.diagonal(), cells.sum(1), cells.sum(0)], dim=1)
            matrix += cells
            left_out += one.numel() - len(named)
        return PixelCounts(self.void, matrix, (*self.parts, part), left_out)

    def merge(self, other: PixelCounts) -> PixelCounts:
        """Both counted together; the other's images come behind."""
        if self.matrix.shape != other.matrix.shape or self.void != other.void:
            raise StriateError(
                f"{len(self.matrix)} classes (void {self.void}) and {len(other.matrix)} (void {other.void})",
                accepted="counts of the same classes and void label",
            )
        parts = (*self.parts, *other.parts)
        return PixelCounts(self.void, self.matrix + other.matrix, parts, self.left_out + other.left_out)

    def image_iou(self) -> ImageIou:
        """IoU of each class in each image alone."""
        counts = self.counts.to(torch.float64)
        found = over(counts[..., RIGHT], counts[..., LABELLED] + counts[..., PREDICTED] - counts[..., RIGHT])
        return ImageIou(found.nan_to_num(0.0), ~found.isnan())

    def compute(self, *, seed: int = 0) -> SegmentationFigures:
        """All figures, with intervals by 1,000 draws of images from ``seed``.

        A class that is neither labelled nor predicted has no IoU and no Dice and is left out of the means; one that is
        only predicted has IoU 0 and counts. In a draw that misses a rare class its means are over the others.
        """
        counts = self.counts
        images, classes = counts.shape[:2]
        values = _figures(counts.sum(0, keepdim=True).to(torch.float64))[0].tolist()
        drawn = drawn_figures(counts, _figures, seed=seed)
        nothing = "0/0: no images" if images == 0 else "0/0: all pixels are void"
        totals = counts.sum(0)
        absent = _left_out((totals[:, LABELLED] + totals[:, PREDICTED]) == 0, "absent from labels and predictions")
        unlabelled = _left_out(totals[:, LABELLED] == 0, "without labelled pixels")
        reasons = ("", unlabelled, absent, "", absent)
        overall = [
            interval_over_images(values[i], drawn[:, i], images, why=nothing if math.isnan(values[i]) else why)
            for i, why in enumerate(reasons)
        ]

        def of_class(figure: int, number: int, why: str) -> Number:
            place = _OVERALL + figure * classes + number
            said = why if math.isnan(values[place]) else ""
            return interval_over_images(values[place], drawn[:, place], images, why=said)

        unseen, unnamed = "0/0: the class is neither labelled nor predicted", "0/0: no pixel of the class"
        occurs = (counts[..., LABELLED] + counts[..., PREDICTED] > 0).sum(0).tolist()
        each = tuple(
            ClassRegion(
                of_class(0, k, unseen), of_class(1, k, unseen), of_class(2, k, unnamed), labelled, predicted, occurs[k]
            )
            for k, (_, labelled, predicted) in enumerate(totals.tolist())
        )
        return SegmentationFigures(
            images=images,
            pixels=int(self.matrix.sum()),
            void=self.left_out,
            accuracy=overall[0],
            mean_accuracy=overall[1],
            mean_iou=overall[2],
            weighted_iou=overall[3],
            mean_dice=overall[4],
            classes=each,
        )


def segmentation_figures(
    labels: Tensor, predicted: Tensor, classes: int, *, void: int | None = VOID, seed: int = 0
) -> SegmentationFigures:
    """Accuracy, IoU and Dice of class maps (n, H, W) over all their pixels; labels that are ``void`` do not count.

    >>> truth, guess = torch.tensor([[0, 0, 1, 255]]), torch.tensor([[0, 1, 1, 1]])
    >>> float(segmentation_figures(truth, guess, 2).mean_iou)
    0.5

    Source: Long, Shelhamer & Darrell 2015, "Fully convolutional networks", section 5; IoU of a whole set as Everingham
    et al. 2010, section 4.3. Dice divides by the sum of both areas (Dice 1945), not by their union as some slides do.
    """
    return PixelCounts.empty(classes, void=void).update(labels, predicted).compute(seed=seed)


def class_maps(labels: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
    """Both as int64 on the CPU, shape (n, H, W).

    Raises:
        StriateError: They differ in shape, are no maps, or hold no whole numbers.
    """
    if labels.shape != predicted.shape or labels.dim() not in (2, 3):
        raise StriateError(
            f"labels have shape {tuple(labels.shape)} and predictions {tuple(predicted.shape)}",
            accepted="two class maps (H, W), or two batches (n, H, W), of one shape",
        )
    for name, values in (("labels", labels), ("predictions", predicted)):
        if values.is_floating_point() or values.is_complex():
            raise StriateError(
                f"{name} are {values.dtype}", accepted="class numbers (integers)", hint="the argmax over classes"
            )
    truth, guess = (each.detach().cpu().to(torch.int64) for each in (labels, predicted))
    return (truth[None], guess[None]) if truth.dim() == 2 else (truth, guess)


def counted_pixels(
    labels: Tensor, predicted: Tensor, classes: int, *, void: int | None, image: int = 0
) -> tuple[Tensor, Tensor]:
    """Labels and predictions of the pixels of one image that are not void, as two vectors.

    Raises:
        StriateError: One is outside ``range(classes)``; the message holds the image and the pixel.
    """
    keep = torch.ones_like(labels, dtype=torch.bool) if void is None else labels != void
    kept = labels[keep], predicted[keep]
    for name, values, whole in (("label", kept[0], labels), ("prediction", kept[1], predicted)):
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < classes:
            y, x = (keep & ((whole < 0) | (whole >= classes))).nonzero()[0].tolist()
            also = "" if void is None else f", or {void} for void labels"
            raise StriateError(
                f"the {name} of image {image} at row {y}, column {x} is {int(whole[y, x])}",
                accepted=f"0 to {classes - 1}{also}",
            )
    return kept


def _figures(sums: Tensor) -> Tensor:
    """The five figures of all classes, then IoU, Dice and accuracy of each, of sums (n, K, 3); NaN for 0/0."""
    right, labelled, predicted = sums.unbind(-1)
    total = labelled.sum(1)
    iou = over(right, labelled + predicted - right)
    dice = over(2 * right, labelled + predicted)
    accuracy = over(right, labelled)
    weighted = over((iou.nan_to_num(0.0) * labelled).sum(1), total)
    overall = [over(right.sum(1), total), accuracy.nanmean(1), iou.nanmean(1), weighted, dice.nanmean(1)]
    return torch.cat([torch.stack(overall, dim=1), iou, dice, accuracy], dim=1)


def _left_out(rows: Tensor, words: str) -> str:
    numbers = rows.nonzero().flatten().tolist()
    if not numbers:
        return ""
    shown = ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
    return f"left out, {words}: class {shown}"
