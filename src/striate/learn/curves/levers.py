"""Human, train, train-dev, dev, test: which gap is widest, and which lever closes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number

from .payload import Gap, Grown, LearningCurve, Lever, PowerLaw

SMALL = 0.005  # a gap below half a point is not worth a lever
WORDS: Mapping[Lever, str] = {
    "bias": "avoidable bias: from the best there can be to train",
    "variance": "variance: from train to new images of the same source",
    "mismatch": "mismatch: from that source to the source of dev",
    "overfitted_dev": "overfitted dev: from dev to test",
}
MENDS: Mapping[Lever, str] = {
    "bias": "A larger net, a longer training, a better optimizer or rate, less regularisation, another architecture; "
    "more data will not help much.",
    "variance": "More data, augmentation, more weight decay or dropout, a smaller net, transfer from more data.",
    "mismatch": "Training images more like those of dev: collect, or change the training images by augmentation.",
    "overfitted_dev": "A larger dev split, or fewer choices made by it.",
    "none": "The gaps are closed to within what the images can tell; a harder test would tell more.",
}


def gaps_of(points: Sequence[Grown], human: float | None) -> tuple[Gap, ...]:
    """The gaps at the largest size, means over its seeds.

    Source: Ng 2018, "Machine Learning Yearning", chapters 20 to 43, the table of errors; the interval of a difference
    puts those of both errors together (Zou & Donner 2008).
    """
    most = max(point.size for point in points)
    last = [point for point in points if point.size == most]
    train, dev, test = (mean_of([getattr(point, name) for point in last]) for name in ("train", "dev", "test"))
    between = mean_of([point.train_dev for point in last if point.train_dev is not None])
    best = Number(human, human, human, why="told by the user") if human is not None else None
    found = []
    if best is not None:
        found.append(Gap("bias", WORDS["bias"], less(train, best)))
    if between.value is not None:
        found.append(Gap("variance", WORDS["variance"], less(between, train)))
        found.append(Gap("mismatch", WORDS["mismatch"], less(dev, between)))
    else:
        found.append(Gap("variance", WORDS["variance"], less(dev, train)))
    found.append(Gap("overfitted_dev", WORDS["overfitted_dev"], less(test, dev)))
    return tuple(found)


def lever_of(gaps: Sequence[Gap]) -> Lever:
    """The widest gap that is clear of 0 and of `SMALL`; ``none`` where there is no such."""
    clear = [gap for gap in gaps if (gap.value.low or 0.0) > 0 and float(gap.value) > SMALL]
    return max(clear, key=lambda gap: float(gap.value)).name if clear else "none"


def mean_of(errors: Sequence[Number]) -> Number:
    """The mean error over seeds, with the interval of the wider kind: of its images, or of its seeds."""
    known = [each for each in errors if each.value is not None]
    if not known:
        return Number.missing("not measured")
    values = [float(each) for each in known]
    mean = sum(values) / len(values)
    halves = [max((each.high or 0.0) - float(each), float(each) - (each.low or 0.0)) for each in known]
    half = sum(halves) / len(halves)
    if len(values) > 1:
        spread = math.sqrt(sum((each - mean) ** 2 for each in values) / (len(values) - 1) / len(values))
        half = max(half, 1.96 * spread)
    return Number(mean, max(mean - half, 0.0), min(mean + half, 1.0), known[0].n, "mean over seeds")


def less(one: Number, other: Number) -> Number:
    """``one`` minus ``other``, of independent images."""
    if one.value is None or other.value is None:
        return Number.missing("one of both was not measured")
    value = one.value - other.value
    low = math.hypot(one.value - (one.low or 0.0), (other.high or 0.0) - other.value)
    high = math.hypot((one.high or 0.0) - one.value, other.value - (other.low or 0.0))
    return Number(value, value - low, value + high, why="of two independent measurements")


def levers_found(curve: LearningCurve, *, command: str) -> list[Finding]:
    """The lever to pull next, and what more data would buy."""
    gaps = {gap.name: gap for gap in curve.gaps}
    evidence = tuple(Evidence(gap.words, gap.value) for gap in curve.gaps)
    found = []
    if curve.lever == "none":
        seen = "No gap between the errors is clear of what chance makes."
    else:
        gap = gaps[curve.lever]
        seen = f"The widest gap is {gap.words} ({100 * float(gap.value):.1f} points)."
    severity: Severity = "note" if curve.lever == "none" else "warning"
    found.append(
        Finding(
            id=f"lever/{curve.lever}",
            check="lever",
            severity=severity,
            sure=0.9,
            seen=seen,
            evidence=evidence,
            mend=MENDS[curve.lever],
            command=command,
        )
    )
    if "bias" not in gaps:
        found.append(
            Finding(
                id="lever/human",
                check="lever",
                severity="note",
                sure=1.0,
                seen="Bias is not judged: the error of people, or the best there can be, was not told.",
                mend="Measure or estimate it: --human 0.02.",
            )
        )
    more = bought(curve.law, max(point.size for point in curve.points))
    return [*found, more] if more else found


def size_for(law: PowerLaw, error: float) -> float | None:
    """Training images at which the law reaches ``error``; None where it never does."""
    floor, scale, exponent = (float(each) for each in (law.floor, law.scale, law.exponent))
    if not (error > floor and scale > 0 and exponent > 0):
        return None
    return float((scale / (error - floor)) ** (1 / exponent))


def bought(law: PowerLaw, now: int) -> Finding | None:
    """What twice the data (``now`` images) would buy, by the power law; None where there is none."""
    sizes = {each.size: each.error for each in law.forecasts}
    if law.exponent.value is None or not {now, 2 * now} <= set(sizes):
        return None
    gain = float(sizes[now]) - float(sizes[2 * now])
    half = size_for(law, float(sizes[now]) / 2)
    needed = (
        f"half the error takes about {half:,.0f} images" if half else "half the error is out of reach of more such data"
    )
    return Finding(
        id="data/double", check="data", severity="note", sure=0.7,
        seen=f"Twice the training images ({2 * now:,}) should take {100 * gain:.1f} points off the error; {needed}.",
        evidence=(
            Evidence(f"error at {now:,} images, by the power law", sizes[now]),
            Evidence(f"error at {2 * now:,} images, by the power law", sizes[2 * now]),
            Evidence("exponent", law.exponent),
            Evidence("floor", law.floor),
        ),
        mend="Compare that with the cost of labelling them.",
    )  # fmt: skip
