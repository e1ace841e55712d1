"""Pictures of the images that a report names, for its album."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from striate.attacks.payload import Robustness
from striate.core.finding import Finding
from striate.measure.payload import Evaluation

if TYPE_CHECKING:
    from striate.data.dataset import Dataset


def thumbnails(data: Dataset, rows: Sequence[int]) -> dict[str, bytes]:
    """A WebP thumbnail of each row, enlarged by a whole factor where it is small; keys by `key_of`."""
    from striate.core.image import encode_webp, enlarge

    if not rows:
        return {}
    images = data.images(list(rows))
    return {key_of(row): encode_webp(enlarge(image, 96)) for row, image in zip(rows, images, strict=True)}


def key_of(row: int) -> str:
    """Album key of a row's thumbnail."""
    return f"image-{row}.webp"


def mistakes_with_pictures(evaluation: Evaluation, data: Dataset, *, most: int) -> tuple[Evaluation, dict[str, bytes]]:
    """The evaluation with pictures of its ``most`` most confident mistakes, and the pictures."""
    return _with_pictures(evaluation, data, {mistake.row for mistake in evaluation.mistakes[:most]})


def evaluation_with_pictures(
    evaluation: Evaluation, data: Dataset, *, most: int
) -> tuple[Evaluation, dict[str, bytes]]:
    """The evaluation with pictures of its ``most`` surest mistakes and suspect labels, and of weak slices."""
    if most < 1:
        return evaluation, {}
    evaluation, album = mistakes_with_pictures(evaluation, data, most=most)
    evaluation, more = doubts_with_pictures(evaluation, data, suspects=most)
    return evaluation, {**album, **more}


def doubts_with_pictures(
    evaluation: Evaluation, data: Dataset, *, suspects: int, slices: int = 5
) -> tuple[Evaluation, dict[str, bytes]]:
    """The evaluation with pictures of so many suspect labels, and of the mistakes of so many weak slices."""
    found = evaluation.slices
    weak = [one for one in found.rows if one.weak][:slices] if found else []
    doubted = [one for one in evaluation.suspects[:suspects] if one.split == data.split]
    rows = {row for one in weak for row in one.rows} | {one.row for one in doubted}
    album = thumbnails(data, sorted(rows))
    if found:
        told = {one.name: tuple(key_of(row) for row in one.rows) for one in weak}
        pictured = tuple(replace(one, pictures=told.get(one.name, ())) for one in found.rows)
        evaluation = replace(evaluation, slices=replace(found, rows=pictured))
    shown = {(one.split, one.row) for one in doubted}
    return replace(
        evaluation,
        suspects=tuple(
            replace(one, picture=key_of(one.row)) if (one.split, one.row) in shown else one
            for one in evaluation.suspects
        ),
    ), album


def confusion_cells(
    evaluation: Evaluation, data: Dataset, *, each: int, most: int
) -> tuple[Evaluation, dict[str, tuple[str, ...]], dict[str, bytes]]:
    """Pictures of at most ``each`` mistakes of every confusion cell, ``most`` in all, the most confident first."""
    cells: dict[str, list[int]] = {}
    taken = 0
    for mistake in evaluation.mistakes:
        rows = cells.setdefault(f"{mistake.label}>{mistake.predicted}", [])
        if len(rows) < each and taken < most:
            rows.append(mistake.row)
            taken += 1
    shown = {row for rows in cells.values() for row in rows}
    evaluation, album = _with_pictures(evaluation, data, shown)
    return evaluation, {cell: tuple(map(key_of, rows)) for cell, rows in cells.items() if rows}, album


def _with_pictures(evaluation: Evaluation, data: Dataset, rows: Iterable[int]) -> tuple[Evaluation, dict[str, bytes]]:
    album = thumbnails(data, sorted(rows))
    mistakes = tuple(
        replace(mistake, picture=key_of(mistake.row)) if key_of(mistake.row) in album else mistake
        for mistake in evaluation.mistakes
    )
    return replace(evaluation, mistakes=mistakes), album


def illustrated(
    findings: Sequence[Finding], evaluation: Evaluation, robustness: Robustness | None
) -> tuple[Finding, ...]:
    """The findings, each with a picture of what it speaks of where the album has one."""
    names = evaluation.names
    shown = [mistake for mistake in evaluation.mistakes if mistake.picture]
    sliced = {one.name: list(one.pictures) for one in evaluation.slices.rows} if evaluation.slices else {}
    fooled = [row.picture for row in robustness.per_image if row.success and row.picture] if robustness else []

    def pictures_of(finding: Finding) -> list[str]:
        subject = finding.id.partition("/")[2]
        pair = set(subject.split("+"))
        kinds: dict[str, Callable[[], list[str]]] = {
            "weak-class": lambda: [each.picture for each in shown if names[each.label] == subject],
            "confused-pair": lambda: [
                each.picture for each in shown if {names[each.label], names[each.predicted]} == pair
            ],
            "weak-slice": lambda: sliced.get(subject, []),
            "suspect-labels": lambda: [each.picture for each in evaluation.suspects if each.picture],
            "class-confidence": lambda: [each.picture for each in shown if names[each.predicted] == subject],
            "confidence": lambda: [each.picture for each in shown],
            "attack": lambda: fooled,
        }
        return kinds[finding.check]() if finding.check in kinds else []

    def with_picture(finding: Finding) -> Finding:
        pictures = pictures_of(finding)
        if not pictures or not finding.evidence or any(each.picture for each in finding.evidence):
            return finding
        first, *others = finding.evidence
        return replace(finding, evidence=(replace(first, picture=pictures[0]), *others))

    return tuple(map(with_picture, findings))
