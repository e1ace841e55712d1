"""Filters for a terminal: what was drawn, and the net's filters beside those made by hand."""

from __future__ import annotations

from striate.inside.filtering.payload import Filtered

from .filtered import lead
from .format import readable, value_of, wrap
from .lines import MOST_LINES, result_lines
from .table import table


@result_lines.register
def _filters(result: Filtered, width: int, color: bool) -> list[str]:
    del color
    lines = wrap(lead(result), width)
    lines += table(("filter", "what"), [(each.name, each.said) for each in result.images[0].maps], width=width)
    if result.first is not None:
        rows = [(str(pair.unit), pair.nearest, value_of(pair.correlation)) for pair in result.first.pairs[:MOST_LINES]]
        lines += ["", *table(("filter", "most like", "correlation"), rows, width=width, numbers=frozenset({0, 2}))]
    return [*lines, *(line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width))]
