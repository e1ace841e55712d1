"""What `evaluate` gives on data with any number of labels an image."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class LabelAverage:
    """Precision, recall and F1, averaged in one way."""

    precision: Number
    recall: Number
    f1: Number


@dataclass(frozen=True)
class LabelAverages:
    """Micro: counts pooled. Macro: classes weigh alike. Weighted: by their images. Samples: images weigh alike."""

    micro: LabelAverage
    macro: LabelAverage
    weighted: LabelAverage
    samples: LabelAverage


@dataclass(frozen=True)
class LabelFigures:
    """One label: how many images have it and are said to, the threshold on its probability, and what that gives."""

    name: str
    support: int
    predicted: int
    threshold: float
    precision: Number
    recall: Number
    f1: Number
    average_precision: Number
    auc: Number


@dataclass(frozen=True)
class LabelMistake:
    """One image whose labels are not all right.

    Attributes:
        row: Row in the split.
        name: Name of the image.
        missed: Labels that it has and that are not said.
        added: Labels that are said and that it has not.
        loss: Mean cross-entropy over its labels, in nats.
        picture: Key of the picture in the report's album, or empty.
    """

    row: int
    name: str
    missed: tuple[str, ...]
    added: tuple[str, ...]
    loss: float
    picture: str = ""


@dataclass(frozen=True)
class MultiLabelEvaluation:
    """A net measured on images with any number of labels.

    Attributes:
        n: Images measured.
        exact_match: Share of images with every label right.
        hamming_loss: Share of wrong decisions.
        loss: Mean cross-entropy over images and labels, in nats.
        mean_average_precision: Average precision of each label, averaged.
        ranking_loss: Share of pairs of a true and another label that are wrongly ordered.
        coverage_error: How many labels one has to go down to find all true ones.
        label_ranking_precision: Share of true labels among those at or above each true one.
        averages: Micro, macro, weighted, over samples.
        classes: Figures by label.
        thresholds_from: ``"dev"``, or ``"0.5 for every label"``.
        mistakes: Highest loss first, at most 200.
        names: Names of the labels.
    """

    n: int
    exact_match: Number
    hamming_loss: Number
    loss: Number
    mean_average_precision: Number
    ranking_loss: Number
    coverage_error: Number
    label_ranking_precision: Number
    averages: LabelAverages
    classes: tuple[LabelFigures, ...]
    thresholds_from: str
    mistakes: tuple[LabelMistake, ...] = ()
    names: tuple[str, ...] = ()
