"""Ablations in a terminal."""

from __future__ import annotations

from striate.inside.ablation.payload import Ablation, Removal

from .ablated import ORDERS, by_harm, hit_most, name_of, removed_words
from .format import count, fixed, points, readable, shown, value_of, wrap
from .lines import MOST_LINES, painted, result_lines
from .table import table

NARROW = 84  # columns that the whole table needs


@result_lines.register
def _ablation(result: Ablation, width: int, color: bool) -> list[str]:
    layers = not result.site
    what = "layers switched off whole, one at a time" if layers else f"units of {result.site} switched off"
    head = f"{what} ({result.how}), {count(result.n, 'image')}"
    order = list(result.effects) if layers else by_harm(result)
    rows: list[tuple[str, ...]] = [("the net as it is", value_of(result.baseline, percent=True), "", "", "", "")]
    if result.whole is not None:
        order = [result.whole, *order]
    for one in order[: 3 * MOST_LINES if layers else MOST_LINES]:
        name = "the whole layer" if one is result.whole else f"without {name_of(one, layers=layers)}"
        hit, fell = hit_most(one, result)
        change = shown(points(one.change))
        rows.append((name, value_of(one.accuracy, percent=True), change, value_of(one.loss), hit, fell))
    names: tuple[str, ...] = ("", "accuracy", "change, points", "loss, nats", "hits most", "recall, points")
    if width < NARROW:  # names and numbers stay whole; the class that suffers most is in the report
        names, rows = names[:4], [row[:4] for row in rows]
    lines = [painted(head, "strong", color), *table(names, rows, width=width, numbers=frozenset({1, 2, 3, 5}))]
    if not layers and len(result.effects) > MOST_LINES:
        lines.append(f"{len(result.effects):,} in all; the report holds them")
    if result.curves:
        lines.append("")
        body = [
            (ORDERS.get(one.order, one.order), *(value_of(each, percent=True) for each in one.accuracy[::2]))
            for one in result.curves
        ]
        heads = ("units off", *(str(each) for each in result.curves[0].removed[::2]))
        lines += table(heads, body, width=width, numbers=frozenset(range(1, len(heads))))
    return lines


@result_lines.register
def _removal(result: Removal, width: int, color: bool) -> list[str]:
    head = f"{readable(result.net)} on {readable(result.data)}, trained by {result.recipe}, "
    head += count(result.epochs, "epoch")
    whole = result.variants[0].parameters
    rows = [
        (
            removed_words(row),
            f"{row.parameters:,}",
            f"{fixed(100 * (whole - row.parameters) / whole, 1)} %",
            value_of(row.train, percent=True),
            value_of(row.test, percent=True),
            shown(points(row.change)) if row.removed else "",
        )
        for row in result.variants
    ]
    names = ("", "weights", "fewer", "train error", "test error", "change, points")
    return [
        painted(wrap(head, width)[0], "strong", color),
        *table(names, rows, width=width, numbers=frozenset({1, 2, 3, 4, 5})),
    ]
