"""Permuted labels: whether maps of a net that learnt the classes differ from those of one that learnt by heart."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.metrics.likeness import spearman, ssim
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.loop import fit
from striate.training.recipe import Augment
from striate.training.recipes import MOMENTUM

from .faithfulness.controls import edge_maps
from .faithfulness.ranking import mean_of
from .faithfulness.scores import planes
from .payload import SanityRow
from .sanity import BOUND, Making

IMAGES, EPOCHS = 512, 80  # that a small net learns by heart


def with_permuted_labels(data: Dataset, *, seed: int = 0) -> Dataset:
    """The same images, each with the label of another one: nothing is left to learn but the images themselves."""
    order = Rng(seed, "sanity/labels").permutation(len(data))
    return Dataset.of(
        data.images(), data.labels[order], classes=data.classes, name=f"{data.name}, labels permuted", split="train"
    )


def permuted_labels(
    arch: str,
    splits: Splits,
    makers: Mapping[str, Making],
    *,
    images: int = 16,
    learnt: int = IMAGES,
    epochs: int = EPOCHS,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[tuple[SanityRow, ...], tuple[float, float]]:
    """How alike maps of a net trained on true labels and of one trained on permuted ones are; edges of the image last.

    Both start from the same weights, see the same images in the same order, and are explained for the class that the
    first predicts on test images. Trains twice: ``learnt x epochs`` images each, about half a minute of one core for
    ``striate/lenet5``; then each method's own passes twice.

    Args:
        arch: A net by name, from scratch.
        splits: What is learnt (the first training images) and explained (the first test images).
        makers: By method: a net, images and targets to maps.
        images: Test images whose maps are compared.
        learnt: Training images.
        epochs: Passes over them; many, as permuted labels are only learnt by heart.
        seed: Of weights, order, and permutation.
        progress: How progress is shown.

    Returns:
        A row a method, and the share of the training images that each of the two nets has right: a net that has not
        learnt the permuted labels by heart proves nothing.

    Raises:
        StriateError: Fewer than two classes or images.

    Source: Adebayo et al. 2018, section 4.2 (data randomisation; there nets get 95 % of the training images right).
    """
    few = splits.train.limit(learnt)
    if len(few) < 2 or len(few.classes) < 2 or images < 1:
        raise StriateError(f"{len(few)} images of {len(few.classes)} classes", accepted="at least two of each")
    plain = Dataset.of(few.images(), few.labels, classes=few.classes, name=few.name, split="train")
    trained = []
    for data in (plain, with_permuted_labels(few, seed=seed)):
        net = _trained(arch, data, splits, epochs=epochs, seed=seed, progress=progress)
        trained.append((net, _right(net, data)))
    (true, share), (false, by_heart) = trained
    shown = splits.test.limit(images).images()
    with torch.no_grad():
        targets = true.logits(shown).argmax(1)
    rows = []
    for method, maker in makers.items():
        one, other = (maker(net, shown, targets) for net in (true, false))
        first, second = (planes(each.values, signed=each.signed) for each in (one, other))
        likeness = spearman(first, second)
        rows.append(
            SanityRow(
                method,
                (1.0,),
                (mean_of(likeness, seed),),
                (mean_of(ssim(first, second), seed),),
                BOUND,
                holds=float(likeness.mean()) <= BOUND,
            )
        )
    edges = edge_maps(shown)
    same = (mean_of(spearman(edges, edges), seed),)
    rows.append(SanityRow("edge", (1.0,), same, (mean_of(ssim(edges, edges), seed),), BOUND, holds=False))
    return tuple(rows), (share, by_heart)


def _trained(arch: str, data: Dataset, splits: Splits, *, epochs: int, seed: int, progress: Progress) -> Net:
    """The net after ``epochs`` passes over the data, the recipe `momentum` without what hinders learning by heart."""
    recipe = replace(
        MOMENTUM,
        name="by heart",
        samples=len(data) * epochs,
        batch=64,
        label_smoothing=0.0,
        augment=Augment(),
        optimizer=replace(MOMENTUM.optimizer, rate=0.05, weight_decay=0.0),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        # Chosen on what is learnt: the question is what was taken in, not what carries over.
        fit(
            arch,
            replace(splits, train=data, dev=replace(data, split="dev")),
            out=run,
            recipe=recipe,
            seed=seed,
            progress=progress,
        )
        return load_net(str(run)).eval()


def _right(net: Net, data: Dataset) -> float:
    with torch.no_grad():
        return float((net.logits(data.images()).argmax(1) == data.labels).double().mean())
