"""Checked data for a terminal: what lies where, then how many copies, leaks and suspects."""

from __future__ import annotations

from striate.checks.payload import Checked, SplitCounts

from .format import count, fixed, named, readable, shown, value_of, wrap
from .lines import MOST_LINES, painted, result_lines
from .table import table

MOST_CLASSES = 12


@result_lines.register
def _checked(result: Checked, width: int, color: bool) -> list[str]:
    counts = result.counts
    head = wrap(f"{named(result.data)}: {readable(result.layout)}", width)
    lines = [painted(line, "strong", color) for line in head]
    parts = [part for part in counts.splits if part.images or part.broken]
    rows = [
        (
            part.split,
            f"{part.images:,}",
            _some(part.broken),
            _some(part.objects),
            _some(part.empty),
            f"{sum(1 for each in part.classes if each)} of {len(counts.classes)}" if counts.classes else "",
            _property(result, part, "brightness"),
            _property(result, part, "sharpness"),
            _size(result, part),
        )
        for part in parts
    ]
    names = ("split", "images", "broken", "objects", "unmarked", "classes", "brightness", "sharpness", "median size")
    lines += ["", *table(names, rows, width=width, numbers=frozenset(range(1, 9)))]
    lines += ["", *_classes(result, width), *table(("", "", ""), _totals(result), width=width, numbers=frozenset({1}))]
    lines += _suspects(result, width)
    return [*lines, *(line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width))]


def _totals(result: Checked) -> list[tuple[str, str, str]]:
    copies = result.duplicates
    leaked = result.leaking
    worst = max(result.leaks, key=lambda leak: leak.share, default=None)
    rows = [
        (
            "images with a copy",
            f"{copies.images:,}",
            f"{count(copies.exact, 'group')} of equal pixels, {count(copies.near, 'group')} of near copies"
            if copies.images
            else "",
        ),
        (
            "images that leak",
            f"{leaked:,}",
            "" if worst is None else f"most from {worst.splits[0]} to {worst.splits[1]}",
        ),
        ("left out of the cleaned list", f"{result.counts.images - result.kept:,}", f"{result.kept:,} kept"),
    ]
    if result.suspects or result.judged:
        rows.insert(2, ("labels that look wrong", f"{len(result.suspects):,}", ""))
    if result.shift.value is not None:
        rows.append(("train told from test", shown(result.shift), "area under the ROC curve, 0.5 is not at all"))
    return rows


def _classes(result: Checked, width: int) -> list[str]:
    """Images of each class, where there are few; else the extremes."""
    counts = result.counts
    parts = [part for part in counts.splits if part.images and part.classes]
    if not parts or not counts.classes:
        return []
    if len(counts.classes) > MOST_CLASSES:
        known = sorted((each, name) for each, name in zip(parts[0].classes, counts.classes, strict=True))
        (few, rare), (many, frequent) = known[0], known[-1]
        words = f"{len(counts.classes):,} classes: {many:,} of {named(frequent)}, {few:,} of {named(rare)}"
        even = f", as uneven as {value_of(counts.effective_classes)} classes of one size"
        return [*wrap(f"{words} in {parts[0].split}{even if counts.effective_classes.value else ''}", width), ""]
    rows = [(name, *(f"{part.classes[place]:,}" for part in parts)) for place, name in enumerate(counts.classes)]
    head = ("class", *(part.split for part in parts))
    return [*table(head, rows, width=width, numbers=frozenset(range(1, len(head)))), ""]


def _suspects(result: Checked, width: int) -> list[str]:
    told = wrap(f"labels: {readable(result.judged)}.", width) if result.judged else []
    chosen = result.suspects[: MOST_LINES // 2] or result.doubtful[: MOST_LINES // 4]
    if not chosen:
        return ["", *told] if told else []
    if not result.suspects:
        told += ["those that fit least, hard images or wrong labels:"]
    rows = [(each.split, each.name, each.label_name, each.suggested_name, fixed(each.quality, 2)) for each in chosen]
    head = ("split", "image", "label", "looks like", "quality")
    lines = ["", *told, *table(head, rows, width=width, numbers=frozenset({4}))]
    more = len(result.suspects) - len(rows)
    return [*lines, f"and {count(more, 'suspect')} more"] if more > 0 else lines


def _some(value: int) -> str:
    return f"{value:,}" if value else ""


def _property(result: Checked, part: SplitCounts, name: str) -> str:
    found = next((each for each in result.statistics if each.name == name and each.split == part.split), None)
    return "" if found is None else fixed(found.mean, 2)


def _size(result: Checked, part: SplitCounts) -> str:
    sides = {each.name: each.median for each in result.statistics if each.split == part.split}
    return f"{sides['width']:.0f}x{sides['height']:.0f}" if "width" in sides and "height" in sides else ""
