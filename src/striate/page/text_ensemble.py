"""An ensemble for a terminal: the average as it grows, each member alone."""

from __future__ import annotations

from striate.learn.ensembles.payload import Ensemble

from .averaged import ensemble_claim
from .format import count, named, points, shown, value_of
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _ensemble(result: Ensemble, width: int, color: bool) -> list[str]:
    head = f"{named(result.data)}, {count(result.n, 'image')}: {result.average} averaged, order {result.order}"
    body = [
        (
            str(each.members), each.added, shown(each.accuracy, percent=True),
            "" if each.gain.value is None else shown(points(each.gain)),
            "" if each.p is None else f"{each.p:.2g}", value_of(each.loss), value_of(each.ece, percent=True),
        )
        for each in result.growth
    ]  # fmt: skip
    names = ("members", "added", "right", "gain, points", "p", "loss", "ECE")
    lines = [painted(head, "strong", color), *table(names, body, width=width, numbers=frozenset({0, 2, 3, 4, 5, 6}))]
    alone = [
        (
            each.name, shown(each.accuracy, percent=True), value_of(each.loss), value_of(each.ece, percent=True),
            "best" if each.name == result.best else "" if each.kept else "left out by dev",
        )
        for each in result.members
    ]  # fmt: skip
    lines += ["", *table(("alone", "right", "loss", "ECE", ""), alone, width=width, numbers=frozenset({1, 2, 3}))]
    if result.pairs:
        most, least = result.pairs[0], result.pairs[-1]
        lines += [
            "",
            f"members differ on {value_of(least.disagreement, percent=True)} to "
            f"{value_of(most.disagreement, percent=True)} of the images; at least one is right on "
            f"{value_of(result.at_least_one, percent=True)}",
        ]
    return [*lines, ensemble_claim(result)]
