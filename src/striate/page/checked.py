"""The page of checked data: what lies where, copies, leaks, labels that look wrong, what to keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from striate.checks.payload import Checked, DuplicateGroup, SplitCounts
from striate.core.number import Number
from striate.core.report import Report

from . import record
from .charts import Axis, Bar, bar_chart
from .format import count, fixed, named, value_of
from .outline import Outline
from .pictures import Picture, Shelf
from .section import Section
from .verdict import Headline, tally
from .weaknesses import suspects_section

MOST_BARS = 20
MOST_GROUPS = 40
PAIR = 96  # short side of a strip of copies


def outline(report: Report[Checked]) -> Outline:
    """What checked data put on their page."""
    result = report.result
    return Outline(
        subject=result.data,
        other="",
        lead=f"{result.layout}. {tally(report.findings)}",
        headlines=headlines(result),
        pictures=tuple(_by_importance(result)),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def headlines(result: Checked) -> tuple[Headline, ...]:
    """Five to seven numbers that say what state the data are in."""
    places = ", ".join(f"{part.images:,} {part.split}" for part in result.counts.splits if part.images)
    figures = [
        Headline("", "images", _counted(result.counts.images), percent=False, note=places),
        Headline("", "classes", _counted(len(result.counts.classes)), percent=False),
        Headline("", "largest over smallest class", result.counts.imbalance, percent=False),
        Headline("near_duplicate", "images with a copy", _counted(result.duplicates.images), percent=False),
        Headline("leak", "images that leak", _counted(result.leaking), percent=False, note="between the splits"),
        Headline("label_quality", "labels that look wrong", _suspected(result), percent=False),
        Headline("shift", "train told from test", result.shift, percent=False, note="0.5 is not at all"),
    ]
    return tuple(figure for figure in figures if figure.number.value is not None)


def _suspected(result: Checked) -> Number:
    return _counted(len(result.suspects)) if result.judged or result.suspects else Number.missing("not judged")


def _counted(value: int) -> Number:
    return Number(float(value), n=value, why="counted")


def _by_importance(result: Checked) -> Iterator[str]:
    yield from (group.picture for group in result.duplicates.groups[:12])
    yield from (suspect.picture for suspect in result.suspects)
    yield from (suspect.picture for suspect in result.doubtful)
    yield from (group.picture for group in result.duplicates.groups[12:])


def _sections(report: Report[Checked], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        duplicates_section(result, shelf),
        leaks_section(result),
        suspects_section(result.suspects, shelf),
        doubtful_section(result, shelf),
        counts_section(result),
        statistics_section(result),
        cleaned_section(result),
        record.method_section(report, dropped, left_out=result.left_out),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def data_sections(result: Checked | None, shelf: Shelf) -> tuple[Section | None, ...]:
    """What the page of a net says of its data: copies, leaks, counts, properties."""
    if result is None:
        return ()
    return (
        duplicates_section(result, shelf),
        leaks_section(result),
        counts_section(result),
        statistics_section(result),
    )


def counts_section(result: Checked) -> Section | None:
    """Images and classes of each split."""
    counts = result.counts
    parts = [part for part in counts.splits if part.images]
    if not parts:
        return None
    chart = None
    largest = parts[0]
    if len(counts.classes) > 1 and any(largest.classes):
        order = sorted(range(len(counts.classes)), key=lambda place: largest.classes[place])
        bars = [Bar(counts.classes[place], _counted(largest.classes[place])) for place in order[:MOST_BARS]]
        what = "objects" if result.task == "boxes" else "images"
        title = f"{what.capitalize()} of each class in {largest.split}, fewest first"
        chart = bar_chart(title, bars, key="classes", axis=Axis(what), name="class")
    rows = [
        (
            name,
            [f"{part.classes[place]:,}" if part.classes else "" for part in parts],
            [part.classes[place] if part.classes else 0 for part in parts],
        )
        for place, name in enumerate(counts.classes)
    ]
    content = {"parts": parts, "rows": rows, "chart": chart, "marked": any(part.objects for part in parts)}
    return Section("counts", "Counts", counts_claim(result, parts), content)


def counts_claim(result: Checked, parts: list[SplitCounts]) -> str:
    """How evenly the classes are filled."""
    first = parts[0]
    known = [(amount, name) for amount, name in zip(first.classes, result.counts.classes, strict=False)]
    if len(known) < 2:
        return f"{count(result.counts.images, 'image')} lie in {count(len(parts), 'split')}."
    (few, rare), (many, frequent) = min(known), max(known)
    if few == many:
        return f"Every class has {few:,} in {first.split}."
    return f"In {first.split} {named(frequent)} has most, {many:,}, and {named(rare)} fewest, {few:,}."


def duplicates_section(result: Checked, shelf: Shelf) -> Section | None:
    """Copies, with their pictures side by side."""
    duplicates = result.duplicates
    if not duplicates.groups:
        return None
    groups = [(group, _strip(group, shelf), _words(group)) for group in duplicates.groups[:MOST_GROUPS]]
    content = {
        "groups": groups,
        "more": len(duplicates.groups) - len(groups),
        "proposed": duplicates.proposed,
    }
    claim = (
        f"{count(duplicates.images, 'image')} {'has' if duplicates.images == 1 else 'have'} a copy: "
        f"{count(duplicates.exact, 'group')} with equal pixels and {count(duplicates.near, 'group')} of near copies; "
        f"{duplicates.surplus:,} could go."
    )
    return Section("duplicates", "Copies", claim, content)


def _strip(group: DuplicateGroup, shelf: Shelf) -> Picture | None:
    names = ", ".join(member.name for member in group.members[:4])
    return shelf.show(group.picture, f"side by side: {names}", target=PAIR)


def _words(group: DuplicateGroup) -> str:
    parts = [
        f"{group.count} images",
        "equal pixels" if group.kind == "exact" else f"likeness {fixed(group.likeness, 3)}",
    ]
    parts.append(f"in {' and '.join(group.splits)}")
    if group.labels:
        parts.append("with different labels")
    return ", ".join(parts)


def doubtful_section(result: Checked, shelf: Shelf) -> Section | None:
    """The labels that fit least beside the suspects."""
    if not result.doubtful:
        return None
    claim = f"{result.judged}. These fit least: hard images or wrong labels, which a look will tell."
    found = suspects_section(result.doubtful, shelf, claim=claim)
    return None if found is None else replace(found, id="doubtful", name="Least fitting labels")


def leaks_section(result: Checked) -> Section | None:
    """What lies on both sides of a division."""
    if not result.leaks:
        return None
    worst = max(result.leaks, key=lambda leak: leak.share)
    total = result.leaking
    claim = (
        f"{count(total, 'image')} that {'is' if total == 1 else 'are'} measured on one side of a split "
        f"{'was' if total == 1 else 'were'} seen on the other; at worst "
        f"{value_of(Number(worst.share), percent=True)} of {worst.splits[1]}."
    )
    return Section("leaks", "Leaks", claim, {"rows": result.leaks})


def statistics_section(result: Checked) -> Section | None:
    """Properties of the images by split."""
    if not result.statistics:
        return None
    bright = [each for each in result.statistics if each.name == "brightness"]
    claim = "The images of the splits, by what can be measured of each."
    if len(bright) > 1:
        said = ", ".join(f"{fixed(each.mean, 3)} in {each.split}" for each in bright)
        claim = f"Mean brightness is {said}, on a scale from 0 to 1."
    return Section("statistics", "Properties", claim, {"rows": result.statistics})


def cleaned_section(result: Checked) -> Section | None:
    """What the cleaned list leaves out or relabels."""
    if not result.removals:
        return None
    relabelled = sum(bool(each.suggested) for each in result.removals)
    gone = len(result.removals) - relabelled
    claim = (
        f"The cleaned list keeps {result.kept:,} images: it leaves out {gone:,} and proposes another label for "
        f"{relabelled:,}; nothing on disk was changed."
    )
    return Section("cleaned", "Cleaned list", claim, {"rows": result.removals})
