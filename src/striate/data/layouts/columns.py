"""A CSV about images: which column names the file, which the label, the split, the group; what the others say."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from striate.core.errors import StriateError

from ..tree import Listing, Tree
from .images import is_image
from .vocabulary import CAPTIONS, GROUPS, SPLITS

FILES = (
    "file", "filename", "file_name", "image", "image_name", "path", "filepath", "file_path", "image_path", "img",
    "image_id", "id", "name",
)  # fmt: skip
LABELS = ("label", "class", "category", "target", "class_name", "label_name", "y")
TAGS = ("labels", "tags", "classes", "categories")
DIVISIONS = ("split", "subset", "partition", "set")
WORDS = ("name", "class_name", "label_name", "category_name")  # say what a label that is a number means
_MARKS = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no"}
_ON = {"1", "1.0", "true", "yes"}
_ACCEPTED = (
    f"one of {', '.join(FILES)} and one of {', '.join(LABELS)}; or {', '.join(TAGS)} with several labels a cell; "
    "or a column of 0 and 1 for each of several labels"
)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: Its number in the file.
        path: The image under the tree, or None where it is not there.
        given: The file as the table writes it.
        label: The one label, "" where there are tags.
        tags: The labels, where there may be several.
        part: ``train``, ``dev``, ``test`` or "".
        group: What must stay together, or "".
        caption: A sentence, or "".
        attributes: The other columns.
    """

    line: int
    path: str | None
    given: str
    label: str
    tags: tuple[str, ...] = ()
    part: str = ""
    group: str = ""
    caption: str = ""
    attributes: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """A table that was read.

    Attributes:
        rows: One a line.
        said: Which columns were taken for what.
        tags: Names of the tags in the order of their columns, or of the alphabet; empty where each has one label.
        words: What labels that are numbers mean, where a column says so.
        images: How many images lie there in all.
    """

    rows: tuple[Row, ...]
    said: str
    tags: tuple[str, ...]
    words: Mapping[str, str]
    images: int


@dataclass(frozen=True)
class _Heads:
    file: int
    label: int | None
    several: int | None
    marks: tuple[int, ...]
    part: int | None
    group: int | None
    caption: int | None
    words: int | None


@dataclass(frozen=True)
class _Form:
    table: str
    names: tuple[str, ...]
    heads: _Heads
    index: Mapping[str, str]
    sign: str
    rest: tuple[int, ...]
    numeric: frozenset[int]


def read_lines(tree: Tree, listing: Listing, table: str) -> Lines:
    """Every line of a CSV or TSV, its columns recognised by their heads and by what they hold.

    Raises:
        StriateError: No columns for file and label, a line without them, or a split that is none.
    """
    heads, cells = _cells(tree, table)
    index = _index(listing)
    found = _recognised(heads, cells, index, table)
    sign = "" if found.several is None else _sign([_at(row, found.several) for _, row in cells])
    used = {found.file, found.label, found.several, *found.marks, found.part, found.group, found.caption}
    rest = [place for place in range(len(heads)) if place not in used and heads[place]]
    numeric = frozenset(
        place for place in rest if all(_number(_at(row, place)) is not None for _, row in cells if _at(row, place))
    )
    form = _Form(table, tuple(heads), found, index, sign, tuple(rest), numeric)
    rows = tuple(_row(line, row, form) for line, row in cells)
    if found.several is not None:
        tags = tuple(sorted({tag for row in rows for tag in row.tags}))
    else:
        tags = tuple(heads[place] for place in found.marks)
    return Lines(rows, _said(heads, found), tags, _meanings(rows, cells, found), len(set(index.values())))


def _cells(tree: Tree, table: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        text = tree.read(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StriateError(f"{table} cannot be read: {error}", accepted="a CSV in UTF-8") from error
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    heads = [one.strip() for one in next(reader, [])]
    return heads, [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def _recognised(heads: list[str], cells: list[tuple[int, list[str]]], index: Mapping[str, str], table: str) -> _Heads:
    lower = [head.lower() for head in heads]

    def column(accepted: Sequence[str], *but: int | None) -> int | None:
        return next((lower.index(one) for one in accepted if one in lower and lower.index(one) not in but), None)

    def hits(place: int) -> int:
        return sum(_found(_at(row, place), index) is not None for _, row in cells[:200])

    files = [lower.index(one) for one in FILES if one in lower]
    file = max(files, key=lambda place: (hits(place), -files.index(place)), default=None)
    label = column(LABELS, file)
    several = None if label is not None else column(TAGS, file)
    part, group, caption = column(DIVISIONS, file, label), column(GROUPS, file, label), column(CAPTIONS, file, label)
    marks: tuple[int, ...] = ()
    if label is None and several is None and file is not None:
        marks = tuple(
            place
            for place in range(len(heads))
            if place not in {file, part, group, caption}
            and cells
            and all(_at(row, place).lower() in _MARKS for _, row in cells)
        )
    if file is None or (label is None and several is None and len(marks) < 2):
        raise StriateError(f"{table} has the columns {', '.join(lower) or '(none)'}", accepted=_ACCEPTED)
    return _Heads(file, label, several, marks, part, group, caption, column(WORDS, file, label))


def _row(line: int, row: list[str], form: _Form) -> Row:
    heads, names = form.heads, form.names
    given = _at(row, heads.file)
    label = "" if heads.label is None else _at(row, heads.label)
    if not given or (heads.label is not None and not label):
        wanted = names[heads.file] if heads.label is None else f"{names[heads.file]} and {names[heads.label]}"
        raise StriateError(f"line {line} of {form.table} is {row}", accepted=f"a cell for {wanted}")
    part = _at(row, heads.part).lower()
    if heads.part is not None and part not in SPLITS:
        raise StriateError(f"line {line} of {form.table} has split {part!r}", accepted=", ".join(SPLITS))
    tags: tuple[str, ...] = ()
    if heads.several is not None:
        cell = _at(row, heads.several)
        parts = re.split(form.sign, cell)
        tags = tuple(dict.fromkeys(one.strip() for one in parts if one.strip()))
    elif heads.marks:
        tags = tuple(names[place] for place in heads.marks if _at(row, place).lower() in _ON)
    attributes: dict[str, str | float] = {}
    for place in form.rest:
        cell = _at(row, place)
        if cell:
            value = _number(cell) if place in form.numeric else None
            attributes[names[place]] = cell if value is None else value
    return Row(
        line, _found(given, form.index), given, label, tags, SPLITS.get(part, ""), _at(row, heads.group),
        _at(row, heads.caption), attributes,
    )  # fmt: skip


def _meanings(rows: Sequence[Row], cells: Sequence[tuple[int, list[str]]], heads: _Heads) -> dict[str, str]:
    """What each label that is a number means, where another column says the same of all its rows."""
    if heads.words is None or not all(row.label.isdigit() for row in rows):
        return {}
    words: dict[str, str] = {}
    for row, (_, cell) in zip(rows, cells, strict=True):
        word = _at(cell, heads.words)
        if not word or words.setdefault(row.label, word) != word:
            return {}
    return words


def _said(heads: list[str], found: _Heads) -> str:
    lower = [head.lower() for head in heads]
    if found.label is not None:
        words = f"columns {lower[found.file]} and {lower[found.label]}"
    elif found.several is not None:
        words = f"columns {lower[found.file]} and {lower[found.several]}, several labels a cell"
    else:
        words = f"column {lower[found.file]} and {len(found.marks)} columns of 0 and 1"
    for place, what in ((found.part, "split by"), (found.group, "groups by")):
        words += f", {what} {lower[place]}" if place is not None else ""
    return words


def _sign(cells: Sequence[str]) -> str:
    """What stands between the labels of a cell: a bar, a semicolon, a comma; spaces where there is none of these."""
    for sign in ("|", ";", ","):
        if any(sign in cell for cell in cells):
            return re.escape(sign)
    return r"\s+"


def _at(row: Sequence[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _found(given: str, index: Mapping[str, str]) -> str | None:
    name = given.replace("\\", "/").removeprefix("./")
    return index.get(name) or index.get(name.rpartition("/")[2])


def _index(listing: Listing) -> dict[str, str]:
    """Images by path, by bare name, by both without ending; a bare name held twice stands for none."""
    found: dict[str, str] = {}
    bare: dict[str, str | None] = {}
    for path in filter(is_image, listing.names):
        found[path] = path
        file = path.rpartition("/")[2]
        for short in {path.rsplit(".", 1)[0], file, file.rsplit(".", 1)[0]}:
            bare[short] = path if short not in bare else None
    return {short: path for short, path in bare.items() if path is not None} | found
