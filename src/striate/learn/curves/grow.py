"""Train on more and more images, and measure each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.measure.table import predict
from striate.metrics.intervals import wilson
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import Recipe

from .payload import Grown

LOOKED_AT = 2000  # images of the training split on which its error is measured


def sizes_up_to(count: int, classes: int, steps: int = 5) -> tuple[int, ...]:
    """Sizes from about ten images a class, or a thirtieth of all, up to all of them, evenly by their logarithm."""
    least = min(max(10 * classes, count // 30), count)
    if least == count or steps == 1:
        return (count,)
    ratio = (count / least) ** (1 / (steps - 1))
    return tuple(dict.fromkeys([*(round(least * ratio**step) for step in range(steps - 1)), count]))


def nested(data: Dataset, size: int, *, seed: int) -> Dataset:
    """``size`` images in the shares of their classes; a smaller choice of a seed lies inside a larger one.

    Each class is put in an order drawn by ``seed``; of the merged order, sorted by how far an image stands in its own
    class, the first are taken.
    """
    if not 1 <= size <= len(data):
        raise StriateError(f"size is {size}", accepted=f"1 to {len(data)}, the images of {data.name}")
    place = torch.empty(len(data), dtype=torch.float64)
    for label in sorted(set(data.labels.tolist())):
        rows = (data.labels == label).nonzero().reshape(-1)
        order = Rng(seed, f"learning-curve/class{label}").permutation(len(rows))
        place[rows[order]] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
    chosen = torch.argsort(place, stable=True)[:size]
    missing = len(data.classes) - len(set(data.labels[chosen].tolist()))
    if missing:
        raise StriateError(
            f"{size} images of {data.name} hold no image of {missing} of its {len(data.classes)} classes",
            accepted="sizes that hold every class",
            hint=f"--sizes from {2 * len(data.classes)} on",
        )
    return data.take(chosen.sort().values)


def grow(
    subject: str | Path | nn.Module,
    splits: Splits,
    sizes: Sequence[int],
    *,
    recipe: Recipe,
    out: Path,
    seeds: int = 1,
    held: Dataset | None = None,
    device: str = "cpu",
    precision: str = "float32",
    workers: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Grown, ...]:
    """A run for each size and seed under ``out/runs``, measured; runs that are there already are gone on with.

    The recipe's budget counts images seen, so a smaller size makes more epochs (up to its ``most``): what is compared
    is data, not time. ``held`` are images of the training source that no run learns from.
    """
    found = []
    with progress.task("growing the training split", len(sizes) * seeds, unit="runs") as done:
        for size in sorted(sizes):
            for seed in range(seeds):
                found.append(
                    _one(
                        subject, splits, nested(splits.train, size, seed=seed), seed, held, recipe=recipe,
                        folder=out / "runs" / f"{size}-{seed}", device=device, precision=precision, workers=workers,
                        memory=memory,
                    )
                )  # fmt: skip
                done(1, f"{size:,} images: test error {100 * float(found[-1].test):.1f} %")
    return tuple(found)


def _one(
    subject: str | Path | nn.Module, splits: Splits, train: Dataset, seed: int, held: Dataset | None, *,
    recipe: Recipe, folder: Path, device: str, precision: str, workers: int, memory: int,
) -> Grown:  # fmt: skip
    given = replace(splits, train=train)
    run = fit(
        subject, given, out=folder, recipe=recipe, seed=seed, resume=(folder / "run.json").is_file(),
        device=device, precision=precision, workers=workers,  # type: ignore[arg-type]
    )  # fmt: skip
    net = load_net(folder)

    def error(data: Dataset) -> Number:
        table = predict(net, data, memory=memory, workers=workers, device=device)
        return wilson(len(table) - int(table.correct.sum()), len(table))

    return Grown(
        size=len(train),
        seed=seed,
        epochs=run.epochs,
        train=error(nested(train, min(len(train), LOOKED_AT), seed=0)),
        train_dev=None if held is None else error(held),
        dev=error(splits.dev),
        test=error(splits.test),
        run=str(folder),
    )
