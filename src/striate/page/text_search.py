"""Searches in a terminal."""

from __future__ import annotations

from striate.core.number import Number
from striate.learn.search.payload import Search

from .format import count, points, seconds, shown, value_of, wrap
from .lines import painted, result_lines
from .searched_charts import figure_text, percent_of, scored, value_text
from .table import table

MOST = 5  # trials that are listed


@result_lines.register
def _search(found: Search, width: int, color: bool) -> list[str]:
    states = {state: sum(each.state == state for each in found.trials) for state in ("pruned", "failed")}
    told = [f"{number} {state}" for state, number in states.items() if number]
    subject = f"{found.architecture} architectures" if found.architecture else found.net
    head = f"{subject} on {found.data}: {count(len(found.trials), 'trial')} by {found.sampler}"
    head += f" ({', '.join(told)})" if told else ""
    lines = [painted(line, "strong", color) for line in wrap(head, width)]
    if found.best is None:
        return [*lines, "no trial has a figure"]
    best, share = found.best, percent_of(found)
    names = [part.name for part in found.space]
    order = sorted(scored(found), key=lambda each: float(each.value or 0), reverse=found.highest)
    order = [each for each in order if each.state == "complete"][:MOST]
    default = next((each for each in found.trials if each.number == found.default), None)
    if default is not None and default not in order:
        order.append(default)
    body = [
        (
            f"{each.number}{' (the recipe)' if each.number == found.default else ''}",
            *(value_text(each.parameters.get(name)) for name in names),
            figure_text(found, each.value),
            seconds(each.seconds),
        )
        for each in order
    ]
    columns = ("trial", *names, f"dev {found.figure}", "time")
    lines += table(columns, body, width=width, numbers=frozenset(range(1, len(columns))))
    lines.append("")
    rows = [("dev", shown(best.dev, percent=share), f"best of {len(found.trials)}")]
    if best.test.value is not None:
        rows.append(("test", shown(best.test, percent=share), "measured once"))
        rows.append(("dev less test", f"{shown(points(best.too_good))} points", ""))
        if best.chance.value:
            chance = value_of(Number(100 * best.chance.value))
            rows[-1] = (*rows[-1][:2], f"choosing the best of so many gives at most {chance} by chance")
    else:
        rows.append(("test", "-", best.test.why))
    lines += table(("", "", ""), rows, width=width)
    if found.importances:
        told = [f"{each.name} {value_of(each.share, percent=True)}" for each in found.importances]
        lines += wrap(f"what matters: {', '.join(told)}", width)
    for each in found.agreements:
        lines.append(f"{each.name}: rank correlation with dev {value_of(each.rho)}")
    return [*lines, *wrap(f"again: {best.command}", width)]
