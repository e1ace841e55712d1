"""Tables for a terminal: columns by what they hold, never wider than the line, wide letters counted as wide."""

from __future__ import annotations

from collections.abc import Sequence

from .format import cells, pad, readable

GAP = "  "
LEAST = 6  # columns that a cut column keeps


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = 100, numbers: frozenset[int] = frozenset()
) -> list[str]:
    """Lines of a table at most ``width`` columns wide; ``numbers`` are the columns that stand at the right.

    Where the columns do not fit, the widest one is cut until they do.
    """
    names = [readable(each) for each in head]
    body = [[readable(each) for each in row] for row in rows]
    drop = [column for column in range(len(names)) if body and all(not row[column] for row in body)]
    kept = [column for column in range(len(names)) if column not in drop]
    wide = {column: max(cells(text) for text in (names[column], *(row[column] for row in body))) for column in kept}
    shrink(wide, width - len(GAP) * (len(kept) - 1))
    lines = [names, *body] if any(names) else body
    return [
        GAP.join(pad(line[column], wide[column], right=column in numbers) for column in kept).rstrip() for line in lines
    ]


def shrink(wide: dict[int, int], room: int) -> None:
    """Cut the widest columns until all fit into ``room``, none below `LEAST`."""
    while sum(wide.values()) > room:
        widest = max(wide, key=lambda column: (wide[column], -column))
        if wide[widest] <= LEAST:
            return
        wide[widest] -= 1
