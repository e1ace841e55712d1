"""The cleaned list: which images to keep, which to leave out or give another label, and why. Nothing is changed."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from striate.measure.payload import Suspect

from .case import Case, Noticed
from .copies import Copies


@dataclass(frozen=True)
class Row:
    """One image of the list; ``suggested`` is another label for it, or empty."""

    split: str
    row: int
    name: str
    label: str
    keep: bool
    reasons: tuple[str, ...] = ()
    suggested: str = ""


def cleaned_list(
    case: Case, noticed: list[Noticed], copies: list[tuple[Copies, bool]], suspects: Iterable[Suspect]
) -> tuple[Row, ...]:
    """Every image with the decision on it, in the order of the splits.

    Left out are images of a single colour, those with marks that nothing can be trained on, and of each group of copies
    all but one: the one that is measured on stays (test before dev before train), so that nothing that was tested is
    seen in training. Copies with different labels are kept with the label that most of them have; without a
    majority the training ones go. Suspect labels stay, with the other label suggested.
    """
    reasons: dict[int, list[str]] = defaultdict(list)
    gone: set[int] = set()
    suggested: dict[int, str] = {}
    for each in noticed:
        for image in each.rows if each.reason else ():
            reasons[image].append(each.reason)
            if each.drop:
                gone.add(image)
    for group, differ in copies:
        for image, why in _superfluous(case, group, differ).items():
            reasons[image].append(why)
            gone.add(image)
    starts = {part.split: case.starts[number] for number, part in enumerate(case.parts)}
    for suspect in suspects:
        image = starts[suspect.split] + suspect.row
        reasons[image].append(f"looks like {suspect.suggested_name} (label quality {suspect.quality:.2f})")
        suggested[image] = suspect.suggested_name
    return tuple(_row(case, image, image not in gone, reasons, suggested) for image in range(case.count))


def kept_csv(rows: Iterable[Row], task: str) -> str:
    """The images to keep, as ``file,label,split`` (``tags`` for ``label`` where an image has several).

    Laid beside the images it is data that can be trained on; but for boxes and regions it is a list of files alone.
    """
    return _csv(
        ("file", "tags" if task == "tags" else "label", "split"),
        ((row.name, row.label, row.split) for row in rows if row.keep),
    )


def kept_names(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The images to keep, by split."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.keep:
            found[row.split].append(row.name)
    return dict(found)


def reasons_csv(rows: Iterable[Row]) -> str:
    """Every image: ``split,file,label,keep,reasons,suggested``."""
    return _csv(
        ("split", "file", "label", "keep", "reasons", "suggested"),
        (
            (row.split, row.name, row.label, "yes" if row.keep else "no", "; ".join(row.reasons), row.suggested)
            for row in rows
        ),
    )


def _csv(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return stream.getvalue()


def _row(case: Case, image: int, keep: bool, reasons: dict[int, list[str]], suggested: dict[int, str]) -> Row:
    number, row = case.place(image)
    part = case.parts[number]
    return Row(
        part.split, row, part.name_of(row), case.label_name(image), keep, tuple(reasons.get(image, ())),
        suggested.get(image, ""),
    )  # fmt: skip


def _superfluous(case: Case, group: Copies, differ: bool) -> dict[int, str]:
    """The images of a group that should go, each with the reason."""
    kind = "equal pixels" if group.exact else "near copy"
    order = sorted(group.images, key=lambda image: (-int(case.split[image]), image))
    if differ:
        labels = Counter(case.label_name(image) for image in order)
        label, most = labels.most_common(1)[0]
        if 2 * most <= len(order):
            return {
                image: f"{kind} of {case.name(_other(case, image, order))}, which has another label"
                for image in order
                if int(case.split[image]) == 0
            }
        order.sort(key=lambda image: case.label_name(image) != label)
    keeper = order[0]
    why = f"{kind} of {case.split_name(int(case.split[keeper]))} image {case.name(keeper)}"
    return dict.fromkeys(order[1:], why)


def _other(case: Case, image: int, order: list[int]) -> int:
    return next(each for each in order if case.label_name(each) != case.label_name(image))
