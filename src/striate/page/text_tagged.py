"""A multi-label evaluation for a terminal."""

from __future__ import annotations

from striate.measure.tagged import MultiLabelEvaluation

from .format import count, named, readable, shown, value_of, wrap
from .lines import MOST_LINES, result_lines
from .table import table

MOST_MISTAKES = 5


@result_lines.register
def _tagged(result: MultiLabelEvaluation, width: int, color: bool) -> list[str]:
    del color
    rows = [
        ("all labels right", shown(result.exact_match, percent=True), count(result.n, "image")),
        ("wrong decisions", shown(result.hamming_loss, percent=True), "Hamming loss"),
        ("mean average precision", shown(result.mean_average_precision, percent=True), "over the labels"),
        ("micro F1", shown(result.averages.micro.f1, percent=True), ""),
        ("macro F1", shown(result.averages.macro.f1, percent=True), ""),
        ("pairs wrongly ordered", shown(result.ranking_loss, percent=True), "ranking loss"),
        ("labels down to the last true one", shown(result.coverage_error), f"of {len(result.names)}"),
    ]
    lines = table(("", "", ""), [row for row in rows if row[1] != "-"], width=width)
    weakest = sorted(result.classes, key=lambda one: (one.f1.value is None, one.f1.value or 0.0))
    body = [
        (
            one.name,
            f"{one.support:,}",
            f"{one.threshold:.3g}",
            shown(one.recall, percent=True),
            shown(one.precision, percent=True),
            value_of(one.average_precision, percent=True),
        )
        for one in weakest[:MOST_LINES]
    ]
    head = ("label", "images", "from", "recall", "precision", "average precision")
    lines += ["", *table(head, body, width=width, numbers=frozenset({1, 2, 3, 4, 5}))]
    if len(body) < len(result.classes):
        lines.append(f"the {len(body)} weakest of {len(result.classes)} labels")
    lines.append(readable(f"thresholds: {result.thresholds_from}"))
    if result.mistakes:
        told = [
            f"{named(each.name, 30)} (missed {_listed(each.missed)}; added {_listed(each.added)})"
            for each in result.mistakes[:MOST_MISTAKES]
        ]
        lines += ["", *wrap(readable(f"surest mistakes: {'; '.join(told)}"), width)]
    return lines


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
