"""Checking data: every check on every split, the copies, the leaks, the cleaned list."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from striate.core.finding import Finding, ranked
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Splits, broken_files
from striate.data.properties import PROPERTIES
from striate.measure.payload import Suspect

from .case import Case, Noticed
from .classes import class_findings, count_all
from .cleaned import Row, cleaned_list
from .copies import Pictures, find_copies
from .duplicates import (
    by_importance,
    duplicate_findings,
    label_findings,
    leak_findings,
    leaking_images,
    summed,
    torn_groups,
)
from .learnt import Learnt, ask_learners
from .marks import FAULTS, mark_findings, unmarked_findings
from .objects import annotated, look_at_marks
from .payload import Checked, Removal, Statistic
from .pictures import illustrate, side_by_side
from .quality import CHECKS
from .scan import scan, small_side

CITES = ("crete2007blur", "hasler2003colourfulness", "peli1990contrast", "lucas1981registration", "baker2004lucas")
_PICTURED = 40  # groups of copies, and suspects, that get a picture
_REMOVALS = 1_000
_BROKEN = 20  # files that the finding lists, each with its reason


@dataclass(frozen=True, eq=False)
class Checking:
    """What checking gives: payload, findings, their pictures by name, the cleaned list row by row, what to cite."""

    result: Checked
    findings: tuple[Finding, ...]
    album: dict[str, bytes]
    rows: tuple[Row, ...]
    cites: tuple[str, ...] = CITES


def check_data(
    splits: Splits,
    *,
    name: str = "",
    learned: bool = True,
    pictures: bool = True,
    seed: int = 0,
    memory: int = 1 << 30,
    workers: int = 0,
    progress: Progress = SILENT,
) -> Checking:
    """Everything that can be said of data before a net is trained on them.

    Every image is decoded once. Nothing on disk is changed.

    Args:
        splits: The data; images may differ in size, labels may be of any kind.
        name: What commands call the data; by default their own name.
        learned: Also train small nets: to find labels that look wrong, and to tell training from test images.
        pictures: Make pictures for the findings.
        seed: Seed of what is trained.
        memory: Bytes to work in, beside the data.
        workers: Threads that decode images; 0 for one a core, at most two.
        progress: How the work is shown.
    """
    side = small_side(splits)
    scans = tuple(scan(part, side=side, progress=progress, workers=workers) for part in splits)
    case = Case(splits, scans, name or splits.train.name)
    marked = tuple(look_at_marks(part, progress=progress) if annotated(part) else None for part in case.parts)
    counts = count_all(case, marked)
    noticed = [*_broken(case), *class_findings(case, counts)]
    if case.count:
        for check in CHECKS:
            noticed += check(case)
    there = tuple(each for each in marked if each is not None)
    if len(there) == len(marked):
        noticed += [*mark_findings(case, there), *unmarked_findings(case, there)]
    colours = [each.colours for each in scans if each.colours is not None]
    found = find_copies(
        [digest for each in scans for digest in each.digests],
        Pictures(torch.cat([each.small for each in scans]), torch.cat(colours) if len(colours) == len(scans) else None),
        memory=memory // 4,
        progress=progress,
    )
    copies = by_importance(case, found)
    leaking, leaks = leak_findings(case, copies)
    torn, torn_leaks = torn_groups(case, marked)
    noticed += [*leaking, *label_findings(case, copies), *duplicate_findings(case, copies), *torn]
    learnt = ask_learners(case, seed=seed, progress=progress, workers=workers) if learned else Learnt()
    noticed += learnt.noticed
    findings, album = illustrate(case, noticed, pictures=pictures)
    shown = {number: f"copies-{number}.webp" for number in range(min(_PICTURED, len(copies)))} if pictures else {}
    album |= {key: side_by_side(case, copies[number][0].images[:4]) for number, key in shown.items()}
    rows = cleaned_list(case, noticed, copies, learnt.suspects)
    result = Checked(
        data=splits.train.name,
        layout=splits.said or splits.train.layout,
        task=case.task,
        counts=counts,
        duplicates=summed(case, found, copies, shown),
        leaks=(*leaks, *torn_leaks),
        suspects=_pictured(case, learnt.suspects, album, pictures=pictures),
        doubtful=_pictured(case, learnt.doubtful, album, pictures=pictures),
        judged=learnt.judged,
        leaking=len(leaking_images(case, copies, marked)),
        statistics=_statistics(case),
        checks_run=_names(complete=len(there) == len(marked)),
        kept=sum(row.keep for row in rows),
        removals=_removals(rows),
        left_out=learnt.left_out,
        shift=learnt.shift,
    )
    return Checking(result, ranked(findings), album, rows, (*CITES, *learnt.cites))


def _broken(case: Case) -> list[Noticed]:
    """Files that cannot be read: those left out before, and those of which only the decoding showed it."""
    every = tuple(one for part in case.broken for one in part)
    if not every:
        return []
    return [Noticed(broken_files(case.splits.train.name, every, len(every) + case.count, listed=_BROKEN))]


def _pictured(
    case: Case, suspects: tuple[Suspect, ...], album: dict[str, bytes], *, pictures: bool
) -> tuple[Suspect, ...]:
    """The suspects, the worst of them with a picture, which is put into the album."""
    if not pictures:
        return suspects
    starts = {part.split: case.starts[number] for number, part in enumerate(case.parts)}
    out = []
    for number, each in enumerate(suspects):
        if number < _PICTURED:
            key = f"label-{each.split}-{each.row}.webp"  # of the image, so that two lists cannot take each other's
            album[key] = side_by_side(case, (starts[each.split] + each.row,))
            each = replace(each, picture=key)  # noqa: PLW2901
        out.append(each)
    return tuple(out)


def _statistics(case: Case) -> tuple[Statistic, ...]:
    out = []
    for each in case.scans:
        for name in PROPERTIES:
            values = each.properties[name]
            if not len(values):
                continue
            low, median, high = torch.quantile(_thinned(values), torch.tensor([0.05, 0.5, 0.95], dtype=values.dtype))
            numbers = [values.mean(), values.std(correction=0), values.min(), low, median, high, values.max()]
            out.append(Statistic(name, each.data.split, len(values), *(_rounded(float(one)) for one in numbers)))
    return tuple(out)


def _thinned(values: torch.Tensor) -> torch.Tensor:
    """At most a million of them: torch sorts no more for quantiles."""
    return values[:: 1 + len(values) // 1_000_000]


def _rounded(value: float) -> float:
    """Six digits: what is beyond says nothing."""
    return value if value == 0 else round(value, 5 - math.floor(math.log10(abs(value))))


def _removals(rows: tuple[Row, ...]) -> tuple[Removal, ...]:
    chosen = [row for row in rows if not row.keep or row.suggested][:_REMOVALS]
    return tuple(Removal(row.split, row.row, row.name, row.label, row.reasons, row.suggested) for row in chosen)


def _names(*, complete: bool) -> tuple[str, ...]:
    checks: list[Callable[[Case], list[Noticed]]] = list(CHECKS)
    names = ["broken-files", "empty-classes", "missing-classes", "imbalance"]
    names += [check.__name__.replace("_", "-") for check in checks]
    names += ["duplicates", "leak", "conflicting-labels", "torn-groups"]
    return (*names, *FAULTS, "no-objects") if complete else tuple(names)
