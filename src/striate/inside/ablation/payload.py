"""What ablation gives: accuracy with units or layers switched off, in all and class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from striate.core.number import Number

How = Literal["zero", "mean", "resample"]
NOT_MEASURED = Number.missing("not measured")


@dataclass(frozen=True)
class Effect:
    """What switching off some units of a site changes.

    Attributes:
        site: The layer.
        units: The units that were switched off; empty stands for the whole layer.
        how: What stood in their place: zero, their mean over the data, their values on another image.
        accuracy: Accuracy without them.
        change: Change of the accuracy, paired by image, with its interval.
        classes: Change of each class's recall, in the order of the classes; 0 for a class without images.
        loss: Change of the cross-entropy, nats, paired by image, with its interval.
    """

    site: str
    units: tuple[int, ...]
    how: How
    accuracy: Number
    change: Number
    classes: tuple[float, ...] = ()
    loss: Number = NOT_MEASURED


@dataclass(frozen=True)
class Curve:
    """Accuracy as more and more units of a layer are switched off.

    Attributes:
        order: ``harm`` (those first whose removal alone costs most), ``size`` (those first that are largest on
            average), ``random``.
        removed: How many units are off at each point, from 0 to all.
        accuracy: Accuracy at each point.
    """

    order: str
    removed: tuple[int, ...]
    accuracy: tuple[Number, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy along the curve, by the trapezoid rule over the share of units that are off."""
        parts = zip(self.removed, self.removed[1:], self.accuracy, self.accuracy[1:], strict=False)
        area = sum((b - a) * (float(one) + float(other)) / 2 for a, b, one, other in parts)
        return area / max(self.removed[-1], 1)


@dataclass(frozen=True)
class Ablation:
    """What a net loses without layers, or without units of one layer.

    Attributes:
        site: The layer whose units were switched off; empty where whole layers were.
        n: Images.
        how: What stood in the place of what was switched off.
        baseline: Accuracy of the net as it is.
        names: Names of the classes.
        support: Images of each class.
        effects: One for each unit alone, or for each layer.
        whole: The layer as a whole; None where layers were switched off.
        curves: Units switched off one after the other.
        layers: Every layer switched off, beside the units of one; empty otherwise.
    """

    site: str
    n: int
    how: How
    baseline: Number
    names: tuple[str, ...]
    support: tuple[int, ...]
    effects: tuple[Effect, ...]
    whole: Effect | None = None
    curves: tuple[Curve, ...] = ()
    layers: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A net without some of its layers, trained from scratch.

    Attributes:
        removed: The layers that it lacks; empty for the whole net.
        parameters: Parameters that it has.
        train: Error on the training images.
        test: Error on the test images.
        change: Test error less that of the whole net, paired by image, with its interval.
        adapted: Layers that were rebuilt for what now comes into them.
        run: Its run folder.
    """

    removed: tuple[str, ...]
    parameters: int
    train: Number
    test: Number
    change: Number
    adapted: tuple[str, ...] = ()
    run: str = ""


@dataclass(frozen=True)
class Removal:
    """An architecture with layers removed, each variant trained by the same recipe from the same seed.

    Attributes:
        net: Name of the architecture.
        data: Name of the data.
        recipe: How all of them were trained.
        epochs: Passes over the training images.
        variants: The whole net first, then each without its layers.
    """

    net: str
    data: str
    recipe: str
    epochs: int
    variants: tuple[Variant, ...]
