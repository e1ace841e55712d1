"""A folder of images with a CSV that says which file has which label, and perhaps which split."""

from __future__ import annotations

import csv
from dataclasses import replace

from striate.core.errors import StriateError

from ..dataset import BrokenFile, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Listing, Tree
from .folder import Listed, class_names, divided, gathered
from .images import is_image
from .recognise import Layout

NAMES = (
    "name",
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "path",
    "filepath",
    "file_path",
    "image_path",
    "img",
)
LABELS = ("label", "class", "category", "target", "class_name", "label_name", "y")
PARTS = ("split", "subset", "partition", "set")
_MEANS = {"train": "train", "training": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
          "test": "test", "testing": "test"}  # fmt: skip


def is_table(tree: Tree, listing: Listing) -> bool:
    """Whether a CSV or TSV lies beside images."""
    del tree
    return bool(_tables(listing)) and any(map(is_image, listing.names))


def read_beside(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits by the one table that lies beside the images.

    Raises:
        StriateError: There are several tables; and as `read_table`.
    """
    tables = _tables(listing)
    if len(tables) > 1:
        raise StriateError(
            f"{tree.name} holds {len(tables)} tables: {', '.join(tables)}",
            hint=f"give the one that counts: {tree.path / tables[0]}",
        )
    return read_table(tree, listing, tables[0], request)


def read_table(tree: Tree, listing: Listing, table: str, request: Request) -> Splits:
    """Splits of the images that a CSV lists; files are looked for beside it and in the folders beneath it.

    Columns are recognised by their heads (see `NAMES`, `LABELS`, `PARTS`) and named in `Splits.said`.

    Raises:
        StriateError: No head is recognised, a row is not complete, files are missing or broken, a file is listed twice.
    """
    rows, columns = _rows(tree, table)
    known = _index(listing)
    listed: dict[str, Listed] = {}
    gone: list[BrokenFile] = []
    seen: dict[str, int] = {}
    for number, (name, label, part) in enumerate(rows, start=2):
        path = known.get(name) or known.get(name.rpartition("/")[2])
        if path is None:
            gone.append(BrokenFile(name, f"line {number} of {table} lists it, and it is not there"))
            continue
        if path in seen:
            raise StriateError(f"{table} lists {path} in lines {seen[path]} and {number}", accepted="each file once")
        seen[path] = number
        listed.setdefault(part, []).append((path, label))
    if gone and not request.skip_broken:
        shown = ", ".join(one.name for one in gone[:5])
        more = f" and {len(gone) - 5:,} more" if len(gone) > 5 else ""
        raise StriateError(
            f"{table} lists {len(gone):,} files that are not in {tree.name}: {shown}{more}",
            hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding",
        )
    if not listed:
        raise StriateError(f"{table} lists no images that are there", accepted="a row an image")
    classes = class_names((label for part in listed.values() for _, label in part), numbers=True)
    layout = f"folder of images with {table}"
    found = {
        part: gathered(tree, those, request, split=part or "all", layout=layout, classes=classes)
        for part, those in listed.items()
    }
    if gone:
        first = next(iter(found))
        found[first] = replace(found[first], broken=(*found[first].broken, *gone))
    total = sum(len(data) for data in found.values())
    unlisted = len(set(known.values())) - len(seen)
    left = f", {unlisted:,} images not listed left out" if unlisted else ""
    broken = sum(len(data.broken) for data in found.values())
    said = (
        f"{layout} ({columns}): {len(classes)} classes, {total:,} images{left}"
        f"{f', {broken:,} broken or missing files left out' if broken else ''}"
    )
    if set(found) == {""}:
        return three_ways(found[""], seed=request.seed, said=said, division=request.division)
    return divided(found, said, request.seed, request.division)


def _tables(listing: Listing) -> list[str]:
    return [name for name in listing.top_files if name.lower().endswith((".csv", ".tsv"))]


def _rows(tree: Tree, table: str) -> tuple[list[tuple[str, str, str]], str]:
    try:
        text = tree.read(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StriateError(f"{table} cannot be read: {error}", accepted="a CSV in UTF-8") from error
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    heads = [one.strip().lower() for one in next(reader, [])]
    name, label = _column(heads, NAMES), _column(heads, LABELS)
    if name is None or label is None or name == label:
        raise StriateError(
            f"{table} has the columns {', '.join(heads) or '(none)'}",
            accepted=f"one of {', '.join(NAMES)} and one of {', '.join(LABELS)}",
        )
    part = _column(heads, PARTS)
    rows = []
    for number, row in enumerate(reader, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(name, label) or not row[name].strip() or not row[label].strip():
            raise StriateError(
                f"line {number} of {table} is {row}", accepted=f"a cell for {heads[name]} and {heads[label]}"
            )
        which = row[part].strip().lower() if part is not None and part < len(row) else ""
        if part is not None and which not in _MEANS:
            raise StriateError(f"line {number} of {table} has split {which!r}", accepted=", ".join(_MEANS))
        rows.append(
            (row[name].strip().replace("\\", "/").removeprefix("./"), row[label].strip(), _MEANS.get(which, ""))
        )
    columns = f"columns {heads[name]} and {heads[label]}" + (f", split by {heads[part]}" if part is not None else "")
    return rows, columns


def _column(heads: list[str], accepted: tuple[str, ...]) -> int | None:
    return next((heads.index(one) for one in accepted if one in heads), None)


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


TABLE = Layout(is_table, read_beside)
