"""Baselines for a terminal: every feature with every classifier, nets beside the best."""

from __future__ import annotations

from striate.learn.baselines.payload import Baselines

from .format import count, fixed, named, points, shown, value_of
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _baselines(result: Baselines, width: int, color: bool) -> list[str]:
    head = f"{named(result.data)}, test: {count(result.n, 'image')}"
    head += f", learnt from {result.train:,}, chosen on {result.dev:,}"
    numbers = {each.name: f"{each.width:,}" for each in result.features}
    rows = [
        (
            row.feature or "none",
            row.classifier,
            shown(row.accuracy, percent=True),
            row.chosen,
            numbers.get(row.feature, ""),
            fixed(row.seconds, 1),
            "best on dev" if row.best else "",
        )
        for row in result.rows
    ]
    names = ("feature", "classifier", "right on test", "chosen on dev", "numbers", "CPU s", "")
    lines = [painted(head, "strong", color), *table(names, rows, width=width, numbers=frozenset({2, 4, 5}))]
    made = ", ".join(f"{each.name} {fixed(each.seconds, 1)}" for each in result.features)
    lines += [f"chance {value_of(result.chance, percent=True)}; CPU seconds of the features: {made}"]
    if result.nets:
        body = [
            (row.net, shown(row.accuracy, percent=True), shown(points(row.difference)), f"{row.p:.2g}")
            for row in result.nets
        ]
        lines += ["", *table(("net", "right", f"less {result.best.name}, points", "p"), body, width=width,
                             numbers=frozenset({1, 2, 3}))]  # fmt: skip
    return lines
