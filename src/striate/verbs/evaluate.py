"""`striate evaluate`: measure a net on one split."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.core.report import Report
from striate.measure.payload import Evaluation
from striate.measure.tagged import MultiLabelEvaluation

from .options import DataArgument, DataLike, NetArgument, OnData, Option, OutArgument, numbers
from .session import Session, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table
    from striate.nets.net import Net

DEV = 2000  # images of the dev split that temperature and thresholds are chosen on
SHOWN = 24  # pictures of mistakes, and of suspect labels
CITES = ("guo2017calibration", "northcutt2021confident", "chung2019slice", "geifman2019bias")


def two_costs(text: str) -> tuple[float, float]:
    """Cost of a false positive and of a false negative from ``FP,FN``."""
    found = numbers(text)
    if len(found) != 2:
        raise StriateError(f"cost is {text!r}", accepted="two numbers FP,FN such as 1,10")
    return found[0], found[1]


def evaluate(
    net: NetArgument,
    data: DataArgument,
    *,
    cost: Annotated[
        tuple[float, float] | None,
        Option(
            "two classes: cost of a false positive and of a false negative, to choose a threshold by",
            "FP,FN",
            two_costs,
        ),
    ] = None,
    quick: Annotated[bool, Option("leave out the dev split and what the pixels are like")] = False,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Evaluation] | Report[MultiLabelEvaluation]:
    """Measure a net on one split: accuracy with its interval, every figure by class, curves, calibration, weak slices.

    Temperature and thresholds are chosen on at most 2,000 images of the dev split and measured on the split itself.
    Slices are by class, by what the pixels are like (brightness, contrast, sharpness, colourfulness, size), and by what
    the data say of each image. With two classes the second counts as positive. Data with any number of labels an image
    are measured label by label, by the sigmoid of each output.

    Cost: one forward pass an image, and one for each dev image; the pixels are looked at once more.

    >>> import striate
    >>> striate.evaluate("striate/small", "shapes", limit=100, quiet=True).result.n
    100
    """
    given = {"net": net, "data": data, "cost": cost, "quick": quick, "out": out}
    with session("evaluate", given, shared, OnData) as run:
        from striate.measure.findings import evaluation_findings

        from .pictures import evaluation_with_pictures, illustrated

        loaded = run.net(net)
        images = run.data(data, loaded)
        if images.task == "tags":
            return write_out(
                _tagged(run, data, loaded, images, cost=cost, quick=quick), out, overwrite=run["overwrite"]
            )
        table = run.table(loaded, images)
        evaluation = measured(run, data, loaded, images, table, cost=cost, quick=quick)
        evaluation, album = evaluation_with_pictures(evaluation, images, most=SHOWN if out else 0)
        findings = evaluation_findings(evaluation, net=str(shown(net)), data=str(shown(data)))
        report = run.report(evaluation, findings=illustrated(findings, evaluation, None), album=album, cites=CITES)
        return write_out(report, out, overwrite=run["overwrite"])


def measured(
    run: Session,
    given: DataLike,
    net: Net,
    images: Dataset,
    table: Table,
    *,
    cost: tuple[float, float] | None = None,
    quick: bool = False,
) -> Evaluation:
    """The evaluation of a table of predictions, with temperature and thresholds from dev, and all that slices need."""
    from striate.data.properties import image_properties
    from striate.measure.analysis import analyse
    from striate.measure.operation import Costs

    met = images if len(table) == len(images) else images.take(table.rows)
    dev, no_dev = (None, "left out on request") if quick else dev_predictions(run, given, net)
    return analyse(
        table,
        images,
        dev=dev,
        no_dev=no_dev,
        properties=None if quick else image_properties(met, progress=run.progress, workers=run["workers"]),
        attributes=not quick,
        costs=None if cost is None else Costs(*cost),
        seed=run["seed"],
    )


def _tagged(
    run: Session, given: DataLike, net: Net, images: Dataset, *, cost: tuple[float, float] | None, quick: bool
) -> Report[MultiLabelEvaluation]:
    """The report on data with any number of labels an image."""
    from striate.measure.tags import analyse_tags, predict_tags, tag_findings

    if cost is not None:
        raise StriateError("costs are given for data with any number of labels", accepted="costs with two classes")
    how = {name: run[name] for name in ("batch", "memory", "workers", "precision")}
    dev, _ = (None, "") if quick else dev_images(run, given, net)
    table = predict_tags(net, images, progress=run.progress, **how)
    chosen = None if dev is None else predict_tags(net, dev, progress=run.progress, **how)
    result = analyse_tags(table, images, dev=chosen)
    command = shlex.join(["striate", "check", str(shown(given))])
    return run.report(result, findings=tag_findings(result, command=command), cites=("lipton2014optimal",))


def dev_predictions(run: Session, given: DataLike, net: Net) -> tuple[Table | None, str]:
    """What the net says of at most `DEV` images of the dev split, spread over it; or None, and why."""
    data, why = dev_images(run, given, net)
    return (None, why) if data is None else (run.table(net, data), "")


def dev_images(run: Session, given: DataLike, net: Net) -> tuple[Dataset | None, str]:
    """At most `DEV` images of the dev split, spread over it; or None, and why."""
    import torch

    from striate.data.dataset import Dataset

    if run["split"] == "dev":
        return None, "the dev split itself is measured"
    if isinstance(given, Dataset):
        return None, "one split was given, and no dev split"
    # what stands in the way of reading the data was told with the measured split
    settings = {**run.settings, "split": "dev", "limit": None}
    apart = replace(run, settings=settings, progress=SILENT, cites=[], findings=[], used=[])
    try:
        data = apart.data(given, net)
    except StriateError as error:
        return None, f"no dev split: {error}"
    most = min(run["limit"] or DEV, DEV)
    rows = torch.arange(most) * len(data) // most if len(data) > most else torch.arange(len(data))
    return data.take(rows), ""
