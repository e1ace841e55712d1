"""Where a classifier that works is weaker than it looks: classes, pairs of classes, confidence."""

from __future__ import annotations

from dataclasses import replace

import torch

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number
from striate.metrics.calibration import Reliability, chance_error
from striate.metrics.intervals import wilson
from striate.metrics.significance import binomial_tail, difference, fisher_lower, holm

from .case import ALPHA, Case, percent, sureness
from .payload import Scaling

SHOWN = 5  # findings of one kind; the rest is counted in the evidence
GAP = 0.03  # recall below that of the rest from which a class is worth a word
PAIR = 0.05  # share of two classes' images that are taken for each other
GAP_IN_CONFIDENCE = 0.02  # calibration error, lower end of its interval


def weak_classes(case: Case) -> list[Finding]:
    """Classes recognised less often than the rest (Fisher's exact test, Holm-corrected over the classes)."""
    # a class that is never predicted has a finding of its own, and would only make the rest look better
    rows = [row for row in case.present if case.predicted[row]]
    if len(rows) < 2:
        return []
    n, right = sum(case.support[row] for row in rows), sum(case.hits[row] for row in rows)

    def against_rest(row: int) -> tuple[int, int, int, int]:
        return case.hits[row], case.support[row], right - case.hits[row], n - case.support[row]

    chances = dict(zip(rows, holm([fisher_lower(*against_rest(row)) for row in rows]), strict=True))
    gaps = {row: difference(*against_rest(row)) for row in rows}
    weak = [row for row in rows if chances[row] < ALPHA and -float(gaps[row]) >= GAP]
    weak.sort(key=lambda row: float(gaps[row]))
    rest = {row: wilson(right - case.hits[row], n - case.support[row]) for row in weak}
    found = [_weak_class(case, row, chances[row], gaps[row], rest=rest[row]) for row in weak[:SHOWN]]
    if len(weak) > SHOWN:
        more = Evidence(f"{len(weak) - SHOWN} more classes are below the rest")
        found[-1] = replace(found[-1], evidence=(*found[-1].evidence, more))
    return found


def _weak_class(case: Case, row: int, chance: float, gap: Number, *, rest: Number) -> Finding:
    recall = wilson(case.hits[row], case.support[row])
    wrong = case.support[row] - case.hits[row]
    others = case.matrix[row].clone()
    others[row] = 0
    partner = int(others.argmax())
    taken = wilson(int(others[partner]), wrong)
    severity: Severity = "error" if float(recall) < 0.5 * float(rest) else "warning" if float(gap) <= -0.1 else "note"
    return Finding(
        id=f"weak-class/{case.name(row)}",
        check="weak-class",
        severity=severity,
        sure=sureness(chance),
        seen=f"{case.name(row)}: {percent(recall)} of {case.support[row]:,} images are right, against {percent(rest)} "
        f"of the others; {percent(taken)} of its mistakes are called {case.name(partner)}.",
        evidence=(
            Evidence(f"recall of {case.name(row)}", recall),
            Evidence("recall of the other classes together", rest),
            Evidence("difference", gap),
            Evidence(f"share of its mistakes called {case.name(partner)}", taken),
        ),
        mend="See whether the class is as weak on the training images: if it is, train longer or a larger net; "
        "if not, add more varied images of it.",
        command=case.command("evaluate", "--split", "train"),
    )


def confused_pairs(case: Case) -> list[Finding]:
    """Pairs taken for each other in a large share of their images, and far more often than evenly spread mistakes."""
    rows = case.present
    if len(rows) < 3:  # with two classes every mistake is of one pair
        return []
    wrong = case.n - case.right
    swaps = (case.matrix + case.matrix.T)[rows][:, rows]
    pairs = torch.triu_indices(len(rows), len(rows), 1)
    counts = swaps[pairs[0], pairs[1]]
    # only pairs that can matter are tested; the correction is for all of them
    both = torch.tensor([case.support[row] for row in rows])
    large = ((counts >= PAIR * (both[pairs[0]] + both[pairs[1]])) & (counts > 1)).nonzero()[:, 0]
    found: list[tuple[float, float, int, int]] = []
    for place in large.tolist():
        left, right = rows[int(pairs[0, place])], rows[int(pairs[1, place])]
        even = (case.support[left] - case.hits[left] + case.support[right] - case.hits[right]) / (len(rows) - 1)
        chance = binomial_tail(int(counts[place]), wrong, min(1.0, even / wrong)) * len(counts)
        share = wilson(int(counts[place]), case.support[left] + case.support[right])
        if chance < ALPHA and int(counts[place]) > 2 * even and (share.low or 0.0) >= PAIR:
            found.append((float(share), chance, left, right))
    found.sort(key=lambda one: -one[0])
    return [_pair(case, chance, left, right) for _, chance, left, right in found[:SHOWN]]


def _pair(case: Case, chance: float, left: int, right: int) -> Finding:
    there, back = int(case.matrix[left, right]), int(case.matrix[right, left])
    if back > there:
        left, right, there, back = right, left, back, there
    one, other = case.name(left), case.name(right)
    share = wilson(there + back, case.support[left] + case.support[right])
    of_all = wilson(there + back, case.n - case.right)
    return Finding(
        id=f"confused-pair/{'+'.join(sorted((one, other)))}",
        check="confused-pair",
        severity="warning" if float(share) >= 0.1 else "note",
        sure=sureness(chance),
        seen=f"{one} and {other} are taken for each other in {percent(share)} of their images: {there:,} {one} are "
        f"called {other} and {back:,} the other way; that is {percent(of_all)} of all mistakes.",
        evidence=(
            Evidence(f"images of {one} or {other} taken for the other", share),
            Evidence(f"{one} called {other}", wilson(there, case.support[left])),
            Evidence(f"{other} called {one}", wilson(back, case.support[right])),
            Evidence("share of all mistakes", of_all),
        ),
        mend="Look at these images: wrong labels are to be corrected, classes that overlap to be merged or defined "
        "better, and details too small to see need a larger input.",
        command=case.command("examine", "--out", "report.html"),
    )


def confidence(case: Case) -> list[Finding]:
    """Confidence that is too high or too low by more than chance makes of a calibrated net."""
    calibration = case.evaluation.calibration
    bins = Reliability(
        n=torch.tensor([each.n for each in calibration.bins], dtype=torch.float64),
        confidence=torch.tensor([_total(each.confidence, each.n) for each in calibration.bins], dtype=torch.float64),
        right=torch.tensor([_total(each.accuracy, each.n) for each in calibration.bins], dtype=torch.float64),
    )
    error, mean, accuracy = calibration.ece, calibration.confidence, case.evaluation.accuracy
    if error.value is None or mean.value is None or accuracy.value is None:
        return []
    chance = chance_error(bins)
    if chance.p >= ALPHA or (error.low or 0.0) < GAP_IN_CONFIDENCE:
        return []
    gap = mean.value - accuracy.value
    kind = "overconfident" if gap > error.value / 2 else "underconfident" if gap < -error.value / 2 else "miscalibrated"
    words = {
        "overconfident": f"is surer than it is right: {percent(mean)} sure on average and {percent(accuracy)} right",
        "underconfident": f"is more often right than it is sure: {percent(accuracy)} right and {percent(mean)} sure "
        "on average",
        "miscalibrated": "is too sure of some images and not sure enough of others",
    }
    return [
        Finding(
            id=f"confidence/{kind}",
            check="confidence",
            severity="warning" if error.value >= 0.05 and kind != "underconfident" else "note",
            sure=sureness(chance.p),
            seen=f"The net {words[kind]}; expected calibration error {error.value:.3f}, where chance alone would "
            f"make {chance.mean:.3f}.",
            evidence=(
                Evidence("expected calibration error", error),
                Evidence("the same of a calibrated net, by chance", Number(chance.mean, why="mean of 1,000 draws")),
                Evidence("mean confidence", mean),
                Evidence("accuracy", accuracy),
                *_after_scaling(calibration.scaling),
            ),
            mend=_scaling_mend(calibration.scaling, error.value)
            + (", or train with more label smoothing." if kind == "overconfident" else "."),
            command=case.command("examine", "--out", "report.html"),
        )
    ]


def _after_scaling(scaling: Scaling) -> tuple[Evidence, ...]:
    heat = scaling.temperature
    if heat.value is None or scaling.ece.value is None:
        return ()
    return (
        # without its count it is shown as a plain number, which it is also below 1
        Evidence(f"temperature fitted on {scaling.fitted_on}", Number(heat.value, heat.low, heat.high, why=heat.why)),
        Evidence("expected calibration error after it", scaling.ece),
    )


def _scaling_mend(scaling: Scaling, before: float) -> str:
    if scaling.temperature.value is None or scaling.ece.value is None:
        return "Divide the logits by one temperature that is fitted on the dev split"
    if scaling.ece.value >= before:
        return (
            f"One temperature does not mend it ({scaling.temperature.value:.2f}, fitted on {scaling.fitted_on}, leaves "
            f"{scaling.ece.value:.3f}): show the net more images of the kinds that it is too sure of"
        )
    return (
        f"Divide the logits by {scaling.temperature.value:.2f} (fitted on {scaling.fitted_on}), which leaves a "
        f"calibration error of {scaling.ece.value:.3f} here"
    )


def _total(mean: Number, n: int) -> float:
    return 0.0 if mean.value is None else mean.value * n
