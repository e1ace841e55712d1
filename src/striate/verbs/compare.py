"""`striate compare`: nets on the same images, or two saved evaluations."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.measure.compared import Comparison

from .options import DataLike, NetLike, OnData, Option, OutArgument
from .session import MARK, Session, distinct_names, session, shown, write_out

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.payload import Evaluation
    from striate.measure.table import Table
    from striate.nets.net import Net

PICTURES = 48
TIMED_IMAGES = 256
CITES = ("mcnemar1947note", "holm1979simple")


def compare(
    *nets: Annotated[
        NetLike, Option("two or more nets (SOURCE/ARCH, a run folder...), or two reports of evaluate", "NET", many=True)
    ],
    data: Annotated[DataLike | None, Option("the data that nets are compared on; not taken by reports", "DATA")] = None,
    untimed: Annotated[bool, Option("do not measure how long the nets take")] = False,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Comparison]:
    """Compare nets on the same images, or two saved reports of evaluate.

    Nets: accuracy with paired tests and intervals, agreement, the images on which they contradict each other,
    parameters, multiply-adds, time of a pass measured in turns, memory of activations. Reports: every figure of the
    second less that of the first, with intervals.

    Cost: one forward pass an image and net, and some seconds of timing.

    >>> import striate
    >>> two = ("striate/small", "striate/linear.random")
    >>> report = striate.compare(*two, data="shapes", limit=200, untimed=True, quiet=True)
    >>> report.result.pairs[0].better
    'striate/small'
    """
    given = {"nets": nets, "data": data, "untimed": untimed, "out": out}
    with session("compare", given, shared, OnData) as run:
        if len(nets) < 2:
            raise StriateError(
                f"{len(nets)} {'net is' if len(nets) == 1 else 'nets are'} given",
                accepted="two or more nets with --data, or two reports",
            )
        places = [report_file(each) for each in nets]
        saved = [place for place in places if place is not None]
        if saved and len(saved) < len(nets):
            raise StriateError(
                f"{shown(saved[0])} is a report and others are nets",
                accepted="nets with --data, or two reports",
            )
        if saved:
            report = _reports(run, saved, given_data=data)
        elif data is None:
            raise StriateError("no data are given", accepted="--data NAME or FOLDER", hint="striate datasets")
        else:
            report = _nets(run, list(nets), data, timed=not untimed, pictures=PICTURES if out else 0)
        return write_out(report, out, overwrite=run["overwrite"])


def report_file(given: Any) -> Path | None:
    """The report that is meant: a JSON file, or a folder that a verb wrote with --out; None for anything else."""
    if not isinstance(given, (str, Path)):
        return None
    path = Path(given)
    if path.is_file() and path.suffix == ".json":
        return path
    return path / MARK if (path / MARK).is_file() and not (path / "run.json").exists() else None


def _nets(run: Session, given: list[NetLike], data: DataLike, *, timed: bool, pictures: int) -> Report[Comparison]:
    from striate.measure.comparison import compare_tables
    from striate.measure.differences import comparison_findings

    from .pictures import key_of, thumbnails

    names = distinct_names(given)
    loaded: list[Net] = []
    views: list[Dataset] = []
    tables: list[Table] = []
    origins = []
    for name, each in zip(names, given, strict=True):
        net = run.net(each)
        origins.append({**(run.net_origin or {}), "name": name})
        images = run.data(data, net)
        run.progress.say(f"{name} on {images.name}, {images.split}")
        loaded.append(net)
        views.append(images)
        tables.append(run.table(net, images))
    run.net_origin = {"name": ", ".join(names), "nets": origins}
    result = compare_tables(names, tables, views[0], seed=run["seed"])
    result = _with_costs(run, result, loaded, views, timed=timed)
    rows = [one.row for one in result.disagreements[:pictures]]
    album = thumbnails(views[0], rows)
    result = replace(
        result,
        disagreements=tuple(
            replace(one, picture=key_of(one.row)) if key_of(one.row) in album else one for one in result.disagreements
        ),
    )
    findings = comparison_findings(result, data=str(shown(data)))
    return run.report(result, findings=findings, album=album, cites=CITES)


def _with_costs(
    run: Session, result: Comparison, nets: Sequence[Net], views: Sequence[Dataset], *, timed: bool
) -> Comparison:
    """The comparison with what each net costs."""
    import torch

    from striate.measure.timing import ROUNDS, peak_bytes, time_nets
    from striate.nets.summary import summarise

    rows = []
    for row, net, images in zip(result.nets, nets, views, strict=True):
        totals = summarise(net, size=images.size).totals
        size = net.a_size(images.size)
        rows.append(
            replace(
                row,
                parameters=totals.parameters,
                macs=totals.macs,
                size=tuple(size),
                memory=peak_bytes(net, images.size),
            )
        )
    if not timed:
        return replace(result, nets=tuple(rows))
    layout = torch.channels_last if run.memory_format == "channels_last" else torch.contiguous_format
    place = torch.device(run["device"])
    samples = [
        each.images(torch.arange(min(len(each), TIMED_IMAGES))).to(place, memory_format=layout) for each in views
    ]
    times = time_nets(nets, samples, memory=run["memory"], progress=run.progress)
    rows = [replace(row, single=single, best=best) for row, (single, best) in zip(rows, times, strict=True)]
    device = f"{run['device']}, {torch.get_num_threads()} threads, {run['precision']}"
    return replace(result, nets=tuple(rows), device=device, rounds=ROUNDS)


def _reports(run: Session, places: list[Path], *, given_data: DataLike | None) -> Report[Comparison]:
    from striate.measure.differences import comparison_findings
    from striate.measure.independent import compare_evaluations

    if len(places) != 2:
        raise StriateError(f"{len(places)} reports are given", accepted="two")
    if given_data is not None:
        raise StriateError("reports hold their own data", hint="leave out --data, or give the nets")
    reports = [_evaluated(place) for place in places]
    origins = [each.origin.data or {} for _, each in reports]
    # fingerprints differ where nets take images of other sizes: name, split and images of each class then tell
    counts = [tuple(one.support for one in found.classes) for found, _ in reports]
    marks = [(each.get("name"), each.get("split"), number) for each, number in zip(origins, counts, strict=True)]
    said = [f"{each.get('name', 'unknown data')}, {each.get('split', '')}".rstrip(", ") for each in origins]
    same = marks[0] == marks[1] and bool(marks[0][0])
    names = distinct_names(
        [
            str((each.origin.net or {}).get("name") or place.name)
            for (_, each), place in zip(reports, places, strict=True)
        ]
    )
    result = compare_evaluations(
        (names[0], names[1]), (reports[0][0], reports[1][0]), (said[0], said[1]), same_images=same
    )
    nets = [str(each.origin.arguments.get("net", "")) for _, each in reports]
    data = str(reports[0][1].origin.arguments.get("data", ""))
    split = str(origins[0].get("split", "test"))
    paired = ""
    if same and all(nets) and data and nets[0] != nets[1]:
        more = [] if split == "test" else ["--split", split]
        if limit := reports[0][1].origin.arguments.get("limit"):
            more += ["--limit", str(limit)]
        paired = shlex.join(["striate", "compare", *nets, "--data", data, *more])
    run.net_origin = {"name": ", ".join(names), "nets": [dict(each.origin.net or {}) for _, each in reports]}
    run.data_origin = dict(origins[0]) if same else {"name": " and ".join(dict.fromkeys(said))}
    findings = comparison_findings(result, data=data, paired=paired)
    return run.report(result, findings=findings, cites=("newcombe1998interval", "fisher1935logic", "holm1979simple"))


def _evaluated(place: Path) -> tuple[Evaluation, Report[Any]]:
    from striate.measure.payload import Evaluation

    from .read import read_report

    report = read_report(place)
    found = report.result if isinstance(report.result, Evaluation) else getattr(report.result, "evaluation", None)
    if not isinstance(found, Evaluation):
        raise StriateError(f"{place.name} is a report of {report.verb}", accepted="reports of evaluate or examine")
    return found, report
