"""`striate reproduce`: the lectures' and papers' numbers, computed now."""

from __future__ import annotations

from typing import Annotated, Unpack

from striate.core.report import Report
from striate.figures.payload import Reproduction

from .options import Option, OutArgument, Shared
from .session import session, write_out


def reproduce(
    *figures: Annotated[str, Option("ids of figures (default: all)", "FIGURE", many=True)],
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Reproduction]:
    """Compute figures of lectures and papers: their number, ours, the tolerance, pass or fail, the picture.

    Where a source is wrong, what is right stands beside it with the paper that says so.

    >>> import striate
    >>> striate.reproduce("hinge-example", quiet=True).result.passed
    1
    """
    with session("reproduce", {"figures": figures, "out": out}, shared, Shared) as run:
        from striate.figures import cites_of, reproduce_figures

        result, album = reproduce_figures(figures or None, progress=run.progress)
        report = run.report(result, album=album, cites=cites_of(result))
        return write_out(report, out, overwrite=run["overwrite"])
