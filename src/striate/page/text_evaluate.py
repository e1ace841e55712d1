"""An evaluation for a terminal: the figures, the classes, operating points, the slices that are weak."""

from __future__ import annotations

from striate.measure.payload import Evaluation, Operating, Slices

from .format import count, fixed, named, readable, shown, value_of, wrap
from .lines import MOST_LINES, result_lines
from .section import class_name
from .table import table

MOST_SLICES = 8
MOST_POINTS = 6


@result_lines.register
def _evaluation(result: Evaluation, width: int, color: bool) -> list[str]:
    del color
    lines = table(("", "", ""), [row for row in _figures(result) if row[1] not in ("-", "")], width=width)
    lines += ["", *_classes(result, width)]
    pairs = sorted(
        ((n, i, j) for i, row in enumerate(result.confusion) for j, n in enumerate(row) if i != j and n),
        key=lambda each: (-each[0], each[1], each[2]),
    )
    if pairs:
        told = [
            f"{named(class_name(result.names, i), 24)} as {named(class_name(result.names, j), 24)} {n}"
            for n, i, j in pairs[:3]
        ]
        lines += ["", *wrap(f"most frequent mistakes: {', '.join(told)}", width)]
    if result.operating is not None:
        lines += ["", *_operating(result.operating, width)]
    if result.slices is not None and result.slices.weak:
        lines += ["", *_slices(result.slices, width)]
    return lines


def _figures(result: Evaluation) -> list[tuple[str, str, str]]:
    calibration, curves, risk = result.calibration, result.curves, result.risk
    scaling = calibration.scaling
    rows = [
        ("accuracy", shown(result.accuracy, percent=True), count(result.n, "image")),
        ("top-5", shown(result.top5, percent=True), result.top5.why),
        ("loss", shown(result.loss), "nats"),
        ("calibration error", shown(calibration.ece, percent=True), ""),
    ]
    if scaling.ece.value is not None:
        heat = value_of(scaling.temperature)
        rows.append(
            (
                "at its temperature",
                shown(scaling.ece, percent=True),
                f"logits divided by {heat}, fitted on {scaling.fitted_on}",
            )
        )
    if curves is not None:
        which = (
            f"for class {named(curves.positive, 24)}"
            if curves.positive
            else "mean over the classes, each against the rest"
        )
        area, precision = curves.macro_auc, curves.macro_average_precision
        if curves.positive and len(curves.classes) == 2:
            area, precision = curves.classes[1].auc, curves.classes[1].average_precision
        rows += [("area under ROC", shown(area), which), ("average precision", shown(precision), which)]
    if risk is not None and risk.at:
        half = risk.at[min(1, len(risk.at) - 1)]
        surest = f"of the surest {fixed(100 * half.coverage, 0)} %"
        rows.append(("wrong", shown(half.risk, percent=True), surest))
    rows.append(("chance", shown(result.chance, percent=True), ""))
    return rows


def _classes(result: Evaluation, width: int) -> list[str]:
    by_class = sorted(result.classes, key=lambda each: (each.recall.value is None, each.recall.value or 0.0))
    chosen = by_class if len(by_class) <= MOST_LINES else by_class[:10]
    body = [
        (
            each.name,
            f"{each.support:,}",
            shown(each.recall, percent=True),
            shown(each.precision, percent=True),
            value_of(each.f1, percent=True),
        )
        for each in chosen
    ]
    head = ("class", "images", "recall", "precision", "F1")
    lines = table(head, body, width=width, numbers=frozenset({1, 2, 3, 4}))
    if len(chosen) < len(by_class):
        lines.append(f"the {len(chosen)} weakest of {len(by_class)} classes")
    return lines


def _operating(result: Operating, width: int) -> list[str]:
    body = [
        (
            each.rule,
            value_of(each.threshold),
            value_of(each.recall, percent=True),
            value_of(each.precision, percent=True),
            value_of(each.false_positive_rate, percent=True),
            value_of(each.cost) if each.cost.value is not None else "",
        )
        for each in result.points[:MOST_POINTS]
    ]
    head = ("threshold by", "at", "recall", "precision", "false alarms", "cost")
    lines = table(head, body, width=width, numbers=frozenset({1, 2, 3, 4, 5}))
    return [*lines, f"{named(result.positive, 40)} counts as positive; thresholds were chosen on {result.chosen_on}"]


def _slices(result: Slices, width: int) -> list[str]:
    weak = [one for one in result.rows if one.weak]
    body = [
        (one.name, f"{one.n:,}", shown(one.accuracy, percent=True), shown(one.rest, percent=True))
        for one in weak[:MOST_SLICES]
    ]
    head = ("weak slice", "images", "accuracy", "all others")
    lines = table(head, body, width=width, numbers=frozenset({1, 2, 3}))
    left = f", {len(weak) - len(body)} more are weak" if len(weak) > len(body) else ""
    return [*lines, readable(f"of {result.tried:,} slices and pairs tried, corrected for their number{left}")]
