"""Infidelity: how much of the logit's changes under random changes of the image a map does not foretell."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net

from .cells import cell_sums, cells
from .erasing import Score, falls
from .scores import Scores, check_maps


def infidelity(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    samples: int = 64,
    noise: float = 0.1,
    patch: int | None = None,
    scaled: bool = True,
    score: Score = "logit",
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Mean square of what the map misses of the score's changes, over that of the changes; lower is better.

    What the map foretells is the sum of the image's change times the map.
    What the map foretells is the sum of the image's change times the map. 0 where it foretells every change, 1 where it
    foretells none: the map is multiplied by the number that serves it best, as maps of different methods have different
    units. With ``scaled=False`` it is taken as it is, and the mean square is not divided by anything. ``samples``
    forward passes an image and one more, however many maps there are.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W): the channels' sum, as all channels change alike.
        samples: Random changes an image.
        noise: Standard deviation of the normal change of a cell, in pixel values. Pixels may leave [0, 1].
        patch: Side of the cells that change as a whole; a 14th of the short side when None.
        scaled: Whether each map is brought to its best scale.
        score: What changes.
        seed: Of the changes, which are an image's own.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, or fewer than 2 samples.

    Source: Yeh et al. 2019, definition 2.1 with Gaussian changes I, f(x) - f(x - I) beside I times the map, and
    proposition 3.2's best scaling. Changes by the cell and the division by the mean square are ours.
    """
    if samples < 2 or noise <= 0:
        raise StriateError(f"samples is {samples}, noise is {noise}", accepted="at least 2 samples, noise above 0")
    numbers, count = cells(images, patch)
    parts = cell_sums(check_maps(maps, images), numbers, count)
    change = noise * Rng(seed, "faithfulness/changes").normal(image_ids(images), (samples, count)).cpu()

    def moved(rows: Tensor, place: Tensor) -> Tensor:
        return images[rows] - change[rows, place][:, numbers][:, None].to(images)

    fell = falls(
        net, images, targets, moved, count=samples, score=score, memory=memory, progress=progress, label="infidelity"
    )
    foretold = torch.einsum("njc,...nc->...nj", change.double(), parts)
    if not scaled:
        return Scores((foretold - fell).square().mean(-1), higher=False)
    best = (foretold * fell).sum(-1) / foretold.square().sum(-1).clamp(min=1e-300)
    missed = (best[..., None] * foretold - fell).square().mean(-1)
    return Scores(missed / fell.square().mean(-1).clamp(min=1e-300), higher=False)
