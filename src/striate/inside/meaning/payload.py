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
        nearest: The concept that ``iou`` and ``chance`` are of, also where it is no more than chance; empty for a dead
            unit, which is never on.
        above: All concepts above chance with their intersection over union, the best first.
    """

    site: str
    unit: int
    concept: str
    kind: str
    iou: Number
    threshold: float
    chance: float
    nearest: str = ""
    above: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class LayerMeaning:
    """What the units of a layer follow.

    Attributes:
        net: Name of the net.
        site: The layer.
        units: How many units were looked at.
        labelled: Share with a concept above chance, with its interval over units.
        kinds: Kinds of concepts, in the order of the table.
        shares: Share of units that follow a concept of each kind.
        unique: Different concepts of each kind that some unit follows.
    """

    net: str
    site: str
    units: int
    labelled: Number
    kinds: tuple[str, ...]
    shares: tuple[Number, ...]
    unique: tuple[int, ...]
