"""Layers removed and the rest trained again: what a layer is worth to a net that had to learn without it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset, Splits
from striate.data.preprocess import measure_normalisation
from striate.measure.table import Table, predict
from striate.metrics.intervals import wilson
from striate.metrics.paired import paired_difference
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.weights import fit_weights, read_weights
from striate.training.engine import Precision
from striate.training.init import seeded
from striate.training.loop import fit
from striate.training.recipe import Recipe
from striate.training.run import WEIGHTS
from striate.training.schemes import INITS, NEED_IMAGES

from .payload import Removal, Variant
from .without import without


def retrain_without(
    net: str | Net,
    splits: Splits,
    removals: Sequence[Sequence[str]],
    *,
    recipe: Recipe,
    seed: int = 0,
    runs: str | Path | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    workers: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Removal:
    """The whole net and each variant without some of its layers, trained from scratch alike; errors on train and test.

    All start from the weights that the seed gives to the whole net (layers that are rebuilt draw their own), see the
    same images in the same order, and keep the epoch that is best on dev. A name of an architecture is built for the
    data, with their normalisation; a net that is given as an object starts from the weights it has.

    Cost: as many trainings as variants and one, and two passes over the training and test images of each.

    Args:
        net: ``SOURCE/ARCH``, or a net.
        splits: The data.
        removals: For each variant the paths of the modules that it lacks.
        recipe: How all are trained.
        seed: Of weights and order.
        runs: Folder that keeps each variant's run; runs that are there already are gone on with. None keeps none.
        device: Where all are trained and measured.
        precision: Of the training.
        workers: Processes that decode images of data that do not fit in memory.
        memory: Budget in bytes beside the net.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such module.
        StriateError: What is left of a net cannot be joined or trained.

    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.5; Zeiler & Fergus 2014, section 4.3 and table 3 (there on
    ImageNet, and with layers' sizes changed too).
    """
    if not removals or not all(removals):
        raise StriateError("no layers to remove were named", accepted="one or more of them, such as fc7; conv3,conv4")
    if recipe.init in NEED_IMAGES:
        raise StriateError(f"layers retrained from init {recipe.init}", accepted="a scheme that looks at no images")
    whole = _whole(net, splits.train, recipe=recipe, seed=seed)
    made: list[tuple[tuple[str, ...], Net, tuple[str, ...]]] = [((), whole, ())]
    for removed in removals:  # a mistake in the last one is told before the first is trained
        variant, adapted = without(whole, removed, seed=seed)
        if isinstance(net, str):
            with seeded(seed, "ablation/init"):
                for path in adapted:
                    INITS.load(recipe.init)(variant.module.get_submodule(path))
        made.append((tuple(removed), variant, adapted))
    rows: list[Variant] = []
    first: Table | None = None
    with TemporaryDirectory() as away:
        top = Path(runs) if runs is not None else Path(away)
        for removed, variant, adapted in made:
            folder = top / _folder(removed)
            progress.say(f"{variant.name}: {_weights(variant):,} weights")
            fit(
                variant, splits, out=folder, recipe=recipe, seed=seed, resume=(folder / "run.json").is_file(),
                device=device, precision=precision, workers=workers, progress=progress,
            )  # fmt: skip
            fit_weights(variant.module, read_weights(folder / WEIGHTS), name=variant.name)
            train, test = (
                predict(variant.eval(), part, memory=memory, device=device) for part in (splits.train, splits.test)
            )
            first = test if first is None else first
            kept = str(Path(runs) / _folder(removed)) if runs is not None else ""
            rows.append(_row(removed, variant, adapted, train=train, test=test, whole=first, run=kept))
    epochs = recipe.epochs_on(len(splits.train))
    return Removal(whole.name, splits.train.name, recipe.name, epochs, tuple(rows))


def parse_removals(text: str) -> tuple[tuple[str, ...], ...]:
    """``"fc7; fc6,fc7"``: variants between semicolons, the modules that each lacks between commas.

    >>> parse_removals("fc7; fc6,fc7; conv3, conv4")
    (('fc7',), ('fc6', 'fc7'), ('conv3', 'conv4'))
    """
    variants = [tuple(each.strip() for each in part.split(",") if each.strip()) for part in text.split(";")]
    found = tuple(each for each in variants if each)
    if not found:
        raise StriateError(f"remove is {text!r}", accepted="paths of modules such as fc7; fc6,fc7; conv3,conv4")
    return found


def _whole(net: str | Net, train: Dataset, *, recipe: Recipe, seed: int) -> Net:
    """The net with nothing removed, ready to be trained."""
    if isinstance(net, Net):
        return net
    bare = net if ":" in net else f"{net}.random"
    with seeded(seed, "train/init"):
        built = load_net(bare, classes=train.classes, channels=train.channels, size=train.size, seed=seed)
        INITS.load(recipe.init)(built.module)
    normal = measure_normalisation(train, recipe.preprocess)
    return built.adapted(
        mean=normal.mean, std=normal.std, classes=train.classes, geometry=train.geometry or built.geometry,
        size=train.size, name=net,
    )  # fmt: skip


def _row(
    removed: tuple[str, ...],
    variant: Net,
    adapted: tuple[str, ...],
    *,
    train: Table,
    test: Table,
    whole: Table,
    run: str,
) -> Variant:
    right, before = test.correct, whole.correct
    counts = [int(each.sum()) for each in (right & before, ~right & before, right & ~before, ~right & ~before)]
    change = paired_difference(*counts) if removed else Number(0.0, n=len(test), why="the whole net itself")
    return Variant(
        removed=removed,
        parameters=_weights(variant),
        train=wilson(int((~train.correct).sum()), len(train)),
        test=wilson(int((~right).sum()), len(test)),
        change=change,
        adapted=adapted,
        run=run,
    )


def _weights(net: Net) -> int:
    return sum(each.numel() for each in net.module.parameters())


def _folder(removed: Sequence[str]) -> str:
    return "without-" + re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(removed)) if removed else "whole"
