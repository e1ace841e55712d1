"""What `evaluate` gives: every figure of a classifier on one split, with intervals and counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.core.number import Number

NOT_COMPUTED = Number.missing("not computed")


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest: the four counts and every figure that follows from them.

    A figure whose denominator is 0 is a Number without value that says so. Proportions carry Wilson intervals.
    ``confidence`` is the mean confidence of the images predicted to be of the class.
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
    kappa: Number = NOT_COMPUTED
    confidence: Number = NOT_COMPUTED


@dataclass(frozen=True)
class Average:
    """The figures of the classes averaged; a class for which one is 0/0 is left out of it, and ``why`` counts them."""

    precision: Number
    recall: Number
    f1: Number
    specificity: Number = NOT_COMPUTED
    negative_predictive_value: Number = NOT_COMPUTED
    false_positive_rate: Number = NOT_COMPUTED
    false_negative_rate: Number = NOT_COMPUTED
    false_discovery_rate: Number = NOT_COMPUTED
    false_omission_rate: Number = NOT_COMPUTED
    accuracy: Number = NOT_COMPUTED
    balanced_accuracy: Number = NOT_COMPUTED
    matthews: Number = NOT_COMPUTED
    kappa: Number = NOT_COMPUTED
    prevalence: Number = NOT_COMPUTED
    positive_likelihood_ratio: Number = NOT_COMPUTED
    negative_likelihood_ratio: Number = NOT_COMPUTED
    diagnostic_odds_ratio: Number = NOT_COMPUTED


@dataclass(frozen=True)
class Averages:
    """Micro: counts pooled. Macro: classes weigh alike. Weighted: classes weigh by support.

    ``balanced_accuracy``, ``matthews`` and ``kappa`` are of the whole confusion matrix, not means over the classes.
    """

    micro: Average
    macro: Average
    weighted: Average
    balanced_accuracy: Number = NOT_COMPUTED
    matthews: Number = NOT_COMPUTED
    kappa: Number = NOT_COMPUTED


@dataclass(frozen=True)
class ClassCurve:
    """One class against the rest, ordered by its probability.

    Attributes:
        name: The class.
        auc: Area under the ROC curve.
        average_precision: Area under the precision-recall curve, as a sum of steps.
        roc: (false positive rate, true positive rate) of at most 60 thresholds; empty where it was left out.
        precision_recall: (recall, precision) of at most 60 thresholds; empty where it was left out.
    """

    name: str
    auc: Number
    average_precision: Number
    roc: tuple[tuple[float, float], ...] = ()
    precision_recall: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Curves:
    """ROC and precision-recall curves of every class against the rest.

    Attributes:
        classes: One each; with many classes only the weakest keep their points.
        macro_auc: Mean over the classes.
        weighted_auc: Mean by support.
        macro_average_precision: Mean over the classes.
        weighted_average_precision: Mean by support.
        positive: With two classes the one that counts as positive, the second; else empty.
    """

    classes: tuple[ClassCurve, ...]
    macro_auc: Number
    weighted_auc: Number
    macro_average_precision: Number
    weighted_average_precision: Number
    positive: str = ""


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose confidence lies in (low, high]: how many, their mean confidence, the share that is right."""

    low: float
    high: float
    n: int
    confidence: Number
    accuracy: Number


@dataclass(frozen=True)
class BrierDecomposition:
    """The Brier score taken apart: ``reliability - resolution + uncertainty + within``.

    Attributes:
        reliability: How far the probabilities are from the frequencies; 0 is best.
        resolution: How far the frequencies of the bins are from those of all; higher is better.
        uncertainty: Of the labels themselves.
        within: What the width of the bins leaves.
    """

    reliability: Number
    resolution: Number
    uncertainty: Number
    within: Number


@dataclass(frozen=True)
class Scaling:
    """Logits divided by one temperature that was fitted on the dev split; the figures after it are of this split.

    Attributes:
        temperature: Above 1 where the net is too sure; missing where there was no dev split to fit it on.
        ece: Calibration error after it.
        loss: Mean cross-entropy after it, in nats.
        fitted_on: Where it was fitted, ``"dev, 6,000 images"``, or empty.
    """

    temperature: Number
    ece: Number
    loss: Number
    fitted_on: str = ""


@dataclass(frozen=True)
class Calibration:
    """How far confidence can be believed.

    Attributes:
        ece: Expected calibration error, bins of equal width.
        brier: Brier score summed over the classes, in [0, 2].
        confidence: Mean confidence.
        bins: Those of ``ece``.
        adaptive: Calibration error over bins of equally many images.
        classwise: Mean of ``classes``.
        classes: Calibration error of each class's probability.
        highest: The largest gap of a bin.
        parts: The Brier score taken apart.
        scaling: What one temperature makes of it.
    """

    ece: Number
    brier: Number
    confidence: Number
    bins: tuple[CalibrationBin, ...]
    adaptive: Number = NOT_COMPUTED
    classwise: Number = NOT_COMPUTED
    classes: tuple[Number, ...] = ()
    highest: Number = NOT_COMPUTED
    parts: BrierDecomposition | None = None
    scaling: Scaling = Scaling(NOT_COMPUTED, NOT_COMPUTED, NOT_COMPUTED)


@dataclass(frozen=True)
class RiskAt:
    """Share wrong of the most confident images: of which share, at which confidence at least, how many wrong."""

    coverage: float
    threshold: float
    risk: Number


@dataclass(frozen=True)
class Risk:
    """What is gained where the net may decline to answer.

    Attributes:
        points: (coverage, share wrong) from the most confident image to all, at most 60.
        aurc: Area under the curve: mean share wrong over all coverages.
        excess: ``aurc`` above that of the best order these mistakes allow.
        at: At coverages of 50, 80, 90 and 95 %.
    """

    points: tuple[tuple[float, float], ...]
    aurc: Number
    excess: Number
    at: tuple[RiskAt, ...]


@dataclass(frozen=True)
class Operation:
    """A threshold on the positive class's probability, how it was chosen, and what it gives on this split.

    ``cost`` is the mean cost of an image, where costs are given.
    """

    rule: str
    threshold: Number
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    recall: Number
    precision: Number
    false_positive_rate: Number
    accuracy: Number
    f1: Number
    cost: Number = NOT_COMPUTED


@dataclass(frozen=True)
class Operating:
    """Operating points of a classifier of two classes.

    Attributes:
        positive: The class that counts as positive: the second.
        chosen_on: Split on which the thresholds were chosen; where it is the measured one the figures flatter.
        points: The first is the threshold 0.5.
    """

    positive: str
    chosen_on: str
    points: tuple[Operation, ...]


@dataclass(frozen=True)
class ClassThreshold:
    """The threshold on one class's probability with the highest F1, and what it gives on this split."""

    name: str
    threshold: Number
    precision: Number
    recall: Number
    f1: Number
    chosen_on: str


@dataclass(frozen=True)
class Slice:
    """Images that share something, against all others.

    Attributes:
        name: What they share, ``"brightness below 0.21"``.
        kind: By what: ``"class"``, ``"property"`` (of the pixels), ``"attribute"`` (said in the data), ``"pair"``.
        by: Names of the attributes: one, two for a pair.
        n: How many.
        accuracy: Share of them that is right.
        rest: Share right of all others.
        difference: ``accuracy - rest``.
        p: Chance of so low an accuracy by luck (Fisher's exact test), corrected for all slices tried.
        weak: Whether they are weaker than the rest beyond chance, by an amount worth a word, and not merely because of
            another weak slice.
        within: Name of the weak slice because of which this one is below the rest beyond chance; else empty.
        rows: Rows in the split of at most 12 mistakes, the most confident first; only of weak slices.
        merged: Weak slices that this one explains.
        pictures: Album keys of ``rows``, where pictures were made.
    """

    name: str
    kind: str
    by: tuple[str, ...]
    n: int
    accuracy: Number
    rest: Number
    difference: Number
    p: float
    weak: bool
    within: str = ""
    rows: tuple[int, ...] = ()
    merged: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slices:
    """Slices, and how many were tried.

    Attributes:
        tried: Slices and pairs of slices that were looked at.
        correction: How their number was allowed for.
        weak: How many are weak and explained by no other.
        rows: Those first, then the others, weakest first; at most 300.
    """

    tried: int
    correction: str
    weak: int
    rows: tuple[Slice, ...]


@dataclass(frozen=True)
class Suspect:
    """An image whose label looks wrong.

    Attributes:
        row: Row in its split.
        split: ``"train"``, ``"dev"`` or ``"test"``.
        name: Name of the image.
        label: The label it has.
        label_name: Name of that class.
        suggested: The class that it looks like.
        suggested_name: Name of that class.
        quality: In [0, 1]: low is suspect.
        confidence: Probability given to the suggested class.
        picture: Key of the picture in the report's album, or empty.
    """

    row: int
    split: str
    name: str
    label: int
    label_name: str
    suggested: int
    suggested_name: str
    quality: float
    confidence: float
    picture: str = ""


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
        slices: Places, among the rows of the slices, of the weak ones that it belongs to.
    """

    row: int
    name: str
    label: int
    predicted: int
    confidence: float
    probability: float
    picture: str = ""
    slices: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelNoise:
    """How many labels contradict a net that is sure, beyond what its own mistakes make.

    Attributes:
        rate: Share of labels that look wrong.
        p: Chance of so many if no label were wrong and one temperature made the net as right as it is sure.
    """

    rate: Number
    p: float


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
        curves: ROC and precision-recall curves by class.
        risk: Share wrong over the share answered.
        operating: Operating points; two classes only.
        thresholds: The best threshold of each class against the rest.
        slices: Images that share something, against the rest; None where nothing was sliced.
        suspects: Labels that look wrong, the most suspect first, at most 200.
        noise: How many labels look wrong in all.
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
    curves: Curves | None = None
    risk: Risk | None = None
    operating: Operating | None = None
    thresholds: tuple[ClassThreshold, ...] = ()
    slices: Slices | None = None
    suspects: tuple[Suspect, ...] = ()
    noise: LabelNoise | None = None
