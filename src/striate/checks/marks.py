"""Findings on what is marked: boxes, masks, maps of regions."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.finding import Evidence, Finding, Severity

from .case import SHOWN, Case, Noticed, counted, of_images
from .objects import Marked, Problem


@dataclass(frozen=True)
class Fault:
    """How one kind of problem is spoken of; ``seen`` stands behind "3 images have"."""

    severity: Severity
    seen: str
    mend: str


FAULTS: dict[str, Fault] = {
    "unreadable-marks": Fault(
        "error", "marks that cannot be read", "Mend or replace these files; nothing can be trained on the images."
    ),
    "unknown-class": Fault(
        "error",
        "marks of a class that does not exist",
        "See whether classes are counted from 0 or from 1, and which value stands for no class (255 is taken for it).",
    ),
    "mask-size": Fault(
        "error",
        "masks of another size than the image",
        "Save masks at the size of their image, upright as it is shown; see whether one of the two was turned.",
    ),
    "empty-boxes": Fault(
        "error", "boxes without area", "Draw them anew or delete them: a loss over such a box is not finite."
    ),
    "boxes-outside": Fault(
        "warning",
        "boxes that reach outside the image",
        "Cut them at the edge; where they lie far outside, see whether width and height were exchanged, or the image "
        "was resized and the boxes were not.",
    ),
    "mask-boxes": Fault(
        "warning",
        "boxes that do not fit their masks",
        "See whether boxes and masks are listed in the same order and count from the same corner.",
    ),
    "empty-masks": Fault("warning", "masks without a pixel", "Draw them anew or delete the object."),
    "repeated-boxes": Fault(
        "warning", "one object marked twice", "Delete one of the two: it counts double, and one of them is never found."
    ),
    "points-outside": Fault("warning", "key points outside the image", "Mark them as not labelled, or move them."),
    "tiny-boxes": Fault(
        "note",
        "boxes of a few pixels",
        "See whether they were drawn by mistake; objects of that size vanish when the image is made smaller.",
    ),
    "whole-image-boxes": Fault(
        "note", "a box around the whole image", "See whether the object fills the image, or the box stands for a label."
    ),
}
_SURE = 1.0  # all of it is arithmetic


def mark_findings(case: Case, marked: tuple[Marked, ...]) -> list[Noticed]:
    """One finding for each kind of problem that turned up."""
    out = []
    for check, fault in FAULTS.items():
        problems = [
            (case.starts[number] + problem.row, problem)
            for number, each in enumerate(marked)
            for problem in each.problems.get(check, [])
        ]
        if problems:
            out.append(_fault(case, check, fault, problems))
    return out


def unmarked_findings(case: Case, marked: tuple[Marked, ...]) -> list[Noticed]:
    """Images on which nothing is marked, where objects are what the data are about."""
    if case.task != "boxes":
        return []
    rows = [
        case.starts[number] + row
        for number, each in enumerate(marked)
        for row in (each.objects == 0).nonzero().reshape(-1).tolist()
    ]
    if not rows:
        return []
    finding = Finding(
        id=f"no-objects/{case.splits.train.name}",
        check="no-objects",
        severity="warning" if 2 * len(rows) > case.count else "note",
        sure=1.0,
        seen=f"{of_images(len(rows), 'has', 'have')} no object marked ({case.by_split(rows)}).",
        evidence=(Evidence("images without objects", counted(len(rows), case.count)),),
        mend="If they show none, they are good examples of the background; if they do, their objects are missing and "
        "a net is punished for finding them.",
    )
    return [
        Noticed(finding, tuple((row,) for row in rows[:SHOWN]), tuple(map(case.name, rows[:SHOWN])), tuple(rows),
                "no object marked")
    ]  # fmt: skip


def _fault(case: Case, check: str, fault: Fault, problems: list[tuple[int, Problem]]) -> Noticed:
    rows = sorted({image for image, _ in problems})
    first: dict[int, Problem] = {}
    for image, problem in problems:
        first.setdefault(image, problem)
    shown = rows[:SHOWN]
    one, said = problems[0]
    finding = Finding(
        id=f"{check}/{case.splits.train.name}",
        check=check,
        severity=fault.severity,
        sure=_SURE,
        seen=f"{of_images(len(rows), 'has', 'have')} {fault.seen} ({case.by_split(rows)}): {case.name(one)}, "
        f"{said.fact}.",
        evidence=(
            Evidence("images", counted(len(rows), case.count)),
            Evidence("places where it occurs", counted(len(problems))),
        ),
        mend=fault.mend,
    )
    boxes = tuple(
        tuple(problem.box for image, problem in problems if image == row and problem.box is not None) for row in shown
    )
    facts = tuple(f"{case.name(row)}: {first[row].fact}" for row in shown)
    return Noticed(
        finding,
        tuple((row,) for row in shown),
        facts,
        tuple(rows),
        fault.seen,
        drop=fault.severity == "error",
        boxes=boxes,
    )
