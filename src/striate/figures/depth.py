"""Degradation: a deeper plain net fits its own training images worse, a residual one does not."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.training.loop import fit
from striate.training.recipe import Recipe, Sgd
from striate.training.schedules import Schedule

from .claims import Computed, holds
from .draw import curves

DEPTHS, WIDTH, IMAGES, EPOCHS = (8, 44), 8, 6000, 4
RECIPE = Recipe(
    name="degradation",
    optimizer=Sgd(rate=0.1, momentum=0.9, nesterov=False, weight_decay=1e-4, decay_all=True),
    schedule=Schedule("cosine", {"warm": 0.05}),
    epochs=EPOCHS,
    batch=64,
)


def plain_residual() -> Computed:
    """Training loss of plain and residual nets of 8 and 44 layers, width 8, on 6,000 images of FashionMNIST.

    Batch 64, four epochs, no augmentation. `make proofs PART=plain-residual` does it with depths 8, 20, 44 on 20,000
    images for ten epochs and three seeds.
    """
    try:
        splits = load_splits("FashionMNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"plain-residual needs FashionMNIST ({error})", accepted="FashionMNIST in the folder STRIATE_DATA"
        ) from error
    given = replace(splits, train=splits.train.limit(IMAGES), dev=splits.dev.limit(500))
    paths: dict[str, tuple[list[float], list[float]]] = {}
    last: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("plain", "resnet"):
            for depth in DEPTHS:
                name = f"{kind}{depth}"
                run = fit(f"striate/{name}+width={WIDTH}", given, out=Path(folder) / name, recipe=RECIPE)
                losses = [row.train_loss for row in run.history]
                paths[name] = ([float(row.epoch) for row in run.history], losses)
                last[kind, depth] = losses[-1]
    low, high = DEPTHS
    picture = curves("Training loss by epoch", paths, x_label="epoch", y_label="training loss")
    return Computed(
        (
            holds(
                f"plain-{high} has a higher training loss than plain-{low}", last["plain", high] > last["plain", low]
            ),
            holds(f"residual-{high} has none higher than plain-{high}", last["resnet", high] < last["plain", high]),
            holds(
                f"residual-{high} loses no more than .05 beyond residual-{low}",
                last["resnet", high] < last["resnet", low] + 0.05,
                note="in so few epochs; with more images and epochs the deeper one is ahead",
            ),
        ),
        picture,
    )
