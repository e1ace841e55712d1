"""Transfer by layer for a terminal: accuracy by cut, four ways."""

from __future__ import annotations

from striate.learn.transfer.payload import ByLayer

from .format import count, named, readable, shown, wrap
from .layered import WAYS, claim_of
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _layers(result: ByLayer, width: int, color: bool) -> list[str]:
    lines = [painted(line, "strong", color) for line in wrap(claim_of(result), width)]
    seeds = count(len(result.seeds), "seed")
    lines += wrap(f"{named(result.net)} on {named(result.data)}, {seeds}, {count(result.epochs, 'epoch')} a run", width)
    lines += wrap(f"A: {', '.join(map(named, result.first))}", width)
    lines += [*wrap(f"B: {', '.join(map(named, result.second))}", width), ""]
    head = ("cut behind", *(f"{name}, %" for name in WAYS))
    body = [
        (
            f"{cut}, {readable(result.layers[cut - 1])}",
            *(shown(result.of(name).accuracy[at], percent=True) for name in WAYS),
        )
        for at, cut in enumerate(result.cuts)
    ]
    lines += table(head, body, width=width, numbers=frozenset(range(1, len(head))))
    lines += [f"B, trained on B alone: {shown(result.base, percent=True)}"]
    return [*lines, f"runs: {readable(result.run)}/runs"]
