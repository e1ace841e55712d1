"""What is known of every image, and the parts into which it divides them: classes, properties, attributes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

LEAST = 10  # images of a slice, and outside of it
MOST_WORDS = 50  # values of one attribute, the most frequent
FEW_NUMBERS = 10  # up to so many different numbers each is a slice of its own
CUTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)  # shares of the images where numbers are cut


@dataclass(frozen=True, eq=False)
class Column:
    """What is known of every image under one name.

    Attributes:
        name: Of the column, ``"brightness"``.
        kind: ``"class"``, ``"property"`` or ``"attribute"``.
        values: Numbers, float64 (N,), NaN where unknown; or words, "" where unknown.
    """

    name: str
    kind: str
    values: Tensor | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Images that share something: the rows of a table in ascending order, int64."""

    name: str
    kind: str
    by: tuple[str, ...]
    rows: Tensor


def columns_of(
    labels: Tensor, names: Sequence[str], data: Dataset | None, properties: Mapping[str, Tensor] | None
) -> tuple[Column, ...]:
    """Columns of a table's images: their class, the properties given, the attributes that ``data`` knows.

    Raises:
        StriateError: A property has not one number for each image.
    """
    classes = Column("class", "class", tuple(names[label] for label in labels.tolist()))
    measured = []
    for name, values in (properties or {}).items():
        if values.shape != labels.shape:
            raise StriateError(
                f"property {name!r} has shape {tuple(values.shape)} for {len(labels)} images",
                accepted="one number each",
            )
        measured.append(Column(name, "property", values.to(torch.float64)))
    known = {} if data is None else data.attributes()
    said = [Column(name, "attribute", _typed(values)) for name, values in known.items()]
    return (classes, *measured, *said)


def parts_of(columns: Sequence[Column], n: int) -> list[Part]:
    """Every slice of these columns with at least `LEAST` images in it and outside of it; equal sets once."""
    seen: set[bytes] = set()
    kept = []
    for column in columns:
        for part in _numbers(column) if isinstance(column.values, Tensor) else _words(column, column.values):
            if not LEAST <= len(part.rows) <= n - LEAST:
                continue
            key = hashlib.blake2b(part.rows.numpy().tobytes(), digest_size=16).digest()
            if key not in seen:
                seen.add(key)
                kept.append(part)
    return kept


def _typed(values: Sequence[str | float | None]) -> Tensor | tuple[str, ...]:
    """Numbers where all that is known are numbers; else words."""
    known = [value for value in values if value is not None and value != ""]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        numbers = [float(value) if isinstance(value, (int, float)) else math.nan for value in values]
        return torch.tensor(numbers, dtype=torch.float64)
    return tuple("" if value is None else str(value) for value in values)


def _words(column: Column, values: Sequence[str]) -> Iterator[Part]:
    places: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        places.setdefault(value, []).append(row)
    most = len(places) if column.kind == "class" else MOST_WORDS
    frequent = sorted(places, key=lambda value: (-len(places[value]), value))[:most]
    spoken = column.name.replace("_", " ")
    for value in sorted(frequent):
        yield Part(
            f"{spoken} {value}" if value else f"{spoken} not given",
            column.kind,
            (column.name,),
            torch.tensor(places[value], dtype=torch.int64),
        )


def _numbers(column: Column) -> Iterator[Part]:
    values = torch.as_tensor(column.values)
    finite = values.isfinite()
    known = values[finite].sort().values
    if len(known) == 0:
        return
    spoken = column.name.replace("_", " ")

    def part(words: str, chosen: Tensor) -> Part:
        return Part(f"{spoken} {words}", column.kind, (column.name,), chosen.nonzero()[:, 0])

    if not bool(finite.all()):
        yield part("not given", ~finite)
    different = sorted(set(known.tolist()))
    if len(different) <= FEW_NUMBERS:
        for value in different:
            yield part(f"{value:.6g}", values == value)
        return
    # cut at round numbers, so that the words say exactly which images are meant
    low, high = (float(known[round(share * (len(known) - 1))]) for share in (CUTS[0], CUTS[-1]))
    spread = high - low or float(known[-1] - known[0])
    digits = 2 - math.floor(math.log10(spread))
    cuts = [round(float(known[math.floor(share * len(known))]), digits) for share in CUTS]
    said = [f"{cut:.{max(digits, 0)}f}" for cut in cuts]
    middle = len(cuts) // 2
    for place in range(middle + 1):
        yield part(f"below {said[place]}", values < cuts[place])
    for place in range(middle, len(cuts)):
        yield part(f"of {said[place]} or more", values >= cuts[place])
    for place in (middle - 1, middle):
        yield part(f"from {said[place]} to {said[place + 1]}", (values >= cuts[place]) & (values < cuts[place + 1]))
