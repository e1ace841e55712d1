"""What `learning-curve` gives: errors by size, the gaps between them, a power law, the lever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from striate.core.number import Number

Lever = Literal["bias", "variance", "mismatch", "overfitted_dev", "none"]


@dataclass(frozen=True)
class Grown:
    """One training: so many images, one seed. Errors are shares of images that are wrong.

    Attributes:
        size: Training images.
        seed: Of the choice of images and of the training.
        epochs: Passes over them.
        train: On (at most 2,000 of) the images that it learnt from.
        train_dev: On images of the source of the training split that it did not learn from; None where dev is of that
            source itself.
        dev: On the dev split, which also chose the epoch.
        test: On the test split.
        run: Its run folder.
    """

    size: int
    seed: int
    epochs: int
    train: Number
    train_dev: Number | None
    dev: Number
    test: Number
    run: str


@dataclass(frozen=True)
class Gap:
    """The distance between two errors, and what it is called.

    Attributes:
        name: ``bias``, ``variance``, ``mismatch`` or ``overfitted_dev``.
        words: In words: from which error to which.
        value: Their difference, with its interval.
    """

    name: Lever
    words: str
    value: Number


@dataclass(frozen=True)
class Forecast:
    """The error that the power law gives for a size."""

    size: int
    error: Number


@dataclass(frozen=True)
class PowerLaw:
    """Error on test = floor + scale * size ^ -exponent.

    Attributes:
        scale: In front of the power.
        exponent: How fast the error falls.
        floor: What no amount of such data takes away.
        forecasts: At the sizes measured, and beyond.
        why: Why there is none, where the exponent has no value.
    """

    scale: Number
    exponent: Number
    floor: Number
    forecasts: tuple[Forecast, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class LearningCurve:
    """Errors over the size of the data.

    Attributes:
        net: What was trained.
        data: On what.
        recipe: How.
        points: Each training, by size and seed.
        human: Error of people, or what stands for the best there can be; None where it was not told.
        gaps: At the largest size, means over the seeds.
        law: Fitted to the errors on test.
        lever: The widest gap that is clear of 0.
    """

    net: str
    data: str
    recipe: str
    points: tuple[Grown, ...]
    human: float | None
    gaps: tuple[Gap, ...]
    law: PowerLaw
    lever: Lever
