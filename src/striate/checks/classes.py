"""Checks of how the classes are filled: counts by split, classes missing, imbalance, tags that say nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number

from .case import Case, Noticed, counted, listed
from .objects import Marked
from .payload import Counts, SplitCounts

UNEVEN, VERY_UNEVEN = 10.0, 100.0  # largest over smallest class: a note, a warning


def count_all(case: Case, marked: tuple[Marked | None, ...]) -> Counts:
    """What lies in each split, by class."""
    splits = []
    for number, part in enumerate(case.parts):
        marks = marked[number]
        objects = int(marks.objects.sum()) if marks is not None else 0
        empty = 0
        if part.task == "boxes" and marks is not None:
            empty = int((marks.objects == 0).sum())
        elif part.task == "tags" and part.tags is not None:
            empty = int((~part.tags.any(1)).sum())
        by_class = tuple(_class_counts(case, number, marks).tolist())
        splits.append(SplitCounts(part.split, len(part), len(case.broken[number]), objects, empty, by_class))
    filled = splits[0] if splits[0].images else next((each for each in splits if each.images), splits[0])
    counts = torch.tensor(filled.classes, dtype=torch.float64)
    return Counts(case.count, case.classes, tuple(splits), _imbalance(counts), _effective(counts))


def class_findings(case: Case, counts: Counts) -> list[Noticed]:
    """Classes that are missing from a split or from all, imbalance, tags never or always given."""
    if not counts.classes:
        return []
    table = {each.split: each.classes for each in counts.splits if each.images and each.classes}
    held = {split: {row for row, count in enumerate(by) if count} for split, by in table.items()}
    everywhere = set().union(*held.values()) if held else set()
    return [
        *_never(case, counts, everywhere),
        *_missing(case, counts, held, everywhere),
        *_uneven(case, counts),
        *_tags(case),
    ]


def _class_counts(case: Case, number: int, marks: Marked | None) -> Tensor:
    part = case.parts[number]
    if part.task == "classes":
        return torch.bincount(part.labels, minlength=len(part.classes))
    if part.task == "tags" and part.tags is not None:
        return part.tags.sum(0)
    return marks.classes if marks is not None else torch.empty(0, dtype=torch.int64)


def _imbalance(counts: Tensor) -> Number:
    held = counts[counts > 0]
    if len(held) < 2:
        return Number.missing("fewer than two classes have images")
    return Number.of(float(held.max() / held.min()), n=int(counts.sum()), why="counted")


def _effective(counts: Tensor) -> Number:
    held = counts[counts > 0]
    if not len(held):
        return Number.missing("no class has images")
    share = held / held.sum()
    return Number.of(float((-(share * share.log()).sum()).exp()), n=len(counts), why="counted")


def _never(case: Case, counts: Counts, everywhere: set[int]) -> list[Noticed]:
    absent = [name for row, name in enumerate(counts.classes) if row not in everywhere]
    if not absent or not everywhere:
        return []
    return [
        _plain(
            "empty-classes",
            case,
            "warning",
            f"{len(absent)} of {len(counts.classes)} classes {'has' if len(absent) == 1 else 'have'} nothing in any "
            f"split: {listed(absent)}.",
            evidence=Evidence("classes without images", counted(len(absent), len(counts.classes))),
            mend="Delete the class or its empty folder, or add images: an output that nothing fills can only be wrong.",
        )
    ]


def _single(counts: Counts) -> bool:
    """Whether most classes have fewer images in all than there are splits."""
    parts = [part.classes for part in counts.splits if part.images and part.classes]
    totals = [sum(each) for each in zip(*parts, strict=True)]
    few = sum(0 < total < len(counts.splits) for total in totals)
    return bool(2 * few > len(totals))


def _missing(case: Case, counts: Counts, held: dict[str, set[int]], everywhere: set[int]) -> list[Noticed]:
    out = []
    for split, there in held.items():
        absent = sorted(everywhere - there)
        if not absent:
            continue
        names = [counts.classes[row] for row in absent]
        learnt = split == "train"
        if _single(counts):
            mend = "Most classes have fewer images than there are splits: add some, or test on all with --shares 0/0/1."
        elif learnt:
            mend = "Split anew so that every class is on each side: what is not in train cannot be learnt."
        else:
            mend = f"Nothing can be said of these classes on {split}: split anew, every class in proportion."
        out.append(
            _plain(
                f"missing-classes/{split}",
                case,
                "warning" if learnt else "note",
                f"{len(names)} of {len(counts.classes)} classes {'is' if len(names) == 1 else 'are'} missing from "
                f"{split}: {listed(names)}.",
                evidence=Evidence(f"classes missing from {split}", counted(len(names), len(counts.classes))),
                mend=mend,
            )
        )
    return out


def _uneven(case: Case, counts: Counts) -> list[Noticed]:
    ratio = counts.imbalance.value
    if ratio is None or ratio < UNEVEN or case.task not in {"classes", "boxes"}:
        return []
    part = next(each for each in counts.splits if each.images and each.classes)
    known = [(amount, name) for amount, name in zip(part.classes, counts.classes, strict=True) if amount]
    few, many = min(known), max(known)
    what = "objects" if case.task == "boxes" else "images"
    return [
        _plain(
            "imbalance",
            case,
            "warning" if ratio >= VERY_UNEVEN else "note",
            f"{part.split} has {many[0]:,} {what} of {many[1]} and {few[0]:,} of {few[1]}: the classes weigh like "
            f"{float(counts.effective_classes):.1f} equal ones of {len(counts.classes)}.",
            evidence=Evidence("largest over smallest class", counts.imbalance),
            mend="Read figures by class and balanced accuracy rather than accuracy; gather more of the rare classes, "
            "or weigh them more in training.",
        )
    ]


def _tags(case: Case) -> list[Noticed]:
    tags = [part.tags for part in case.parts if part.task == "tags" and part.tags is not None and len(part)]
    if not tags:
        return []
    together = torch.cat(tags)
    always = [case.classes[row] for row in together.all(0).nonzero().reshape(-1).tolist()]
    bare = (~together.any(1)).nonzero().reshape(-1).tolist()
    out = []
    if always and len(together) > 1:
        out.append(
            _plain(
                "constant-tags",
                case,
                "warning",
                f"{len(always)} of {len(case.classes)} labels {'is' if len(always) == 1 else 'are'} given to every "
                f"image: {listed(always)}.",
                evidence=Evidence("labels that every image has", counted(len(always), len(case.classes))),
                mend="Leave them out, or add images without them: a net learns to say yes whatever it sees.",
            )
        )
    if bare:
        finding = _plain(
            "no-labels",
            case,
            "note",
            f"{len(bare):,} of {len(together):,} images have no label at all ({case.by_split(bare)}).",
            evidence=Evidence("images without a label", counted(len(bare), len(together))),
            mend="Right if they show none of the classes; else their labels are missing and teach the net to say no.",
        )
        shown = tuple((row,) for row in bare[:4])
        out.append(Noticed(finding.finding, shown, tuple(map(case.name, bare[:4])), tuple(bare), "no label"))
    return out


def _plain(check: str, case: Case, severity: Severity, seen: str, *, evidence: Evidence, mend: str) -> Noticed:
    name, _, subject = check.partition("/")
    return Noticed(
        Finding(
            id=f"{name}/{subject or case.splits.train.name}",
            check=name,
            severity=severity,
            sure=1.0,
            seen=seen,
            evidence=(evidence,),
            mend=mend,
        )
    )
