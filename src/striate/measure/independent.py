"""Two saved evaluations: what differs between them beyond what chance makes of two independent measurements."""

from __future__ import annotations

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.intervals import square_and_add
from striate.metrics.significance import difference, fisher_lower, holm

from .compared import ComparedNet, Comparison, Difference
from .payload import ClassFigures, Evaluation

ALPHA = 0.01
PAIRED = (
    "Both were measured on the same images, by their name and count: these intervals, which take them for independent, "
    "are wider than they need be. A paired test of the two nets sees smaller differences."
)
UNPAIRED = "The reports are of different images: intervals and tests take the two measurements for independent."


def compare_evaluations(
    names: tuple[str, str], evaluations: tuple[Evaluation, Evaluation], data: tuple[str, str], *, same_images: bool
) -> Comparison:
    """Figures of the second evaluation less those of the first, with intervals of two independent measurements.

    Differences of shares and their tests are Newcombe's and Fisher's; of other figures the interval puts the two
    intervals together, and a difference is clear where it leaves 0 out. Classes are matched by name and corrected for
    their number (Holm).

    Raises:
        StriateError: The two have no class in common.

    Source: Zou & Donner 2008, "Construction of confidence limits about effect measures: a general approach".
    """
    a, b = evaluations
    common = set(_by_name(a)) & set(_by_name(b))
    if not common:
        raise StriateError(
            f"{names[0]} and {names[1]} have no class in common", accepted="two evaluations of the same classes"
        )
    return Comparison(
        kind="reports",
        data=data,
        nets=tuple(_row(name, each) for name, each in zip(names, evaluations, strict=True)),
        differences=(*_whole(a, b), *_classes(a, b, [one.name for one in a.classes if one.name in common])),
        note=PAIRED if same_images else UNPAIRED,
    )


def _by_name(evaluation: Evaluation) -> dict[str, ClassFigures]:
    return {one.name: one for one in evaluation.classes}


def _row(name: str, one: Evaluation) -> ComparedNet:
    return ComparedNet(name, one.n, one.accuracy, one.top5, one.loss, one.calibration.ece)


def _whole(a: Evaluation, b: Evaluation) -> list[Difference]:
    right = [sum(row[place] for place, row in enumerate(each.confusion)) for each in (a, b)]
    p = _chance(right[1], b.n, right[0], a.n)
    found = [
        Difference(
            "accuracy",
            a.accuracy,
            b.accuracy,
            difference(right[1], b.n, right[0], a.n),
            Number(p, why="Fisher's exact test, two-sided"),
            p < ALPHA,
        )
    ]
    figures: list[tuple[str, Number, Number, bool]] = [
        ("top-5 accuracy", a.top5, b.top5, True),
        ("loss", a.loss, b.loss, False),
        ("expected calibration error", a.calibration.ece, b.calibration.ece, False),
        ("Brier score", a.calibration.brier, b.calibration.brier, False),
        ("macro F1", a.averages.macro.f1, b.averages.macro.f1, True),
        ("balanced accuracy", a.averages.balanced_accuracy, b.averages.balanced_accuracy, True),
        ("Matthews correlation", a.averages.matthews, b.averages.matthews, True),
    ]
    if a.curves is not None and b.curves is not None:
        figures.append(("macro area under ROC", a.curves.macro_auc, b.curves.macro_auc, True))
    if a.risk is not None and b.risk is not None:
        figures.append(("area under risk and coverage", a.risk.aurc, b.risk.aurc, False))
    return [*found, *(_measured(*each) for each in figures if each[1].value is not None or each[2].value is not None)]


def _measured(what: str, a: Number, b: Number, higher_is_better: bool) -> Difference:
    unknown = Number.missing("only the intervals are known")
    if a.value is None or b.value is None:
        gap = Number.missing(a.why if a.value is None else b.why)
        return Difference(what, a, b, gap, unknown, clear=False, higher_is_better=higher_is_better)
    if any(end is None for end in (a.low, a.high, b.low, b.high)):
        gap = Number(b.value - a.value, why="no interval: one of the two has none")
        return Difference(what, a, b, gap, unknown, clear=False, higher_is_better=higher_is_better)
    low, high = square_and_add([b, a], [1.0, -1.0])
    clear = low > 0 or high < 0
    gap = Number(b.value - a.value, low, high, why="from the two intervals")
    return Difference(what, a, b, gap, unknown, clear=clear, higher_is_better=higher_is_better)


def _classes(a: Evaluation, b: Evaluation, common: list[str]) -> list[Difference]:
    ours, theirs = _by_name(a), _by_name(b)
    known = [name for name in common if ours[name].support and theirs[name].support]
    counts = [
        (theirs[name].true_positives, theirs[name].support, ours[name].true_positives, ours[name].support)
        for name in known
    ]
    chances = holm([_chance(*each) for each in counts])
    rows = [
        Difference(
            f"recall of {name}",
            ours[name].recall,
            theirs[name].recall,
            difference(*each),
            Number(p, why="Fisher's exact test, two-sided, Holm-corrected over the classes"),
            p < ALPHA,
        )
        for name, each, p in zip(known, counts, chances, strict=True)
    ]
    return sorted(rows, key=lambda row: float(row.difference))


def _chance(k: int, n: int, other_k: int, other_n: int) -> float:
    """Two-sided Fisher: twice the smaller tail."""
    lower, upper = fisher_lower(k, n, other_k, other_n), fisher_lower(other_k, other_n, k, n)
    return min(1.0, 2 * min(lower, upper))
