"""`striate check`: what is wrong with labelled images, before a net is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from striate.checks.payload import Checked
from striate.core.report import Report

from .options import Computing, DataArgument, Option, OutArgument, Source
from .session import session, shown, write_out

FILES = {
    "cleaned": "cleaned.csv",
    "cleaned splits": "cleaned.splits.json",
    "reasons": "reasons.csv",
}


class OnSplits(Computing, Source, total=False):
    """What verbs take that look at all splits of a data set; ``limit`` counts in each."""


def check(
    data: DataArgument,
    *,
    fast: Annotated[bool, Option("leave out what needs training: suspect labels, train/test shift")] = False,
    out: OutArgument = None,
    **shared: Unpack[OnSplits],
) -> Report[Checked]:
    """Look for what is wrong with data before a net is trained on them: every split, every kind of label.

    Files that cannot be read, single colours, too dark, too bright, blurred, tiny, huge, oddly shaped; exact and near
    copies within and across the splits and with other labels; classes that are missing or rare; boxes and masks that
    cannot be right; groups torn apart. Files that cannot be read are left out and counted.

    With ``out`` there are a page and its pictures; ``cleaned.splits.json`` with the images to keep, which ``--splits``
    takes for any data that come undivided; ``cleaned.csv``, the same as a table with suggested labels, for image files
    (laid beside them in the place of other tables it can be trained on); ``reasons.csv`` with what speaks against each
    image. Nothing else is written or changed.

    >>> import striate
    >>> striate.check("shapes", limit=50, fast=True, quiet=True).result.duplicates.images
    0
    """
    given = {**shared, "skip_broken": True}
    with session("check", {"data": data, "fast": fast, "out": out}, given, OnSplits) as run:
        from striate.checks.check import check_data
        from striate.checks.cleaned import kept_csv, kept_names, reasons_csv
        from striate.core.storage import write_text
        from striate.data.division import splits_text

        run.arguments = {**run.arguments, "skip_broken": bool(shared.get("skip_broken"))}  # as the caller said it
        splits = run.splits(data)
        run.findings = [each for each in run.findings if each.check != "broken_files"]  # train's alone; ours are of all
        checking = check_data(
            splits,
            name=str(shown(data)),
            learned=not fast,
            pictures=out is not None,
            seed=run["seed"],
            memory=run["memory"],
            workers=run["workers"],
            progress=run.progress,
        )
        report = run.report(
            checking.result,
            findings=checking.findings,
            album=checking.album,
            files=FILES if out is not None else {},
            cites=checking.cites,
        )
        report = write_out(report, out, overwrite=run["overwrite"])
        if out is not None:
            write_text(Path(out) / FILES["cleaned"], kept_csv(checking.rows, checking.result.task))
            write_text(Path(out) / FILES["reasons"], reasons_csv(checking.rows))
            kept = splits_text(splits.train.name, kept_names(checking.rows))
            write_text(Path(out) / FILES["cleaned splits"], kept)
        return report
