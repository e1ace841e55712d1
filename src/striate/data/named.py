"""Builders of the named data sets: each gives its three splits for a `Request`."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError

from .catalog import DATASETS
from .dataset import Dataset, Splits
from .outlines import CLASSES
from .shapes import SIDES, ShapesStore, labels_of
from .source import Request

_SHAPES = {"train": (20_000, 0), "dev": (2_000, 1_000_000_000), "test": (5_000, 2_000_000_000)}  # count, first index
_SHAPES_ACCEPTED = "shapes, shapes:64, shapes:96, and options such as shapes:32:objects=3:train=50000"


def shapes(request: Request) -> Splits:
    """Drawn shapes; options after colons: the side in pixels, ``objects=1..4``, ``train=``, ``dev=``, ``test=`` counts.

    The splits are disjoint ranges of indices, so test images are never seen in training, whatever the counts.
    """
    side, numbers = SIDES[0], {"objects": 1, **{split: count for split, (count, _) in _SHAPES.items()}}
    for option in request.options:
        key, equals, value = option.partition("=")
        if not (value or key).isdigit() or (equals and key not in numbers):
            raise StriateError(f"shapes with option {option!r}", accepted=_SHAPES_ACCEPTED)
        if equals:
            numbers[key] = int(value)
        else:
            side = int(key)
    store = ShapesStore(request.seed, side, numbers["objects"])
    parts = {}
    for split, (_, first) in _SHAPES.items():
        if not 1 <= numbers[split] <= 1_000_000_000:
            raise StriateError(f"shapes with {split}={numbers[split]}", accepted="1 to 1,000,000,000 images")
        ids = torch.arange(numbers[split]) + first
        parts[split] = Dataset(
            "shapes", split, CLASSES, labels_of(store.rng, ids), ids, store, ids, 3,
            licence=DATASETS["shapes"].licence, layout=f"drawn by rule, {side}x{side}",
        )  # fmt: skip
    counts = "/".join(f"{numbers[split]:,}" for split in _SHAPES)
    many = f", {numbers['objects']} objects a picture" if numbers["objects"] > 1 else ""
    said = f"shapes drawn by rule: {len(CLASSES)} classes, {side}x{side}{many}, {counts} images, seed {request.seed}"
    return Splits(parts["train"], parts["dev"], parts["test"], said)
