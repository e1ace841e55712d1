"""Measures of classifiers, segmenters and detectors, from counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from striate.metrics.average_precision_voc import PrecisionRecall
from striate.metrics.binary import Counts
from striate.metrics.boxes import box_iou
from striate.metrics.segmentation import segmentation_figures

from .claims import SAME, Computed, claim, holds
from .draw import boxes, curves

UNDEFINED = "-"  # a ratio whose denominator is 0, as the sources print it


def figures_of(counts: Counts) -> dict[str, float | str]:
    """Every figure of a two-class table, by its usual short name."""
    found = {
        "accuracy": counts.accuracy,
        "precision PPV": counts.precision,
        "FDR": counts.false_discovery_rate,
        "recall TPR": counts.recall,
        "FNR": counts.false_negative_rate,
        "FPR": counts.false_positive_rate,
        "specificity TNR": counts.specificity,
        "NPV": counts.negative_predictive_value,
        "FOR": counts.false_omission_rate,
        "LR+": counts.positive_likelihood_ratio,
        "LR-": counts.negative_likelihood_ratio,
        "DOR": counts.diagnostic_odds_ratio,
        "F1": counts.f1,
        "MCC": counts.matthews,
        "prevalence": counts.prevalence,
    }
    return {name: UNDEFINED if number.value is None else number.value for name, number in found.items()}


def tumour() -> Computed:
    """One tumour in nine is found, and the accuracy is .91 all the same."""
    found = figures_of(Counts(tp=1, fp=1, fn=8, tn=90))
    right = {
        "precision PPV": 0.5,
        "FDR": 0.5,
        "recall TPR": 0.1111,
        "FNR": 0.8889,
        "FPR": 0.0110,
        "specificity TNR": 0.9890,
        "NPV": 0.9184,
        "FOR": 0.0816,
        "LR+": 10.1111,
        "LR-": 0.8988,
        "DOR": 11.25,
        "F1": 0.1818,
        "MCC": 0.2047,
        "prevalence": 0.09,
    }
    always_benign = figures_of(Counts(tp=0, fp=0, fn=9, tn=91))["accuracy"]
    return Computed(
        (
            claim("accuracy", found["accuracy"], 0.91, says=SAME),
            claim("accuracy of always saying benign", always_benign, 0.91),
            *(claim(name, found[name], value, tolerance=5e-5) for name, value in right.items()),
        )
    )


LEVER: Mapping[str, tuple[tuple[int, int, int, int], Sequence[float | str]]] = {  # TP FP FN TN; ac sn pr F1 MCC
    "a1": ((0, 0, 1, 4), (0.8, 0.0, "-", 0.0, -1.0)),
    "a2": ((4, 1, 0, 0), (0.8, 1.0, 0.8, 0.9, "-")),
    "a3": ((4, 1, 1, 4), (0.8, 0.8, 0.8, 0.8, 0.6)),
    "b1": ((4, 1, 1, 0), (0.7, 0.8, 0.8, 0.8, -0.2)),
    "b2": ((4, 0, 1, 1), (0.8, 0.8, 1.0, 0.9, 0.6)),
    "b3": ((4, 1, 1, 4), (0.8, 0.8, 0.8, 0.8, 0.6)),
    "c1": ((4, 1, 0, 0), (0.8, 1.0, 0.8, 0.9, "-")),
    "c2": ((4, 1, 5, 0), (0.4, 0.4, 0.8, 0.6, -0.3)),
    "c3": ((4, 1, 0, 4), (0.9, 1.0, 0.8, 0.9, 0.8)),
}


def lever_table() -> Computed:
    """Nine small classifiers: the same accuracy hides different mistakes."""
    claims = []
    for name, (counts, printed) in LEVER.items():
        found = figures_of(Counts(*counts))
        ours = [found[key] for key in ("accuracy", "recall TPR", "precision PPV", "F1", "MCC")]
        right = [*printed[:4], UNDEFINED] if name == "a1" else list(printed)
        note = "the slide prints MCC -1, but it is 0/0: nothing is predicted positive; Lever et al. 2016"
        what = f"{name}: TP FP FN TN {' '.join(map(str, counts))}: accuracy, recall, precision, F1, MCC"
        claims.append(claim(what, ours, right, says=list(printed), tolerance=0.05, note=note if name == "a1" else ""))
    return Computed(tuple(claims))


def f_beta() -> Computed:
    """F-beta weighs recall beta times as much as precision."""
    counts, betas = Counts(tp=1, fp=1, fn=8, tn=90), (0.5, 1.0, 2.0)  # precision .5, recall 1/9
    ours = [float(counts.f_beta(beta)) for beta in betas]
    slide = [round(score * (1 + beta) ** 2 / (1 + beta**2), 4) for score, beta in zip(ours, betas, strict=True)]
    note = "the lecture writes (1 + b)^2 for 1 + b^2, which doubles F1; van Rijsbergen 1979, chapter 7"
    return Computed((claim("F.5, F1, F2", ours, [0.2941, 0.1818, 0.1316], says=slide, tolerance=5e-5, note=note),))


def roc_points(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1); equal scores enter together."""
    levels = torch.unique(scores).flip(0)
    accepted = scores[None] >= levels[:, None]
    positives = (accepted & labels).sum(1) / labels.sum()
    negatives = (accepted & ~labels).sum(1) / (~labels).sum()
    zero = torch.zeros(1)
    return torch.cat([zero, negatives]), torch.cat([zero, positives])


def roc_auc() -> Computed:
    """The area under the ROC curve is the share of (positive, negative) pairs in the right order, ties half."""
    labels = torch.arange(400) % 3 == 0
    scores = (torch.randn(400) + 1.2 * labels).mul(4).round() / 4  # quarters, so that there are ties
    fpr, tpr = roc_points(scores, labels)
    area = torch.trapezoid(tpr.double(), fpr.double())
    gaps = scores[labels][:, None] - scores[~labels][None]
    pairs = ((gaps > 0).double() + 0.5 * (gaps == 0).double()).mean()
    note = "the lecture prints TPR = TP/(TP + FP), which is precision; it is TP/(TP + FN), Fawcett 2006"
    picture = curves(
        f"The area is {float(area):.3f}; chance is .5",
        {"classifier": (fpr.tolist(), tpr.tolist()), "chance": ([0, 1], [0, 1])},
        x_label="false positive rate",
        y_label="true positive rate",
        size=(460, 380),
    )
    return Computed(
        (
            claim("area under the curve less share of ordered pairs", area - pairs, 0.0, tolerance=1e-6, note=note),
            holds("the classifier is better than chance", float(area) > 0.5),
        ),
        picture,
    )


def seg_metrics() -> Computed:
    """Nothing is found in an image that is 95 % background, and the figures still look fair."""
    truth = torch.zeros(10, 10, dtype=torch.int64)
    truth[0, :5] = 1
    found = segmentation_figures(truth, torch.zeros_like(truth), 2)
    wrong = 2 * float(found.classes[0].iou)
    note = (
        "the slide prints 47.5 % and divides twice the overlap by the union, which would give "
        f"{wrong:.3g} for the background; Dice divides by the sum of the areas (Dice 1945)"
    )
    return Computed(
        (
            claim("pixel accuracy", found.accuracy.value, 0.95, says=SAME),
            claim("mean IoU", found.mean_iou.value, 0.475, says=SAME),
            claim("mean Dice", found.mean_dice.value, 0.4872, says=0.475, tolerance=5e-5, note=note),
        )
    )


def ap_example() -> Computed:
    """Ten ranked detections, five of them hits, of five objects."""
    found = PrecisionRecall(torch.tensor([letter == "T" for letter in "TTFFFTTFFT"]), objects=5)
    precision, recall, hits = found.precision.tolist(), found.recall.tolist(), int(found.hits.sum())
    columns = [1, 1, 0.67, 0.5, 0.4, 0.5, 0.57, 0.5, 0.44, 0.5]
    picture = curves(
        f"Average precision {float(found.area()):.3f} is the area under the envelope",
        {"precision": (recall, precision), "envelope": (recall, found.envelope.tolist())},
        x_label="recall",
        y_label="precision",
        size=(520, 340),
    )
    return Computed(
        (
            claim("precision by rank", precision, columns, says=SAME, tolerance=0.0051),
            claim("recall by rank", recall, [0.2, 0.4, 0.4, 0.4, 0.4, 0.6, 0.8, 0.8, 0.8, 1.0], says=SAME),
            claim("all-point AP", found.area().value, 0.728571, note="Everingham et al. 2010, as VOC from 2010 on"),
            claim("11-point AP", found.sampled(11).value, 0.753247, note="VOC to 2009"),
            claim("101-point AP", found.sampled(101).value, 0.731259, note="COCO; Lin et al. 2014"),
            claim("sum of steps", found.steps().value, 0.714286),
            claim("TP, FP, FN at the end", [hits, 10 - hits, 5 - hits], [5, 5, 0]),
        ),
        picture,
    )


def suppress(overlaps: Tensor, drops: Callable[[float], bool]) -> list[int]:
    """Greedy non-maximum suppression of boxes sorted by score, from their IoU (n, n): the places of those kept."""
    kept: list[int] = []
    for i, row in enumerate(overlaps.tolist()):
        if not any(drops(row[j]) for j in kept):
            kept.append(i)
    return kept


def nms_example() -> Computed:
    """Two overlaps are exactly one half: whether they go depends on >= or >."""
    placed = [(0, 0, 10, 10), (1, 1, 11, 11), (0, 0, 10, 5), (20, 20, 30, 30), (0, 0, 10, 20)]
    overlaps = box_iou(torch.tensor(placed), torch.tensor(placed))
    at_least = suppress(overlaps, lambda overlap: overlap >= 0.5)
    above = suppress(overlaps, lambda overlap: overlap > 0.5)
    note = "torchvision drops above the threshold only, the lecture's rule at the threshold too"
    shapes = {str(i + 1): (float(a), float(b), float(c), float(d)) for i, (a, b, c, d) in enumerate(placed)}
    return Computed(
        (
            claim("IoU of box 1 with 2, 3, 4, 5", overlaps[0, 1:], [81 / 119, 0.5, 0, 0.5]),
            claim("kept where IoU >= .5 drops", [i + 1 for i in at_least], [1, 4], note=note),
            claim("kept where IoU > .5 drops", [i + 1 for i in above], [1, 3, 4, 5]),
        ),
        boxes("Boxes 3 and 5 overlap box 1 by exactly one half", shapes, size=(420, 420)),
    )
