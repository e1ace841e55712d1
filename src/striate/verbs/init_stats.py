"""`striate init-stats`: a net before training, from one scheme of starting weights or several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.training.signals.payload import InitStats

from .options import Computing, DataArgument, NetArgument, Option, OutArgument, Source, count, words
from .session import session, shown, write_out


class Probing(Computing, Source, total=False):
    """What a look at a few training images takes."""


def init_stats(
    net: NetArgument,
    data: DataArgument = "shapes",
    *,
    init: Annotated[
        str | tuple[str, ...], Option("schemes of starting weights; `striate methods` lists them", "S[,S]", words)
    ] = ("built",),
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[Probing],
) -> Report[InitStats]:
    """Show how activations and gradients run through a net before training, for each scheme of starting weights.

    By site: mean, deviation, share of zeros, extremes of the output and of the gradient of the loss with respect to it
    and to the weights, over training images drawn by the seed (--limit of them, 128 by default). Batch norm uses the
    batch's statistics, as the first step of training does. Findings name signals that vanish or explode, units that
    are dead, saturated or alike, and a loss above that of knowing nothing.

    Cost: one pass forward and one back for each image and scheme.

    >>> import striate
    >>> report = striate.init_stats("striate/mlp", "digits", init="zeros", limit=32, quiet=True)
    >>> [finding.check for finding in report.findings]
    ['symmetric_units']
    """
    given = {"net": net, "data": data, "init": init, "size": size, "out": out}
    with session("init-stats", given, shared, Probing) as run:
        from striate.training.schemes import INITS
        from striate.training.signals.compare import IMAGES, compare_starts
        from striate.training.signals.findings import signal_findings

        whole = replace(run, settings={**run.settings, "limit": None})  # the images are drawn from all of the split
        splits = whole.splits(data, size=size)
        run.data_origin = whole.data_origin
        names = words(init) if isinstance(init, str) else tuple(init)
        result = compare_starts(
            net,
            splits,
            inits=names,
            seed=run["seed"],
            images=run["limit"] or IMAGES,
            memory=run["memory"],
            weights_root=Path(run["weights_root"]) if run["weights_root"] else None,
            progress=run.progress,
        )
        result = replace(result, net=str(shown(net)), data=str(shown(data)))
        findings = signal_findings(result, net=result.net, data=result.data)
        cites = (
            "glorot2010understanding",
            "he2015delving",
            "yang2019mean",
            *(key for name in names for key in INITS[name].cites),
        )
        report = run.report(result, findings=findings, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])
