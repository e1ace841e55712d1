"""What else may be doubted: slices of the images, labels, the confidence in single classes, a threshold."""

from __future__ import annotations

import shlex
from dataclasses import replace

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number
from striate.metrics.significance import binomial_tail, holm

from .case import ALPHA, Case, percent, sureness
from .payload import ClassFigures, Slice

SHOWN = 5  # findings of one kind; the rest is counted in the evidence
NOISE = 0.005  # share of wrong labels that is worth a word
SURER = 0.1  # confidence in a class above what is right of it, beyond that of the whole net
MENDS = {
    "brightness": "brightness",
    "contrast": "contrast",
    "sharpness": "blur",
    "colourfulness": "colour",
}  # properties of the pixels, and the words for what training can vary


def weak_slices(case: Case) -> list[Finding]:
    """Slices that are weak beyond chance and are no class, which has a finding of its own."""
    slices = case.evaluation.slices
    if slices is None:
        return []
    weak = [one for one in slices.rows if one.weak and one.kind != "class"]
    found = [_weak_slice(case, one) for one in weak[:SHOWN]]
    if len(weak) > SHOWN:
        more = Evidence(f"{len(weak) - SHOWN} more slices are below the rest")
        found[-1] = replace(found[-1], evidence=(*found[-1].evidence, more))
    return found


def _weak_slice(case: Case, one: Slice) -> Finding:
    gap = float(one.difference)
    half = 0.5 * float(one.rest)
    severity: Severity = "error" if float(one.accuracy) < half else "warning" if gap <= -0.1 else "note"
    more = (Evidence(f"explains also: {', '.join(one.merged[:SHOWN])}"),) if one.merged else ()
    return Finding(
        id=f"weak-slice/{one.name}",
        check="weak-slice",
        severity=severity,
        sure=sureness(one.p),
        seen=f"{one.name}: {percent(one.accuracy)} right against {percent(one.rest)}; these are {one.n:,} "
        f"of {case.n:,} images.",
        evidence=(
            Evidence(f"accuracy, {one.name}", one.accuracy),
            Evidence("accuracy of all others", one.rest),
            Evidence("difference", one.difference),
            Evidence("chance of it, corrected for the slices tried", Number(one.p, why="exact test")),
            *more,
        ),
        mend=_slice_mend(one),
        command=case.command("examine", "--out", "report.html"),
    )


def _slice_mend(one: Slice) -> str:
    varied = [MENDS[name] for name in one.by if name in MENDS]
    if varied and one.kind == "property":
        return f"Train with more images like these, or with augmentation of {' and '.join(varied)}."
    return "See whether they are rare in the training images: if they are, add more; if not, look at what they hide."


def suspect_labels(case: Case) -> list[Finding]:
    """More labels contradict a net that is sure than its own mistakes make."""
    noise, suspects = case.evaluation.noise, case.evaluation.suspects
    if noise is None or noise.rate.value is None or not suspects:
        return []
    if noise.p >= ALPHA or noise.rate.value < NOISE:
        return []
    first = suspects[0]
    number = max(1, round(noise.rate.value * case.n))
    if 2 * _lost_in_slices(case) >= number:  # they are the mistakes of a weak slice, which has its own finding
        return []
    return [
        Finding(
            id="suspect-labels/labels",
            check="suspect-labels",
            severity="warning" if noise.rate.value >= 0.02 else "note",
            # wrong labels, and images unlike those the net was trained on, look the same from here
            sure=min(0.5, sureness(noise.p)),
            seen=f"About {number:,} labels ({percent(noise.rate)}) contradict a net that is sure, more than its "
            "mistakes elsewhere account for: they are wrong, or these images are unlike those it learnt from; the most "
            f"suspect is {first.name}, labelled {first.label_name}, which looks like {first.suggested_name}.",
            evidence=(
                Evidence("labels that look wrong", noise.rate),
                *(
                    Evidence(
                        f"{one.name}: labelled {one.label_name}, looks like {one.suggested_name}", None, one.picture
                    )
                    for one in suspects[:SHOWN]
                ),
            ),
            mend="Look at the most suspect images: correct the labels that are wrong; where they are right, train on "
            "more images like them.",
            command=shlex.join(["striate", "check", case.data]),
        )
    ]


def _lost_in_slices(case: Case) -> float:
    """Images that the weak slices would have right if they were as good as the rest; classes are left out."""
    slices = case.evaluation.slices
    weak = [] if slices is None else [one for one in slices.rows if one.weak and one.kind != "class"]
    return sum(-float(one.difference) * one.n for one in weak)


def class_confidence(case: Case) -> list[Finding]:
    """Classes whose predictions are far less often right than sure, beyond what holds of the whole net."""
    whole, accuracy = case.evaluation.calibration.confidence, case.evaluation.accuracy
    if whole.value is None or accuracy.value is None:
        return []
    common = max(0.0, whole.value - accuracy.value)
    classes = [one for one in case.evaluation.classes if one.predicted and one.confidence.value is not None]
    chances = holm([_chance_of_wrong(one, common) for one in classes])
    sure = [
        (chance, one)
        for chance, one in zip(chances, classes, strict=True)
        if chance < ALPHA and float(one.confidence) - common - float(one.precision) >= SURER
    ]
    sure.sort(key=lambda each: float(each[1].precision) - float(each[1].confidence))
    return [_class_confidence(case, chance, one) for chance, one in sure[:SHOWN]]


def _chance_of_wrong(one: ClassFigures, common: float) -> float:
    """Chance of so many wrong among these predictions if they were as right as they are sure, less the common gap.

    The number is a sum of draws of unequal chances, whose upper tail a binomial of their mean bounds (Hoeffding 1956).
    """
    wrong = min(max(1 - float(one.confidence) + common, 0.0), 1.0)
    return binomial_tail(one.false_positives, one.predicted, wrong)


def _class_confidence(case: Case, chance: float, one: ClassFigures) -> Finding:
    return Finding(
        id=f"class-confidence/{one.name}",
        check="class-confidence",
        severity="warning",
        sure=sureness(chance),
        seen=f"Where it says {one.name} it is {percent(one.confidence)} sure and {percent(one.precision)} right "
        f"({one.predicted:,} predictions), a larger gap than over all classes.",
        evidence=(
            Evidence(f"right where it says {one.name}", one.precision),
            Evidence(f"mean confidence where it says {one.name}", one.confidence),
            Evidence("accuracy of all", case.evaluation.accuracy),
            Evidence("mean confidence of all", case.evaluation.calibration.confidence),
        ),
        mend="One temperature for all classes does not mend this: look at what is called so wrongly, and add such "
        "images to training.",
        command=case.command("examine", "--out", "report.html"),
    )


def costly_threshold(case: Case) -> list[Finding]:
    """Where costs are given: another threshold than 0.5 makes mistakes clearly cheaper."""
    points = case.evaluation.operating
    if points is None or points.chosen_on != "dev":
        return []
    half, *others = points.points
    best = next((one for one in others if one.rule.startswith("least cost")), None)
    if best is None or best.threshold.value is None or best.cost.high is None or half.cost.low is None:
        return []
    if best.cost.high >= half.cost.low:
        return []
    return [
        Finding(
            id="threshold/cost",
            check="threshold",
            severity="warning",
            sure=0.99,
            seen=f"At the threshold 0.5 mistakes cost {float(half.cost):.4g} an image; calling {points.positive} "
            f"from {best.threshold.value:.3g} on costs {float(best.cost):.4g}.",
            evidence=(
                Evidence("mean cost at 0.5, per image", _unit(half.cost)),
                Evidence(f"mean cost at {best.threshold.value:.3g}, per image", _unit(best.cost)),
                Evidence("recall there", best.recall),
                Evidence("precision there", best.precision),
            ),
            mend=f"Call an image {points.positive} where its probability is at least {best.threshold.value:.3g}, "
            "chosen on the dev split.",
            command=case.command("evaluate"),
        )
    ]


def _unit(cost: Number) -> Number:
    """The cost as a plain number, which is no share although it may lie in [0, 1]."""
    return Number(cost.value, cost.low, cost.high, why=cost.why)
