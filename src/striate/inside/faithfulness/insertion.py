"""Insertion: how soon the target's probability rises when a blurred image gets the map's highest pixels back."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .erasing import area, blurred, even_counts, replaced_scores
from .scores import Scores, ranks


def insertion(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    steps: int = 64,
    blur: float | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Area under the target's probability over the share of pixels revealed, from 0 to 1; higher is better.

    ``steps - 1`` forward passes a map, and two an image (all blurred, whole).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W); pixels are taken by signed value, equal ones in a random order.
        steps: Parts of equal size in which pixels are revealed.
        blur: Standard deviation of the Gaussian blur in pixels; a 20th of the short side when None.
        seed: Of the order of equal values.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, or fewer pixels than steps.

    Source: Petsiuk, Das & Saenko 2018, section 4.2 and algorithm 1, which start from a blurred image so that no sharp
    edges appear. Steps as in `deletion`; the blur grows with the image and is stronger than theirs (5 pixels, cut off
    at a window of 11), after which large objects are still known.
    """
    counts = even_counts(images, steps)
    curves = replaced_scores(
        net,
        blurred(images, blur),
        targets,
        ranks=ranks(maps, images, seed=seed),
        counts=counts,
        other=images,
        memory=memory,
        progress=progress,
        label="insertion",
    )
    return Scores(area(curves, counts), higher=True)
