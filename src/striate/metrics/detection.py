"""Average precision and recall of detections as COCO defines them, by its evaluation code in C++."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .boxes import box_areas, checked_boxes, to_xywh
from .runs import RunLengths

Of = Literal["boxes", "masks"]
Masks = tuple[RunLengths, ...]
Exact = npt.NDArray[np.float64]
AREAS = ("of any area", "smaller than 32 x 32 pixels", "from 32 x 32 to 96 x 96 pixels", "larger than 96 x 96 pixels")
_EDGES = (0.0, 32.0**2, 96.0**2, 1e5**2)


@dataclass(frozen=True, eq=False)
class Truths:
    """The objects of one image.

    Attributes:
        boxes: (n, 4): left, top, right, bottom in pixels, see `striate.metrics.boxes`.
        classes: (n,) class numbers.
        masks: The pixels of each object: run lengths, or a tensor (n, H, W) that is turned into them; or None.
        crowd: (n,) bool: stands for many objects that were not told apart; None for nowhere.
        difficult: (n,) bool: neither asked for nor held against who finds it (PASCAL VOC); None for nowhere.
        areas: (n,) areas in square pixels by which COCO sorts objects; None takes those of the masks or the boxes.

    Raises:
        StriateError: One differs from the boxes in length, or a class is no whole number of at least 0.
    """

    boxes: Tensor
    classes: Tensor
    masks: Masks | Sequence[RunLengths] | Tensor | None = None
    crowd: Tensor | None = None
    difficult: Tensor | None = None
    areas: Tensor | None = None

    def __post_init__(self) -> None:
        _settle(self)
        for name in ("crowd", "difficult", "areas"):
            values = getattr(self, name)
            if values is not None:
                kind = torch.float64 if name == "areas" else torch.bool
                object.__setattr__(self, name, _vector(values, name, len(self.boxes)).to(kind))

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one image.

    Attributes:
        boxes: (n, 4): left, top, right, bottom in pixels.
        classes: (n,) class numbers.
        scores: (n,), higher is surer.
        masks: The pixels of each: run lengths, or a tensor (n, H, W) that is turned into them; or None.
        areas: As in `Truths`. COCO's tools take the boxes' areas, also for masks, where a file of results has boxes.

    Raises:
        StriateError: One differs from the boxes in length, or a score is not finite.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    masks: Masks | Sequence[RunLengths] | Tensor | None = None
    areas: Tensor | None = None

    def __post_init__(self) -> None:
        _settle(self)
        scores = _vector(self.scores, "scores", len(self.boxes)).to(torch.float64)
        if not bool(scores.isfinite().all()):
            row = int((~scores.isfinite()).nonzero()[0])
            raise StriateError(f"the score of detection {row} is {float(scores[row])}", accepted="finite numbers")
        object.__setattr__(self, "scores", scores)
        if self.areas is not None:
            areas = _vector(self.areas, "areas", len(self.boxes)).to(torch.float64)
            object.__setattr__(self, "areas", areas)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class CocoClass:
    """The figures of one class.

    Attributes:
        ap: Average precision over IoU .50, .55 to .95.
        ap50: At IoU .50.
        ap75: At IoU .75.
        ar: Largest recall with 100 detections an image, averaged over the same IoU.
        objects: Objects that are no crowd.
        detections: How many there are.
        precision: The curve at IoU .50: the best precision at recall 0, .01 to 1 or above; empty without objects.
    """

    ap: Number
    ap50: Number
    ap75: Number
    ar: Number
    objects: int
    detections: int
    precision: tuple[float, ...]


@dataclass(frozen=True)
class CocoFigures:
    """The twelve figures of COCO, and those of each class; ``ap`` averages over classes and IoU .50, .55 to .95."""

    of: str
    images: int
    ap: Number
    ap50: Number
    ap75: Number
    ap_small: Number
    ap_medium: Number
    ap_large: Number
    ar_1: Number
    ar_10: Number
    ar_100: Number
    ar_small: Number
    ar_medium: Number
    ar_large: Number
    classes: tuple[CocoClass, ...]

    @property
    def twelve(self) -> tuple[Number, ...]:
        """AP, AP50, AP75, AP by area, AR with 1, 10, 100 detections, AR by area: the order of COCO's own table."""
        by_precision = (self.ap, self.ap50, self.ap75, self.ap_small, self.ap_medium, self.ap_large)
        by_recall = (self.ar_1, self.ar_10, self.ar_100, self.ar_small, self.ar_medium, self.ar_large)
        return by_precision + by_recall


@dataclass(frozen=True)
class CocoEvaluation:
    """Images collected one by one for COCO's figures; every update gives a new value.

    Detections of all images are ranked together, so all are kept until `compute`.

    Attributes:
        classes: How many classes there are.
        of: Whether ``"boxes"`` or ``"masks"`` are compared.
        parts: Truths and detections of each image.
    """

    classes: int
    of: Of = "boxes"
    parts: tuple[tuple[Truths, Detections], ...] = ()

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise StriateError(f"classes is {self.classes}", accepted="a whole number of at least 1")
        if self.of not in ("boxes", "masks"):
            raise StriateError(f"of is {self.of!r}", accepted="'boxes' or 'masks'")

    def update(self, truths: Truths, detections: Detections) -> CocoEvaluation:
        """With this image added.

        Raises:
            StriateError: A class is not below ``classes``, or masks are asked for and missing or of two sizes.
        """
        check_image(truths, detections, self.classes, self.of, image=len(self.parts))
        return CocoEvaluation(self.classes, self.of, (*self.parts, (truths, detections)))

    def merge(self, other: CocoEvaluation) -> CocoEvaluation:
        """Both together; the other's images come behind."""
        if (self.classes, self.of) != (other.classes, other.of):
            raise StriateError(
                f"{self.of} of {self.classes} classes and {other.of} of {other.classes}", accepted="the same of both"
            )
        return CocoEvaluation(self.classes, self.of, (*self.parts, *other.parts))

    def compute(self) -> CocoFigures:
        """The figures, without intervals.

        Raises:
            StriateError: The package faster-coco-eval is not there.
        """
        precision, recall = _accumulated(self)
        objects = torch.zeros(self.classes, len(AREAS), dtype=torch.int64)
        for truths, _ in self.parts:
            real = torch.ones(len(truths), dtype=torch.bool) if truths.crowd is None else ~truths.crowd
            areas = areas_of(truths, self.of)
            for place in range(len(AREAS)):
                low, high = (0.0, _EDGES[-1]) if place == 0 else _EDGES[place - 1 : place + 1]
                chosen = truths.classes[real & (areas >= low) & (areas <= high)]
                objects[:, place] += torch.bincount(chosen, minlength=self.classes)
        found = torch.zeros(self.classes, dtype=torch.int64)
        for _, detections in self.parts:
            found += torch.bincount(detections.classes, minlength=self.classes)

        def number(values: Exact, n: int, area: int = 0, of_class: str = "") -> Number:
            defined = values[values > -1]
            if defined.size == 0:
                return Number(None, n=0, why=f"0/0: no object{of_class} {AREAS[area]}")
            return Number(float(defined.mean()), n=n, why="no interval: COCO's code ranks all images together")

        total = objects.sum(0).tolist()
        by_area = range(1, len(AREAS))
        ap, ap50, ap75 = (number(precision[rows, :, :, 0, -1], total[0]) for rows in (slice(None), 0, 5))
        ap_small, ap_medium, ap_large = (number(precision[:, :, :, a, -1], total[a], a) for a in by_area)
        ar_1, ar_10, ar_100 = (number(recall[:, :, 0, most], total[0]) for most in range(3))
        ar_small, ar_medium, ar_large = (number(recall[:, :, a, -1], total[a], a) for a in by_area)
        each = tuple(
            CocoClass(
                ap=number(precision[:, :, k, 0, -1], n, of_class=" of the class"),
                ap50=number(precision[0, :, k, 0, -1], n, of_class=" of the class"),
                ap75=number(precision[5, :, k, 0, -1], n, of_class=" of the class"),
                ar=number(recall[:, k, 0, -1], n, of_class=" of the class"),
                objects=n,
                detections=int(found[k]),
                precision=tuple(precision[0, :, k, 0, -1].tolist()) if n else (),
            )
            for k, n in enumerate(objects[:, 0].tolist())
        )
        return CocoFigures(
            self.of, len(self.parts), ap, ap50, ap75, ap_small, ap_medium, ap_large,
            ar_1, ar_10, ar_100, ar_small, ar_medium, ar_large, each,
        )  # fmt: skip


def coco_figures(
    truths: Sequence[Truths], detections: Sequence[Detections], classes: int, *, of: Of = "boxes"
) -> CocoFigures:
    """COCO's average precision and recall of boxes or masks, of images in the same order.

    At most 100 detections of a class in an image count, the surest. A detection is matched with the free object it
    overlaps most, and with a crowd where it matches no object; that costs and gains nothing, and neither do objects
    of another size than the one asked for. Equal scores are ranked in the order given.

    >>> one = torch.tensor([[0.0, 0.0, 50.0, 50.0]])
    >>> truths = Truths(one, torch.tensor([0]))
    >>> found = Detections(one, torch.tensor([0]), torch.tensor([0.9]))
    >>> coco_figures([truths], [found], 1).ap_small.why
    '0/0: no object smaller than 32 x 32 pixels'

    Source: Lin et al. 2014, "Microsoft COCO", and the evaluation code of its authors, through the package
    faster-coco-eval, which the extra ``detection`` brings. That code marks a figure without objects with -1; here it
    has no value.
    """
    if len(truths) != len(detections):
        raise StriateError(f"truths of {len(truths)} images and detections of {len(detections)}", accepted="as many")
    evaluation = CocoEvaluation(classes, of)
    for place, (truth, found) in enumerate(zip(truths, detections, strict=True)):
        check_image(truth, found, classes, of, image=place)
    return CocoEvaluation(evaluation.classes, of, tuple(zip(truths, detections, strict=True))).compute()


def areas_of(marked: Truths | Detections, of: Of) -> Tensor:
    """The areas by which COCO sorts: those given, else of the masks or the boxes, shape (n,) float64."""
    if marked.areas is not None:
        return marked.areas
    if of == "masks":
        return torch.tensor([mask.area for mask in masks_of(marked)], dtype=torch.float64)
    return box_areas(marked.boxes)


def masks_of(marked: Truths | Detections) -> Masks:
    """The masks as run lengths; none where there are none."""
    return marked.masks if isinstance(marked.masks, tuple) else ()


def check_image(truths: Truths, detections: Detections, classes: int, of: Of, *, image: int) -> None:
    """Refuses classes that do not exist, and masks that are missing or of two sizes, with the image's number."""
    for name, marked in (("object", truths), ("detection", detections)):
        over = (marked.classes >= classes).nonzero()
        if len(over):
            row = int(over[0])
            raise StriateError(
                f"the class of {name} {row} of image {image} is {int(marked.classes[row])}",
                accepted=f"0 to {classes - 1}",
            )
        if of == "masks" and len(marked) and marked.masks is None:
            raise StriateError(f"the {name}s of image {image} have no masks", accepted="masks, or of='boxes'")
    sizes = {mask.size for marked in (truths, detections) for mask in masks_of(marked)} if of == "masks" else set()
    if len(sizes) > 1:
        shown = " and ".join(f"{h} x {w}" for h, w in sorted(sizes))
        raise StriateError(f"masks of image {image} are of {shown} pixels", accepted="one height and width")


def _accumulated(evaluation: CocoEvaluation) -> tuple[Exact, Exact]:
    """Precision (IoU, recall, class, area, most detections) and recall (IoU, class, area, most), -1 for 0/0."""
    try:
        api: Any = importlib.import_module("faster_coco_eval.core.faster_eval_api")
        coco: Any = importlib.import_module("faster_coco_eval.core.coco")
    except ImportError as error:
        raise StriateError(
            f"COCO's average precision needs the package faster-coco-eval ({error})",
            hint="pip install 'striate[detection]', or voc_figures, which needs nothing more",
        ) from error
    images = []
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, (truths, detections) in enumerate(evaluation.parts, start=1):
        sizes = [mask.size for mask in (*masks_of(truths), *masks_of(detections))]
        height, width = sizes[0] if sizes else (1, 1)
        images.append({"id": number, "height": height, "width": width})
        crowd = torch.zeros(len(truths), dtype=torch.bool) if truths.crowd is None else truths.crowd
        for row, note in enumerate(_annotations(truths, evaluation.of, number)):
            truth.append({**note, "id": len(truth) + 1, "iscrowd": int(crowd[row])})
        scores = detections.scores.tolist()
        for row, note in enumerate(_annotations(detections, evaluation.of, number)):
            found.append({**note, "id": len(found) + 1, "iscrowd": 0, "score": scores[row]})
    categories = [{"id": k + 1, "name": str(k)} for k in range(evaluation.classes)]
    known, guessed = (
        coco.COCO({"images": images, "categories": categories, "annotations": notes}) for notes in (truth, found)
    )
    kind = {"boxes": "bbox", "masks": "segm"}[evaluation.of]
    code = api.COCOeval_faster(known, guessed, iouType=kind, rle_iou_max_workers=torch.get_num_threads())
    code.evaluate()
    code.accumulate()
    return np.asarray(code.eval["precision"], dtype=np.float64), np.asarray(code.eval["recall"], dtype=np.float64)


def _annotations(marked: Truths | Detections, of: Of, image: int) -> list[dict[str, Any]]:
    """What objects and detections have in common in COCO's format."""
    columns = zip(marked.classes.tolist(), to_xywh(marked.boxes).tolist(), areas_of(marked, of).tolist(), strict=True)
    notes: list[dict[str, Any]] = [
        {"image_id": image, "category_id": k + 1, "bbox": box, "area": area} for k, box, area in columns
    ]
    if of == "masks":
        for note, mask in zip(notes, masks_of(marked), strict=True):
            note["segmentation"] = mask.to_coco()
    return notes


def _settle(marked: Truths | Detections) -> None:
    """Brings boxes, classes and masks of a new value to their kinds."""
    boxes = checked_boxes(marked.boxes)
    classes = _vector(marked.classes, "classes", len(boxes))
    if classes.is_floating_point() or classes.dtype == torch.bool or bool((classes < 0).any()):
        raise StriateError(f"classes are {classes.tolist()[:8]}", accepted="class numbers from 0 (integers)")
    object.__setattr__(marked, "boxes", boxes)
    object.__setattr__(marked, "classes", classes.to(torch.int64))
    if marked.masks is not None:
        runs = tuple(each if isinstance(each, RunLengths) else RunLengths.of(each) for each in marked.masks)
        if len(runs) != len(boxes):
            raise StriateError(f"{len(runs)} masks for {len(boxes)} boxes", accepted="one for each")
        object.__setattr__(marked, "masks", runs)


def _vector(values: Tensor, name: str, n: int) -> Tensor:
    if values.shape != (n,):
        raise StriateError(f"{name} have shape {tuple(values.shape)}", accepted=f"({n},), one for each box")
    return values.detach().cpu()
