"""Nets of which a part was learnt on other classes, layer by layer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from striate.core.errors import StriateError
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.learn.transfer.by_layer import SHORT, measure_layers
from striate.learn.transfer.payload import ByLayer

from .claims import Computed, claim, holds
from .draw import curves

NET, IMAGES, EPOCHS = "striate/small+width=0.33", 4000, 8
SEEDS = (0, 1, 2)


def clothes() -> Splits:
    """The first images of FashionMNIST.

    Raises:
        StriateError: It is in no folder of data.
    """
    try:
        splits = load_splits("FashionMNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"transfer-curve needs FashionMNIST ({error})", accepted="FashionMNIST in the folder STRIATE_DATA"
        ) from error
    parts = {"train": splits.train.limit(IMAGES), "dev": splits.dev.limit(1000), "test": splits.test.limit(4000)}
    return replace(splits, train=parts["train"], dev=parts["dev"], test=parts["test"])


def transfer_curve(seeds: tuple[int, ...] = SEEDS) -> Computed:
    """Five layers, cut behind each of the first four, on ten kinds of clothing in two halves.

    About 38 CPU seconds a seed. The fifth layer tells the classes and is always new.
    """
    recipe = replace(SHORT, name=f"quick, {EPOCHS} epochs", epochs=EPOCHS, batch=64)
    with TemporaryDirectory() as folder:
        found = measure_layers(NET, clothes(), out=Path(folder), seeds=seeds, recipe=recipe)
    kept, on = found.of("AnB").runs, found.of("AnB+").runs
    fallen = [first - last for first, last in zip(kept[0], kept[-1], strict=True)]
    ahead = [learnt - still for learnt, still in zip(on[-1], kept[-1], strict=True)]
    enough = math.ceil(2 * len(seeds) / 3)
    return Computed(
        (
            claim("cuts of a net of five layers", list(found.cuts), [1, 2, 3, 4]),
            holds("kept layers of A: the deepest cut is worse than the first", sum(x > 0 for x in fallen) >= enough),
            holds("learning on, the deepest cut is better than kept", sum(x > 0 for x in ahead) >= enough),
            holds("learning on, no cut is 2 points worse than B alone", _least(found) > -0.02),
        ),
        curves(
            "First layers of other classes: kept they lose with depth, learning on they do not",
            {
                name: (found.cuts, [round(100 * float(one), 1) for one in found.of(name).accuracy])
                for name in ("AnB", "AnB+", "BnB", "BnB+")
            },
            x_label="layers before the cut",
            y_label="test images of B right, %",
        ),
    )


def _least(found: ByLayer) -> float:
    """Of the means over seeds, by cut."""
    return min(float(each) for each in found.of("AnB+").over)
