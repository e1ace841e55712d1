"""The page of an examination: a net measured, explained, attacked, painted."""

from __future__ import annotations

from collections.abc import Iterator

from striate.core.report import Report
from striate.measure.payload import Evaluation

from . import attacked, evidence, looks, record, weaknesses
from .checked import data_sections
from .outline import Outline
from .payload import Examination
from .pictures import Shelf
from .section import Section
from .units import unit_pictures, units_section
from .verdict import summary_sentence, verdict

FIRST = 4  # pictures of each confusion cell that come before the rest


def outline(report: Report[Examination]) -> Outline:
    """What an examination puts on its page."""
    result = report.result
    return Outline(
        subject=result.net,
        other=result.data,
        lead=summary_sentence(result, report.findings),
        headlines=verdict(result),
        pictures=tuple(_by_importance(result)),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def evaluation_outline(report: Report[Evaluation]) -> Outline:
    """The page of an evaluation: that of an examination, without what needs more passes."""
    given, data = report.origin.arguments, report.origin.data or {}
    split = f", {data['split']}" if data.get("split") else ""
    seen = Examination(str(given.get("net", "a net")), f"{given.get('data', 'data')}{split}", report.result)
    return outline(
        Report(report.verb, seen, report.findings, report.origin, report.cost, report.files, album=report.album)
    )


def _by_importance(examination: Examination) -> Iterator[str]:
    if examination.evaluation.slices is not None:
        for each in examination.evaluation.slices.rows:
            yield from each.pictures[:FIRST]
    if examination.checked is not None:
        yield from (group.picture for group in examination.checked.duplicates.groups[:FIRST])
    yield from (each.picture for each in examination.evaluation.suspects[:12])
    if examination.explanation is not None:
        for row in examination.explanation.maps:
            yield from (row.input_picture, row.picture)
    if examination.filters is not None:
        yield from examination.filters.pictures
    if examination.units is not None:
        yield from unit_pictures(examination.units)
    if examination.robustness is not None:
        shown_rows = [row for row in examination.robustness.per_image if row.picture][: looks.MOST_TRIPLES]
        for attacked in shown_rows:
            yield from (attacked.original, attacked.picture, attacked.difference)
    if examination.synthesis is not None:
        yield from (image.picture for image in examination.synthesis.images)
    mistakes = [mistake.picture for mistake in examination.evaluation.mistakes]
    yield from mistakes[: evidence.FIRST_MISTAKES]
    for keys in examination.cells.values():
        yield from keys[:FIRST]
    yield from mistakes
    for keys in examination.cells.values():
        yield from keys


def _sections(report: Report[Examination], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    examination, evaluation = report.result, report.result.evaluation
    names = evaluation.names
    found = (
        evidence.classes_section(evaluation),
        evidence.confusion_section(evaluation, examination.cells, shelf),
        weaknesses.slices_section(evaluation, shelf),
        evidence.mistakes_section(evaluation, shelf),
        weaknesses.doubts_section(evaluation, shelf),
        evidence.calibration_section(evaluation),
        weaknesses.risk_section(evaluation),
        weaknesses.curves_section(evaluation),
        *data_sections(examination.checked, shelf),
        looks.maps_section(examination.explanation, names, shelf),
        looks.robustness_section(examination.robustness, evaluation.chance, shelf),
        None if examination.robustness is None else attacked.fragile_section(examination.robustness),
        looks.classes_painted_section(examination.synthesis, names, shelf),
        looks.filters_section(examination.filters, shelf),
        None if examination.units is None else units_section(examination.units, shelf),
        record.training_section(examination.training),
        record.net_section(examination.summary),
        record.method_section(report, dropped, limits=examination.limits, left_out=examination.left_out),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)
