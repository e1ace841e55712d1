"""`striate evaluate`: measure a net on one split."""

from __future__ import annotations

from typing import Unpack

from striate.core.report import Report
from striate.measure.payload import Evaluation

from .options import DataArgument, NetArgument, OnData, OutArgument
from .session import session, shown, write_out


def evaluate(
    net: NetArgument, data: DataArgument, *, out: OutArgument = None, **shared: Unpack[OnData]
) -> Report[Evaluation]:
    """Measure a net on one split: accuracy with its interval, every figure by class, calibration, the worst mistakes.

    Cost: one forward pass an image.

    >>> import striate
    >>> striate.evaluate("striate/small", "shapes", limit=100, quiet=True).result.n
    100
    """
    with session("evaluate", {"net": net, "data": data, "out": out}, shared, OnData) as run:
        from striate.measure.analysis import analyse
        from striate.measure.findings import evaluation_findings

        from .pictures import mistakes_with_pictures

        loaded = run.net(net)
        images = run.data(data, loaded)
        table = run.table(loaded, images)
        evaluation = analyse(table, images, seed=run["seed"])
        evaluation, album = mistakes_with_pictures(evaluation, images, most=24 if out else 0)
        findings = evaluation_findings(evaluation, net=str(shown(net)), data=str(shown(data)))
        report = run.report(evaluation, findings=findings, album=album)
        return write_out(report, out, overwrite=run["overwrite"])
