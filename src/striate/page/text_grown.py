"""Learning curves in a terminal."""

from __future__ import annotations

from striate.learn.curves.payload import LearningCurve

from .format import points, readable, shown
from .grown import curve_claim, error_table
from .lines import MOST_LINES, painted, result_lines
from .table import table


@result_lines.register
def _learning_curve(result: LearningCurve, width: int, color: bool) -> list[str]:
    names, rows = error_table(result.points)
    head = f"{readable(result.net)} on {readable(result.data)}, {readable(result.recipe)}"
    lines = [painted(head, "strong", color), curve_claim(result), ""]
    heads = ("images", "seed", "epochs", *names)
    lines += table(heads, rows[-MOST_LINES:], width=width, numbers=frozenset(range(len(heads))))
    gaps = [(gap.words, shown(points(gap.value))) for gap in result.gaps]
    lines += ["", *table(("gap", "points"), gaps, width=width, numbers=frozenset({1}))]
    most = max(point.size for point in result.points)
    ahead = [(f"{each.size:,}", shown(each.error, percent=True)) for each in result.law.forecasts if each.size > most]
    if ahead:
        lines += ["", *table(("images", "test error, forecast"), ahead, width=width, numbers=frozenset({0, 1}))]
    return lines
