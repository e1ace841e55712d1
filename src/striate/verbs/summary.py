"""`striate summary`: what a net executes, site by site, and what it costs."""

from __future__ import annotations

from typing import Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.nets.payload import Summaries, Summary

from .options import NetLike, Option, OutArgument, Shared, count
from .session import session, write_out


def summary(
    *nets: Annotated[
        NetLike,
        Option("SOURCE/ARCH, a weights file as SOURCE/ARCH@FILE, a run folder, FILE.py:function", "NET", many=True),
    ],
    size: Annotated[
        int | None, Option("side of the input in pixels (default: the net's own)", "PX", parse=count)
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[Shared],
) -> Report[Summary] | Report[Summaries]:
    """List what a net executes: shape, parameters, multiply-adds and theoretical receptive field of each site.

    No weights are loaded. Shared parameters count once. Several nets are set side by side.

    >>> import striate
    >>> striate.summary("striate/resnet20", quiet=True).result.totals.parameters
    269722
    """
    if not nets:
        raise StriateError("no net is given", accepted="one or more names", hint="striate models")
    with session("summary", {"nets": nets, "size": size, "out": out}, shared, Shared) as run:
        from striate.nets.load import load_net
        from striate.nets.summary import summarise

        loaded = [load_net(each, weights=False) for each in nets]
        rows = [summarise(each, size=(size, size) if size else None) for each in loaded]
        cites = [key for each in loaded for key in each.origin.cites]
        if len(rows) == 1:
            return write_out(run.report(rows[0], cites=cites), out, overwrite=run["overwrite"])
        return write_out(run.report(Summaries(tuple(rows)), cites=cites), out, overwrite=run["overwrite"])
