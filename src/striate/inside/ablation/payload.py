"""What ablation gives: accuracy with units or layers switched off, in all and class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from striate.core.number import Number

How = Literal["zero", "mean", "resample"]


@dataclass(frozen=True)
class Effect:
    """What switching off some units of a site changes.

    Attributes:
        site: The layer.
        units: The units that were switched off; empty stands for the whole layer.
        how: What stood in their place: zero, their mean over the data, their values on another image.
        accuracy: Accuracy without them.
        change: Change of the accuracy, paired by image, with its interval.
        classes: Change of each class's recall, in the order of the classes.
    """

    site: str
    units: tuple[int, ...]
    how: How
    accuracy: Number
    change: Number
    classes: tuple[float, ...] = ()
