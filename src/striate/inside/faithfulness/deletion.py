"""Deletion: how soon the target's probability falls when the map's highest pixels are covered first."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .erasing import area, covered, even_counts, replaced_scores
from .scores import Scores, ranks

GREY = 0.5


def deletion(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    steps: int = 64,
    baseline: float | str = GREY,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Area under the target's probability over the share of pixels covered, from 0 to 1; lower is better.

    ``steps - 1`` forward passes a map, and two an image (whole, all covered).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W); pixels are taken by signed value, equal ones in a random order.
        steps: Parts of equal size in which pixels are covered.
        baseline: What covers, as a pixel value, or ``"mean"`` for each image's own channel means.
        seed: Of the order of equal values.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, or fewer pixels than steps.

    Source: Petsiuk, Das & Saenko 2018, section 4.2 and algorithm 1. The paper takes as many pixels a step as a row
    has, and zero after normalisation; here a given number of equal steps, and grey pixels.
    """
    counts = even_counts(images, steps)
    curves = replaced_scores(
        net,
        images,
        targets,
        ranks=ranks(maps, images, seed=seed),
        counts=counts,
        other=covered(images, baseline),
        memory=memory,
        progress=progress,
        label="deletion",
    )
    return Scores(area(curves, counts), higher=False)
