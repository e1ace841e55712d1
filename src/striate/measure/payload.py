"""What `evaluate` gives: every figure of a classifier on one split, with intervals and counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.core.number import Number


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest: the four counts and every figure that follows from them.

    A figure whose denominator is 0 is a Number without value that says so. Proportions carry Wilson intervals.
    """

    name: str
    support: int
    predicted: int
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: Number
    recall: Number
    f1: Number
    specificity: Number
    negative_predictive_value: Number
    false_positive_rate: Number
    false_negative_rate: Number
    false_discovery_rate: Number
    false_omission_rate: Number
    accuracy: Number
    balanced_accuracy: Number
    matthews: Number
    prevalence: Number
    positive_likelihood_ratio: Number
    negative_likelihood_ratio: Number
    diagnostic_odds_ratio: Number


@dataclass(frozen=True)
class Average:
    """Precision, recall and F1 averaged over the classes that occur."""

    precision: Number
    recall: Number
    f1: Number


@dataclass(frozen=True)
class Averages:
    """Micro: counts pooled. Macro: classes weigh alike. Weighted: classes weigh by support."""

    micro: Average
    macro: Average
    weighted: Average


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose confidence lies in (low, high]: how many, their mean confidence, the share that is right."""

    low: float
    high: float
    n: int
    confidence: Number
    accuracy: Number


@dataclass(frozen=True)
class Calibration:
    """How far confidence can be believed: expected calibration error (equal widths), Brier score, mean confidence."""

    ece: Number
    brier: Number
    confidence: Number
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        row: Row in the split.
        name: Name of the image (file name, or number in its set).
        label: True class.
        predicted: Predicted class.
        confidence: Probability of the predicted class.
        probability: Probability of the true class.
        picture: Key of the picture in the report's album, or empty.
    """

    row: int
    name: str
    label: int
    predicted: int
    confidence: float
    probability: float
    picture: str = ""


@dataclass(frozen=True)
class Evaluation:
    """A classifier measured on one split.

    Attributes:
        n: Images measured.
        accuracy: Share right, Wilson 95 % interval.
        top5: Share whose label is among the five highest outputs; missing below six classes.
        loss: Mean cross-entropy in nats, interval from its standard error.
        chance: Accuracy of always naming the most frequent class.
        confusion: ``confusion[label][predicted]``, counts.
        classes: Figures by class.
        averages: Micro, macro, weighted.
        calibration: Reliability.
        mistakes: The most confident first, at most 200.
        names: Names of the classes.
        net_names: The net's own names of them, where it has any; they may be spelled differently.
    """

    n: int
    accuracy: Number
    top5: Number
    loss: Number
    chance: Number
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassFigures, ...]
    averages: Averages
    calibration: Calibration
    mistakes: tuple[Mistake, ...] = field(default=())
    names: tuple[str, ...] = field(default=())
    net_names: tuple[str, ...] = field(default=())
