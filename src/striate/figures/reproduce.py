"""Computing figures: the registered code of each runs now, and its numbers are compared with the right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from striate.core.progress import SILENT, Progress

from .catalog import FIGURES, figure
from .payload import FigureRow, Reproduction


def reproduce_figures(
    ids: Sequence[str] | None = None, *, progress: Progress = SILENT
) -> tuple[Reproduction, Mapping[str, bytes]]:
    """The named figures computed now, and their pictures by name.

    None takes all that need no files of the user's and no minutes, in the order of the lectures.

    A figure draws the same random numbers whatever others run beside it, and the caller's generator is left as found.

    Raises:
        UnknownNameError: No figure has this id; the message holds the nearest ones.
        StriateError: A figure was named whose files are not here; the message says what it needs.

    >>> result, album = reproduce_figures(["hinge-example"])
    >>> result.figures[0].passed
    True
    """
    quick = [each for each in FIGURES if not figure(each).needs and figure(each).cost == "s"]
    wanted = quick if ids is None else list(dict.fromkeys(ids))
    for each in wanted:
        figure(each)  # an unknown name stops before anything is computed
    rows: list[FigureRow] = []
    album: dict[str, bytes] = {}
    for each in progress.track(wanted, "figures", len(wanted), unit="figures"):
        row, picture = compute(each)
        rows.append(row)
        if picture:
            album[row.picture] = picture
    return Reproduction(tuple(rows), passed=sum(row.passed for row in rows), total=len(rows)), album


def cites_of(result: Reproduction) -> tuple[str, ...]:
    """Keys of the papers behind the figures of a result, each once, in their order."""
    return tuple(dict.fromkeys(key for row in result.figures for key in figure(row.id).cites))


def compute(name: str) -> tuple[FigureRow, bytes]:
    """One figure, computed now, with the bytes of its picture (empty where it has none)."""
    import torch

    entry = figure(name)
    code = FIGURES.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = code()
    drawn = found.picture.encode() if isinstance(found.picture, str) else found.picture
    ending = "png" if drawn.startswith(b"\x89PNG") else "svg"
    row = FigureRow(
        id=name,
        title=entry.summary,
        where=entry.where,
        kind=entry.kind,
        passed=bool(found.claims) and all(claim.passed for claim in found.claims),
        claims=found.claims,
        picture=f"{name}.{ending}" if drawn else "",
    )
    return row, drawn
