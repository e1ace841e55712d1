"""How well images fool: how sure their own net is, and whether another shares it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from striate.core.number import Number
from striate.metrics.intervals import wilson

from .payload import Judged, Measured, Synthesis

CONFIDENT = 0.99  # above it an image fools: Nguyen et al. 2015, abstract
DOUBT = 0.2  # below it another net does not share the belief


def deception(first: Sequence[int | None], *, taken: int, forward: int = 0) -> Callable[[Synthesis], Synthesis]:
    """A report's conclusion: two tables, and notes on what was not reached and not judged.

    Args:
        first: For each image the first step at which the search saw a confidence above .99, or None.
        taken: Steps that were taken.
        forward: Forward passes that were spent.
    """

    def conclude(result: Synthesis) -> Synthesis:
        tables = (*result.tables, by_class(result, first), in_all(result))
        return replace(result, tables=tables, notes=(*result.notes, *_notes(result, first, taken, forward)))

    return conclude


def by_class(result: Synthesis, first: Sequence[int | None]) -> Measured:
    """Each image: how sure its own net is after 8 bits, how sure the judge is of the same class, what it sees."""
    judge = result.judge
    rows = tuple(
        (
            image.target,
            image.probability,
            judge.probability[k] if judge else None,
            judge.sees[k] if judge else None,
            first[k],
        )
        for k, image in enumerate(result.images)
    )
    columns = ("class", "own confidence", "judge's confidence in it", "judge sees", "above .99 from step")
    return Measured("What the net is sure of, and what the judge makes of it", columns, rows)


def in_all(result: Synthesis) -> Measured:
    """Shares with Wilson's intervals: images that fool; of these, those that the judge doubts, and that it follows."""
    fooling = [k for k, image in enumerate(result.images) if (image.probability or 0.0) > CONFIDENT]
    rows = [("own confidence above .99", wilson(len(fooling), len(result.images)))]
    rows += [(words, number) for words, number in _transfer(result.judge, fooling)]
    return Measured(
        "How many fool, and whether they fool the judge too",
        ("what", "value", "low", "high", "images"),
        tuple((words, each.value, each.low, each.high, each.n) for words, each in rows),
    )


def _transfer(judge: Judged | None, fooling: Sequence[int]) -> list[tuple[str, Number]]:
    """What the judge says of the images that fool."""
    words = (
        "of these, judge's confidence in the class below .2",
        "of these, judge sees the class too",
        "of these, judge's mean confidence in the class",
    )
    if judge is None or not fooling:
        why = "no judge" if judge is None else "no image fools"
        return [(each, Number.missing(why)) for each in words]
    sure = [judge.probability[k] for k in fooling]
    same = sum(judge.predicted[k] == judge.wanted[k] for k in fooling)
    of = "images that fool"
    return [
        (words[0], wilson(sum(each < DOUBT for each in sure), len(sure), of=of)),
        (words[1], wilson(same, len(sure), of=of)),
        (words[2], Number(statistics.fmean(sure), n=len(sure))),
    ]


def _notes(result: Synthesis, first: Sequence[int | None], taken: int, forward: int) -> list[str]:
    notes = []
    reached = sorted(each for each in first if each is not None)
    if len(reached) < len(first):
        when = f", half of them by step {statistics.median_low(reached)}" if reached else ""
        notes.append(
            f"{len(reached)} of {len(first)} classes were reached with a confidence above .99 in {taken} steps and "
            f"{forward:,} forward passes{when}; more --steps may reach more"
        )
    kept = sum((image.probability or 0.0) > CONFIDENT for image in result.images)
    if kept < len(reached):
        notes.append(f"{len(reached) - kept} of {len(first)} images fell below .99 when they were rounded to 8 bits")
    if result.judge is None:
        notes.append("nobody else was asked: --judge NET says whether another net is fooled too")
    return notes
