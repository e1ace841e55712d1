"""What is known of an image beside its pixels: objects, regions, words; and how that moves with the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor

from striate.core.image import Geometry

VOID = 255  # the value of pixels that belong to no class and count for nothing, as PASCAL VOC writes it


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Everything that may be known of one image. Coordinates are pixels of the image as it is given with them.

    The left edge of the image is x = 0 and the right edge x = width: a box that covers the first pixel alone is
    (0, 0, 1, 1). Layouts that count pixels otherwise (PASCAL VOC from 1, both ends inside) are brought to this.

    Attributes:
        boxes: (objects, 4) float64: left, top, right, bottom; or None.
        box_classes: (objects,) int64, number of each object's class; or None.
        masks: (objects, H, W) bool, the pixels of each object; or None.
        regions: (H, W) uint8, the class of each pixel, `VOID` where there is none; or None.
        keypoints: (objects, points, 3) float64: x, y, and 0 not labelled, 1 hidden, 2 seen; or None.
        crowd: (objects,) bool: stands for many objects that were not told apart (COCO); or None.
        difficult: (objects,) bool: hard to recognise, not counted when measured (PASCAL VOC); or None.
        attributes: What else is known: ``{"colour": "red", "rotation": -12.5}``.
        caption: One sentence, or "".
        group: Images of one group (a person, a scene, a film) must not be torn apart by a split; "" for none.
    """

    boxes: Tensor | None = None
    box_classes: Tensor | None = None
    masks: Tensor | None = None
    regions: Tensor | None = None
    keypoints: Tensor | None = None
    crowd: Tensor | None = None
    difficult: Tensor | None = None
    attributes: Mapping[str, str | float] = field(default_factory=lambda: MappingProxyType({}))
    caption: str = ""
    group: str = ""

    @property
    def objects(self) -> int:
        """How many objects are marked."""
        for each in (self.boxes, self.masks, self.keypoints):
            if each is not None:
                return len(each)
        return 0

    def moved(self, geometry: Geometry, size: tuple[int, int]) -> Annotations:
        """The same, where the geometry puts the pixels of an image of this (H, W); boxes are cut at its edges."""
        height, width = geometry.resized(*size)
        top, left = round((height - geometry.size[0]) / 2), round((width - geometry.size[1]) / 2)
        across, down = width / size[1], height / size[0]
        boxes, points = self.boxes, self.keypoints
        if boxes is not None:
            scale = torch.tensor([across, down, across, down], dtype=boxes.dtype)
            boxes = boxes * scale - torch.tensor([left, top, left, top], dtype=boxes.dtype)
            limits = torch.tensor([geometry.size[1], geometry.size[0]] * 2, dtype=boxes.dtype)
            boxes = torch.minimum(boxes.clamp(min=0), limits)
        if points is not None:
            points = points.clone()
            points[..., 0] = points[..., 0] * across - left
            points[..., 1] = points[..., 1] * down - top
        nearest = Geometry(geometry.size, geometry.resize, geometry.crop, "nearest")
        masks, regions = self.masks, self.regions
        if masks is not None and len(masks):
            masks = nearest.apply(masks[:, None].to(torch.float32))[:, 0] > 0.5
        elif masks is not None:
            masks = masks.new_zeros((0, *geometry.size))
        if regions is not None:
            regions = nearest.apply(regions[None].to(torch.float32))[0].round().to(torch.uint8)
        return replace(self, boxes=boxes, keypoints=points, masks=masks, regions=regions)


NOTHING = Annotations()
