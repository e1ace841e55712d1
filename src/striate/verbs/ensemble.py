"""`striate ensemble`: nets, snapshots of a run and views of the images, averaged; what each adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.learn.ensembles.payload import Ensemble

from .options import DataLike, NetLike, OnData, Option, OutArgument, words
from .session import Session, distinct_names, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.learn.ensembles.measure import Voice
    from striate.learn.ensembles.views import View

CITES = ("hansen1990neural", "lakshminarayanan2017simple", "mcnemar1947note")


def ensemble(
    *nets: Annotated[NetLike, Option("one or more nets (SOURCE/ARCH, a run folder...)", "NET", many=True)],
    data: Annotated[DataLike, Option("the data that they are measured on", "DATA")],
    average: Annotated[
        Literal["probabilities", "logits"], Option("what is averaged: probabilities, or their logarithms")
    ] = "probabilities",
    views: Annotated[
        str | tuple[str, ...] | None,
        Option("views of each image beside the whole: flip, crops, scales (default: none)", "V[,V]", words),
    ] = None,
    snapshots: Annotated[
        str | Path | None, Option("run folder of `train --keep N`: its epochs are members, the last first", "RUN")
    ] = None,
    choose: Annotated[bool, Option("order and number of the members by the loss on dev; test then measures")] = False,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Ensemble]:
    """Average what several nets say, or one net of several views, and measure what each adds.

    Members are the nets in the order given, then the snapshots, then each further view of all of them. Every member
    counts alike. Each alone and the average as it grows: accuracy, loss, calibration; paired differences to the average
    before and to the best member; how often members differ. The best member is the best on the images measured, which
    favours it a little.

    Cost: one forward pass an image and member; with ``choose`` as many on dev.

    >>> import striate
    >>> report = striate.ensemble("striate/small", data="shapes", views="flip", limit=200, quiet=True)
    >>> [row.name for row in report.result.members]
    ['striate/small', 'striate/small, mirrored']
    """
    given = {
        "nets": nets, "data": data, "average": average, "views": views, "snapshots": snapshots, "choose": choose,
        "out": out,
    }  # fmt: skip
    with session("ensemble", given, shared, OnData) as run:
        from striate.learn.ensembles.average import AVERAGES
        from striate.learn.ensembles.findings import ensemble_findings
        from striate.learn.ensembles.measure import choose as chosen_by
        from striate.learn.ensembles.measure import measure_ensemble
        from striate.learn.ensembles.views import KINDS, views_of

        if average not in AVERAGES:
            raise StriateError(f"average is {average!r}", accepted=", ".join(AVERAGES))
        if choose and run["split"] == "dev":
            raise StriateError("--choose with --split dev: dev would choose and measure", accepted="--split test")
        members = [*nets, *_snapshots(snapshots)]
        if not members:
            raise StriateError("no net is given", accepted="one or more nets, or --snapshots RUN")
        kinds = words(views) if isinstance(views, str) else tuple(views or ())
        seen = views_of(kinds)
        names = distinct_names(members)
        names[len(nets) :] = [f"epoch {int(Path(str(each)).stem[6:])}" for each in members[len(nets) :]]
        voices, images = _voices(run, members, names, data, seen)
        picked = None
        if choose:
            dev = replace(run, settings={**run.settings, "split": "dev"}, data_origin=None)
            on_dev, _ = _voices(dev, members, names, data, seen)
            picked = chosen_by([each.table for each in on_dev], average=average)
        where = f"{images.name}, {images.split}"
        result = measure_ensemble(voices, data=where, average=average, chosen=picked, seed=run["seed"])
        called = {name: str(shown(each)) for name, each in zip(names, members, strict=True)}
        command = ["striate", "ensemble", *(str(shown(each)) for each in nets), "--data", str(shown(data))]
        command += ["--views", ",".join(each for each in KINDS if each in kinds)] if kinds else []
        command += ["--snapshots", str(shown(snapshots))] if snapshots is not None else []
        findings = ensemble_findings(result, command=command, nets=called, data=str(shown(data)))
        report = run.report(result, findings=findings, cites=[*CITES, *_cites(given)])
        return write_out(report, out, overwrite=run["overwrite"])


def _cites(given: dict[str, Any]) -> list[str]:
    found = [] if given["views"] is None else ["krizhevsky2012imagenet"]
    found += [] if given["snapshots"] is None else ["huang2017snapshot"]
    return found + (["caruana2004ensemble"] if given["choose"] else [])


def _snapshots(given: str | Path | None) -> list[Path]:
    """The kept epochs of a run, the last first, without the start."""
    if given is None:
        return []
    found = sorted(Path(given).glob("checkpoints/epoch-*.safetensors"), reverse=True)
    found = [each for each in found if int(each.stem[6:]) > 0]
    if not found:
        raise StriateError(
            f"{shown(given)} holds no kept epochs", accepted="the folder of a run", hint="striate train DATA --keep 1"
        )
    return found


def _voices(
    run: Session, given: Sequence[NetLike], names: Sequence[str], data: DataLike, views: Sequence[View]
) -> tuple[list[Voice], Dataset]:
    """What every member says: the whole image of all nets, then each further view of all of them."""
    from striate.learn.ensembles.measure import Voice
    from striate.learn.ensembles.views import view_logits

    by_view: list[list[Voice]] = [[] for _ in views]
    origins, images = [], None
    for name, each in zip(names, given, strict=True):
        net = run.net(each)
        origins.append({**(run.net_origin or {}), "name": name})
        images = run.data(data, net)
        run.progress.say(f"{name} on {images.name}, {images.split}")
        table = run.table(net, images)
        by_view[0].append(Voice(name, views[0].name, table))
        if len(views) == 1:
            continue
        larger, size = _around(images)
        logits = view_logits(
            net, larger, views[1:], size=size, batch=run["batch"], memory=run["memory"], workers=run["workers"],
            progress=run.progress,
        )  # fmt: skip
        for view, found, voices in zip(views[1:], logits, by_view[1:], strict=True):
            voices.append(Voice(name, view.name, replace(table, logits=found)))
    run.net_origin = {"name": ", ".join(names), "nets": origins}
    assert images is not None  # there is at least one net
    return [voice for voices in by_view for voice in voices], images


def _around(images: Dataset) -> tuple[Dataset, tuple[int, int]]:
    """The images with what the net's geometry cuts off around the middle, and the size that the net takes."""
    size = images.size
    if size is None:
        raise StriateError(f"the images of {images.name} differ in size", hint="--geometry 224")
    how = images.geometry
    if how is None or how.resize is None or how.crop != "center" or how.resize <= max(size):
        return images, size
    return images.resized(replace(how, size=(how.resize, how.resize))), size
