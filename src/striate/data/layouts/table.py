"""A folder of images with a CSV that says which file has which label or labels, and perhaps split, group and more."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import torch

from striate.core.errors import StriateError

from ..annotations import Annotations
from ..dataset import BrokenFile, Dataset, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Listing, Tree
from .columns import Lines, Row, read_lines
from .folder import class_names, divided
from .images import is_image, open_files
from .recognise import Layout

SHOWN = 5


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

    Columns are recognised by their heads (see `columns`) and named in `Splits.said`; those that are not recognised
    become attributes of the images. One label an image gives the task ``classes``; a cell with several, or a column of
    0 and 1 for each label, the task ``tags``.

    Raises:
        StriateError: No head is recognised, a row is not complete, files are missing or broken, a file is listed twice.
    """
    lines = read_lines(tree, listing, table)
    there, gone = _present(lines, table)
    if gone and not request.skip_broken:
        shown = ", ".join(one.name for one in gone[:SHOWN])
        more = f" and {len(gone) - SHOWN:,} more" if len(gone) > SHOWN else ""
        raise StriateError(
            f"{table} lists {len(gone):,} files that are not in {tree.name}: {shown}{more}",
            hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding",
        )
    if not there:
        raise StriateError(f"{table} lists no images that are there", accepted="a row an image")
    layout = f"folder of images with {table}"
    parts = dict.fromkeys(row.part for row in there)
    found = {part: _part(tree, [row for row in there if row.part == part], lines, layout, request) for part in parts}
    if gone:
        first = next(iter(found))
        found[first] = replace(found[first], broken=(*found[first].broken, *gone))
    said = _said(found, lines, layout, len(there))
    if set(found) == {""}:
        return three_ways(found[""], seed=request.seed, said=said, division=request.division)
    return divided(found, said, request.seed, request.division)


def _present(lines: Lines, table: str) -> tuple[list[Row], list[BrokenFile]]:
    seen: dict[str, int] = {}
    there: list[Row] = []
    gone: list[BrokenFile] = []
    for row in lines.rows:
        if row.path is None:
            gone.append(BrokenFile(row.given, f"line {row.line} of {table} lists it, and it is not there"))
            continue
        if row.path in seen:
            raise StriateError(
                f"{table} lists {row.path} in lines {seen[row.path]} and {row.line}", accepted="each file once"
            )
        seen[row.path] = row.line
        there.append(row)
    return there, gone


def _part(tree: Tree, rows: list[Row], lines: Lines, layout: str, request: Request) -> Dataset:
    store, kept, broken = open_files(
        tree, [row.path or "" for row in rows], skip_broken=request.skip_broken, progress=request.progress
    )
    chosen = [rows[place] for place in kept]
    if any(row.attributes or row.caption or row.group for row in chosen):
        notes = tuple(
            Annotations(attributes=MappingProxyType(dict(row.attributes)), caption=row.caption, group=row.group)
            for row in chosen
        )
        store = replace(store, notes=notes)
    names, numbers = _classes(lines)
    tags = None
    labels = torch.full((len(chosen),), -1, dtype=torch.int64)
    if lines.tags:
        place = {name: number for number, name in enumerate(lines.tags)}
        tags = torch.zeros((len(chosen), len(lines.tags)), dtype=torch.bool)
        for number, row in enumerate(chosen):
            tags[number, [place[tag] for tag in row.tags]] = True
    else:
        place = {name: number for number, name in enumerate(_distinct(lines))}
        labels = torch.tensor([place[row.label] for row in chosen], dtype=torch.int64)
    return Dataset(
        tree.name, rows[0].part or "all", names, labels, store.ids(), store, torch.arange(len(kept)), store.channels,
        layout=layout, broken=broken, licence="not stated", task="tags" if lines.tags else "classes", tags=tags,
        numbers=numbers,
    )  # fmt: skip


def _distinct(lines: Lines) -> tuple[str, ...]:
    return class_names((row.label for row in lines.rows if row.path is not None), numbers=True)


def _classes(lines: Lines) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the classes; and their numbers in the source, where these are not 0, 1, 2 and so on."""
    if lines.tags:
        return lines.tags, ()
    distinct = _distinct(lines)
    names = tuple(lines.words.get(name, name) for name in distinct)
    if len(set(names)) < len(names):  # two numbers of one name: the name alone would not tell them apart
        names = tuple(f"{name} ({number})" for name, number in zip(names, distinct, strict=True))
    if not all(name.isdigit() for name in distinct):
        return names, ()
    numbers = tuple(map(int, distinct))
    return names, () if numbers == tuple(range(len(numbers))) else numbers


def _said(found: dict[str, Dataset], lines: Lines, layout: str, listed: int) -> str:
    total = sum(len(data) for data in found.values())
    broken = sum(len(data.broken) for data in found.values())
    first = next(iter(found.values()))
    kind = "labels, any number an image" if lines.tags else "classes"
    unlisted = lines.images - listed
    left = f", {unlisted:,} images not listed left out" if unlisted else ""
    bad = f", {broken:,} broken or missing files left out" if broken else ""
    return f"{layout} ({lines.said}): {len(first.classes)} {kind}, {total:,} images{left}{bad}"


def _tables(listing: Listing) -> list[str]:
    return [name for name in listing.top_files if name.lower().endswith((".csv", ".tsv"))]


TABLE = Layout(is_table, read_beside)
