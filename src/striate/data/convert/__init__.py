"""Converters between PASCAL VOC, COCO and images with masks: every pixel and every number comes through.

Images are copied byte for byte where they lie in files. What a format has no place for stands in a field, element or
file named ``striate``, which the readers of all three formats read again; what cannot be kept is refused aloud.
"""

from __future__ import annotations

from .coco import write_coco
from .masks import write_masks
from .target import Written
from .voc import write_voc

__all__ = ["Written", "write_coco", "write_masks", "write_voc"]
