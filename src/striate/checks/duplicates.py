"""Findings on copies: within a split, across splits, with other labels; and groups torn apart by a split."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import torch

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .case import SHOWN, Case, Noticed, counted, listed, of_images
from .copies import Copies, Found
from .objects import Marked
from .payload import DuplicateGroup, Duplicates, Leak

MANY = 0.01  # share of a split that leaks, from which it is an error
_LISTED, _MEMBERS = 500, 50


def counted_groups(number: int, of: str) -> str:
    """``"1 group of equal pixels"``, ``"2 groups of near copies"``."""
    return f"{number:,} {'group' if number == 1 else 'groups'} of {of}"


def labels_differ(case: Case, group: Copies) -> bool:
    """Whether images that show the same carry different labels, tags or objects."""
    said = set()
    for image in group.images:
        number, row = case.place(image)
        part = case.parts[number]
        if part.task == "classes":
            said.add(str(int(part.labels[row])))
        elif part.task == "tags" and part.tags is not None:
            said.add(str(part.tags[row].tolist()))
        elif part.task == "boxes":
            kinds = part.annotations(row).box_classes
            said.add(str([] if kinds is None else sorted(kinds.tolist())))
    return len(said) > 1


def by_importance(case: Case, found: Found) -> list[tuple[Copies, bool]]:
    """Groups with whether their labels differ: those across splits first, then those with several labels."""
    marked = [(group, labels_differ(case, group)) for group in found.groups]
    return sorted(marked, key=lambda each: (len(_splits(case, each[0])) < 2, not each[1], not each[0].exact))


def summed(case: Case, found: Found, marked: list[tuple[Copies, bool]], pictures: dict[int, str]) -> Duplicates:
    """The copies as the payload holds them; ``pictures`` are keys of the album by number of the group."""
    groups = tuple(
        DuplicateGroup(
            kind="exact" if group.exact else "near",
            members=tuple(map(case.member, group.images[:_MEMBERS])),
            count=len(group.images),
            likeness=round(group.likeness, 4),
            splits=tuple(case.split_name(number) for number in _splits(case, group)),
            labels=differ,
            picture=pictures.get(number, ""),
        )
        for number, (group, differ) in enumerate(marked[:_LISTED])
    )
    images = sum(len(group.images) for group, _ in marked)
    return Duplicates(found.exact, found.near, images, images - len(marked), found.proposed, groups)


def duplicate_findings(case: Case, marked: list[tuple[Copies, bool]]) -> list[Noticed]:
    """Copies within a split."""
    inside = [group for group, differ in marked if len(_splits(case, group)) == 1 and not differ]
    if not inside:
        return []
    images = [image for group in inside for image in group.images]
    exact = sum(group.exact for group in inside)
    extra = len(images) - len(inside)
    return [
        Noticed(
            Finding(
                id=f"duplicates/{case.splits.train.name}",
                check="duplicates",
                severity="warning",
                sure=1.0 if exact == len(inside) else 0.95,
                seen=f"{of_images(len(images), 'has', 'have')} copies in the same split ({case.by_split(images)}): "
                f"{counted_groups(exact, 'equal pixels')}, {counted_groups(len(inside) - exact, 'near copies')}.",
                evidence=(Evidence("images that could go", counted(extra, case.count)),),
                mend="Keep one of each group: copies weigh more in training, and make an accuracy look better known "
                "than it is.",
            ),
            _shown(case, inside),
            _facts(case, inside),
        )
    ]


def leak_findings(case: Case, marked: list[tuple[Copies, bool]]) -> tuple[list[Noticed], list[Leak]]:
    """Copies on both sides of a split, for each two splits that share any."""
    found, leaks = [], []
    across: dict[tuple[int, int], list[Copies]] = defaultdict(list)
    for group, _ in marked:
        for pair in combinations(_splits(case, group), 2):
            across[pair].append(group)
    for (first, second), groups in sorted(across.items()):
        touched = [image for group in groups for image in group.images if int(case.split[image]) == second]
        share = len(touched) / len(case.parts[second])
        names = case.split_name(first), case.split_name(second)
        leaks.append(Leak("copies", case.name(touched[0]), names, len(touched), share))
        found.append(
            Noticed(
                Finding(
                    id=f"leak/{names[0]}+{names[1]}",
                    check="leak",
                    severity="error" if share > MANY else "warning",
                    sure=1.0 if any(group.exact for group in groups) else 0.95,
                    seen=f"{len(touched):,} {names[1]} image{'s have copies' if len(touched) > 1 else ' has a copy'} "
                    f"in {names[0]}: {100 * share:.2f} % of {names[1]} was seen before.",
                    evidence=(
                        Evidence(
                            f"images of {names[1]} with a copy in {names[0]}",
                            Number(len(touched), n=len(case.parts[second]), why="counted"),
                        ),
                    ),
                    mend=f"Leave the copies out of {names[0]} (the cleaned list does), or split anew so that copies "
                    "stay together; figures measured before were too good.",
                ),
                _shown(case, groups),
                _facts(case, groups),
            )
        )
    return found, leaks


def leaking_images(case: Case, copies: list[tuple[Copies, bool]], marked: tuple[Marked | None, ...]) -> set[int]:
    """Images of a later split whose copy, or group, stands in an earlier one; each counts once."""
    together = [list(group.images) for group, _ in copies]
    found: set[int] = set()
    for images in [*together, *_by_group(case, marked).values()]:
        first = min(int(case.split[image]) for image in images)
        found |= {image for image in images if int(case.split[image]) > first}
    return found


def label_findings(case: Case, marked: list[tuple[Copies, bool]]) -> list[Noticed]:
    """The same picture with different labels: at least one of them is wrong, or the task is not well defined."""
    groups = [group for group, differ in marked if differ]
    if not groups:
        return []
    images = [image for group in groups for image in group.images]
    exact = sum(group.exact for group in groups)
    near = len(groups) - exact
    return [
        Noticed(
            Finding(
                id=f"conflicting-labels/{case.splits.train.name}",
                check="conflicting-labels",
                severity="error",
                sure=1.0 if exact else 0.9,
                seen=f"{len(groups):,} {'pictures carry' if len(groups) > 1 else 'picture carries'} more than one "
                f"label ({of_images(len(images), 'in all', 'in all')}, {case.by_split(images)}): {exact:,} with equal "
                f"pixels, {near:,} nearly so.",
                evidence=(Evidence("images with a copy of another label", counted(len(images), case.count)),),
                mend="Settle which label is right, and give it to all copies, or leave them out.",
            ),
            _shown(case, groups),
            _facts(case, groups),
        )
    ]


def torn_groups(case: Case, marked: tuple[Marked | None, ...]) -> tuple[list[Noticed], list[Leak]]:
    """Groups (a person, a scene, a film) with images on both sides of a split."""
    places = _by_group(case, marked)
    found, leaks = [], []
    for first, second in combinations(range(len(case.parts)), 2):
        torn, touched = {}, []
        for name, images in places.items():
            inside = case.split[torch.tensor(images)]
            if bool((inside == first).any()) and bool((inside == second).any()):
                torn[name] = images
                touched += [image for image in images if int(case.split[image]) == second]
        if not torn:
            continue
        share = len(touched) / len(case.parts[second])
        names = case.split_name(first), case.split_name(second)
        for name, images in torn.items():
            those = sum(int(case.split[image]) == second for image in images)
            leaks.append(Leak("group", name, names, those, those / len(case.parts[second])))
        pairs = [
            tuple(next(image for image in images if int(case.split[image]) == side) for side in (first, second))
            for images in torn.values()
        ]
        found.append(
            Noticed(
                Finding(
                    id=f"torn-groups/{names[0]}+{names[1]}",
                    check="torn-groups",
                    severity="error" if share > MANY else "warning",
                    sure=1.0,
                    seen=f"{len(torn):,} of {len(places):,} groups {'lies' if len(torn) == 1 else 'lie'} in both "
                    f"{names[0]} and {names[1]} ({listed(list(torn))}): {100 * share:.1f} % of the {names[1]} images "
                    "are of a group that was seen before.",
                    evidence=(
                        Evidence(
                            f"images of {names[1]} of a group seen in {names[0]}",
                            Number(len(touched), n=len(case.parts[second]), why="counted"),
                        ),
                    ),
                    mend="Split by group, so that no group lies on both sides.",
                ),
                tuple(pairs[:SHOWN]),
                tuple(f"group {name}" for name in torn)[:SHOWN],
            )
        )
    return found, leaks


def _by_group(case: Case, marked: tuple[Marked | None, ...]) -> dict[str, list[int]]:
    """The images of each group that has a name."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, marks in enumerate(marked):
        for row, name in enumerate(() if marks is None else marks.groups):
            if name:
                places[name].append(case.starts[number] + row)
    return places


def _splits(case: Case, group: Copies) -> list[int]:
    return sorted({int(case.split[image]) for image in group.images})


def _shown(case: Case, groups: list[Copies]) -> tuple[tuple[int, ...], ...]:
    return tuple(_some(case, group) for group in groups[:SHOWN])


def _some(case: Case, group: Copies) -> tuple[int, ...]:
    """At most four of a group: one of each split and label first."""
    first: dict[tuple[int, str], int] = {}
    for image in group.images[:_MEMBERS] + group.images[-4:]:
        first.setdefault((int(case.split[image]), case.label_name(image)), image)
    order = [*first.values(), *(image for image in group.images[:4] if image not in first.values())]
    return tuple(sorted(order[:4]))


def _facts(case: Case, groups: list[Copies]) -> tuple[str, ...]:
    out = []
    for group in groups[:SHOWN]:
        some = _some(case, group)
        names = []
        for image in some:
            label = case.label_name(image)
            names.append(f"{case.name(image)}{f' ({label})' if label else ''}")
        alike = "equal pixels" if group.exact else f"likeness {group.likeness:.3f}"
        more = f" and {len(group.images) - len(some):,} more" if len(group.images) > len(some) else ""
        out.append(f"{alike}: {', '.join(names)}{more}")
    return tuple(out)
