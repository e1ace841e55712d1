"""A range test for a terminal: the rate, the seeds, the command."""

from __future__ import annotations

from striate.training.rates.findings import command
from striate.training.rates.payload import RateSearch

from .format import named, readable, wrap
from .lines import painted, result_lines
from .rates import rate_claim
from .table import table


@result_lines.register
def _rates(result: RateSearch, width: int, color: bool) -> list[str]:
    head = f"{named(result.net)} on {named(result.data)}, recipe {named(result.recipe)}"
    lines = [*(painted(line, "strong", color) for line in wrap(rate_claim(result), width)), head]
    body = [
        (
            str(each.seed),
            *("-" if one.value is None else f"{one.value:.2g}" for one in (each.lowest, each.steepest, each.diverged)),
            f"{each.rungs[0].smooth:.3g}" if each.rungs else "-",
            f"{min(rung.smooth for rung in each.rungs):.3g}" if each.rungs else "-",
        )
        for each in result.sweeps
    ]
    names = ("seed", "lowest loss at", "steepest at", "diverged at", "first loss", "lowest")
    lines += table(names, body, width=width, numbers=frozenset(range(6)))
    careful = "none" if result.careful.value is None else f"{result.careful.value:.2g}"
    words = (
        f"suggested: {readable(result.rule)}, as the peak of a schedule; a tenth, {careful}, where the rate stays as "
    )
    lines += wrap(f"{words}it is; the recipe's own is {result.own:g}", width)
    next_step = command(result, net=result.net, data=result.data)
    return [*lines, f"  $ {readable(next_step)}"] if next_step else lines
