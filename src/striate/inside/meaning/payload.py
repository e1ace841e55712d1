"""What the search for meaning gives: for each unit the concept that it follows best, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class UnitLabel:
    """The concept whose masks a unit's thresholded activation meets best.

    Attributes:
        site: The unit's layer.
        unit: Its number, a channel.
        concept: The concept; empty where none is above chance.
        kind: Its kind: colour, texture, part, object, scene.
        iou: Intersection over union over all images, with its bootstrap interval over images.
        threshold: Activation above which a place counts as on.
        chance: 99th percentile of the intersection over union with shuffled masks.
    """

    site: str
    unit: int
    concept: str
    kind: str
    iou: Number
    threshold: float
    chance: float
