"""The same net from several schemes of starting weights, on the same training images."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Splits
from striate.nets.net import Net
from striate.training.init import initialise
from striate.training.prepare import build_task
from striate.training.recipes import QUICK
from striate.training.schemes import INITS, NEED_IMAGES

from .measure import measure_start
from .payload import InitStats

IMAGES = 128  # of a probe batch


def compare_starts(
    subject: str | Path | nn.Module,
    splits: Splits,
    *,
    inits: Sequence[str] = ("built",),
    seed: int = 0,
    images: int = IMAGES,
    memory: int = 1 << 30,
    weights_root: Path | None = None,
    progress: Progress = SILENT,
) -> InitStats:
    """How activations and gradients run through a net for each of the schemes ``inits``, before any training.

    A name ``SOURCE/ARCH``, with or without ``.random``, is built as `striate train` builds it: for the classes and the
    size of the data, normalised by their statistics. Other nets keep what they have; a copy is filled. The images are
    training images drawn by the seed, as many as ``memory`` allows to hold with all their activations.

    Cost: one pass forward and one back for each scheme and image, one more forward for ``lsuv``.

    Raises:
        UnknownNameError: No such scheme.
        StriateError: Net and data do not fit.
    """
    if not inits:
        raise StriateError("no scheme of starting weights is given", accepted=", ".join(INITS))
    for name in inits:
        INITS[name]
    given = subject.removesuffix(".random") if isinstance(subject, str) else subject
    recipe = replace(QUICK, label_smoothing=0.0)
    net = build_task(given, splits, recipe=recipe, seed=seed, weights_root=weights_root).nets["net"]
    assert isinstance(net, Net)
    height, width = splits.train.images([0]).shape[2:]
    most = max(2, net.batch_size((height, width), memory=memory, backward=True))
    rows = rows_of(splits, seed, min(images, most))
    pixels, labels = splits.train.images(rows), splits.train.labels[rows]
    notes = [f"memory for {len(rows)} images instead of {images}: --memory raises it"] if most < images else []
    starts = []
    with progress.task("schemes", len(set(inits)), unit="schemes") as step:
        for name in dict.fromkeys(inits):
            variant = copy.deepcopy(net)
            initialise(variant, name, seed=seed, images=pixels if name in NEED_IMAGES else None)
            starts.append(measure_start(variant, pixels, labels, init=name))
            step()
    classes = len(splits.train.classes)
    left = starts[-1].untouched
    if left and any(each.init != "built" for each in starts):
        notes.append(f"no scheme touches {len(left)} of the parameters: {', '.join(left[:6])}")
    return InitStats(
        net=net.name,
        data=splits.train.name,
        n=len(rows),
        size=(height, width),
        classes=classes,
        chance=math.log(classes),
        starts=tuple(starts),
        notes=tuple(notes),
    )


def rows_of(splits: Splits, seed: int, most: int) -> list[int]:
    """Rows of training images drawn by the seed."""
    order = Rng(seed, "train/probe").permutation(len(splits.train))[:most]
    return [int(each) for each in order]
