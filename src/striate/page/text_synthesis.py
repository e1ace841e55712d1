"""Images that were made, for a terminal."""

from __future__ import annotations

from striate.synthesis.payload import Measured, Synthesis

from .format import count, fixed, named, readable, shown, value_of, wrap
from .lines import MOST_LINES, result_lines
from .table import table


@result_lines.register
def _synthesis(result: Synthesis, width: int, color: bool) -> list[str]:
    del color
    judge = result.judge
    columns = {
        "for": [image.target for image in result.images],
        "score": [score_text(image.score) for image in result.images],
        "fresh views": ["" if image.fresh is None else score_text(image.fresh) for image in result.images],
        "probability": [
            "" if image.probability is None else value_of(image.probability, percent=True) for image in result.images
        ],
        "the judge sees": list(judge.sees) if judge is not None else [],
        "picture": [image.picture for image in result.images],
    }
    columns = {name: cells[: 2 * MOST_LINES] for name, cells in columns.items() if any(cells)}
    lines = wrap(f"{readable(result.objective)}, {count(result.steps, 'step')}", width)
    numbers = frozenset(place for place, name in enumerate(columns) if name in {"score", "fresh views", "probability"})
    lines += table(tuple(columns), list(zip(*columns.values(), strict=True)), width=width, numbers=numbers)
    if len(result.images) > 2 * MOST_LINES:
        lines.append(f"and {len(result.images) - 2 * MOST_LINES} more")
    if judge is not None and judge.agrees.value is not None:
        lines.append(f"{named(judge.net)} agrees on {shown(judge.agrees, percent=True)}")
    for each in result.tables:
        lines += ["", *wrap(readable(each.title), width), *measured_lines(each, width)]
    return [*lines, *(line for note in result.notes for line in wrap(f"note: {readable(note)}", width))]


def measured_lines(measured: Measured, width: int) -> list[str]:
    """A table of texts and numbers."""
    rows = [tuple(cell_text(cell) for cell in row) for row in measured.rows[: 4 * MOST_LINES]]
    numbers = frozenset(
        place
        for place in range(len(measured.columns))
        if any(isinstance(row[place], (int, float)) for row in measured.rows)
    )
    return table(measured.columns, rows, width=width, numbers=numbers)


def score_text(score: float) -> str:
    """A score to two decimals; where that is more than seven digits, to three digits."""
    return fixed(score, 2) if abs(score) < 1e5 else f"{score:.3g}"


def cell_text(cell: float | str | None) -> str:
    """A cell as people read it: three digits, whole numbers from 1,000 to a million, a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return readable(cell)
    return f"{cell:,.0f}" if abs(cell) < 1e6 and (abs(cell) >= 1000 or float(cell).is_integer()) else f"{cell:.3g}"
