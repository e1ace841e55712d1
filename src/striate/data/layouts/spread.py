"""Splits of pictures whose annotations say where each belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import named, three_ways
from .folder import divided
from .objects import Picture


def spread(
    data: Dataset, pictures: Sequence[Picture], splits: Mapping[str, str], said: str, request: Request, *, by: str
) -> Splits:
    """The splits of these data by the split of each picture's name ("" where none is said); ``by`` says who says so.

    Args:
        data: Everything, a row a picture.
        pictures: Row by row.
        splits: Train, dev, test or "", by the picture's name; a picture that is not in it is left out.
        said: What was recognised.
        request: How undivided data are divided.
        by: What gave the splits, in words.
    """
    rows: dict[str, list[int]] = {}
    for row, picture in enumerate(pictures):
        if picture.name in splits:
            rows.setdefault(splits[picture.name], []).append(row)
    if set(rows) <= {""}:
        return three_ways(data, seed=request.seed, said=said, division=request.division)
    found: dict[str, Dataset] = {
        split: named(data.take(torch.tensor(rows[split])), split) for split in ("train", "dev", "test") if split in rows
    }
    counts = ", ".join(f"{len(part):,} {split}" for split, part in found.items())
    return divided(found, f"{said}, {counts} by {by}", request.seed, request.division)
