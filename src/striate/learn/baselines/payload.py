"""What `baselines` gives: every feature with every classifier, and nets beside the best of them."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class BaselineRow:
    """One feature with one classifier.

    Attributes:
        feature: Its name; "" for the majority class.
        classifier: Its name.
        accuracy: Share of the test images that it has right.
        dev: Share of the dev images: what its setting was chosen by.
        chosen: That setting, in words.
        seconds: CPU seconds of fitting the classifier and of its predictions; the feature's own stand with the feature.
        best: The best on dev of all.
    """

    feature: str
    classifier: str
    accuracy: Number
    dev: float
    chosen: str
    seconds: float
    best: bool = False

    @property
    def name(self) -> str:
        """``"hog, svm"``, or ``"majority"``."""
        return f"{self.feature}, {self.classifier}" if self.feature else self.classifier


@dataclass(frozen=True)
class FeatureRow:
    """One feature: what it is here, how many numbers, CPU seconds of all codes, training images learnt from."""

    name: str
    said: str
    width: int
    seconds: float
    train: int


@dataclass(frozen=True)
class NetRow:
    """One net on the same test images.

    Attributes:
        net: Its name.
        accuracy: Share right.
        difference: That less the accuracy of the best baseline, images in pairs.
        p: Chance of so uneven a table if both are equally good (McNemar, exact).
        only_net: Images that only the net has right.
        only_baseline: Images that only the baseline has right.
    """

    net: str
    accuracy: Number
    difference: Number
    p: float
    only_net: int
    only_baseline: int


@dataclass(frozen=True)
class Templates:
    """Weights of a linear classifier on the pixels as pictures, one a class; all share the limits, 0 in the middle."""

    classifier: str
    pictures: tuple[str, ...]
    limits: tuple[float, float]


@dataclass(frozen=True)
class Baselines:
    """Simple classifiers on features made by hand, on one test split.

    Attributes:
        data: What was measured.
        names: Its classes.
        n: Test images.
        train: Training images learnt from, at most.
        dev: Dev images that chose.
        size: Height and width.
        channels: Of an image.
        rows: The majority class first.
        features: Each feature.
        chance: Share of the test images that a guess by the class frequencies of train would have right, expected.
        confusion: Of the best on dev: rows are labels, columns predictions.
        templates: Of the linear classifier on the pixels; None for large images or where there is none.
        nets: Nets beside the best.
    """

    data: str
    names: tuple[str, ...]
    n: int
    train: int
    dev: int
    size: tuple[int, int]
    channels: int
    rows: tuple[BaselineRow, ...]
    features: tuple[FeatureRow, ...]
    chance: Number
    confusion: tuple[tuple[int, ...], ...] = ()
    templates: Templates | None = None
    nets: tuple[NetRow, ...] = ()

    @property
    def best(self) -> BaselineRow:
        """The best on dev."""
        return next(row for row in self.rows if row.best)

    @property
    def majority(self) -> BaselineRow:
        """The most frequent class for every image."""
        return self.rows[0]
