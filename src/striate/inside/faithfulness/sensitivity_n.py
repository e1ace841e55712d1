"""Sensitivity-n: whether what a map gives to random parts of an image is what the logit loses without them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.metrics.likeness import pearson
from striate.nets.net import Net

from .cells import cell_sums, cells
from .erasing import Score, covered, falls
from .scores import Scores, check_maps

SHARES = (0.1, 0.3, 0.5, 0.7)


def sensitivity_n(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    samples: int = 32,
    shares: Sequence[float] = SHARES,
    patch: int | None = None,
    baseline: float | str = 0.5,
    score: Score = "logit",
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Correlation (Pearson) of subsets' summed map with the score's fall without them; higher is better.

    A mean over the sizes of subsets. A map
    with a sum that never changes has correlation 0. ``samples`` forward passes an image and size, and one an
    image, however many maps of it there are.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W): contributions, which add up.
        samples: Random subsets of each size.
        shares: Sizes n of the subsets, as shares of the cells.
        patch: Side of the cells that subsets are made of; a 14th of the short side when None, 1 as in the paper.
        baseline: What covers a subset: a pixel value, or ``"mean"`` for each image's own channel means.
        score: What falls.
        seed: Of the subsets, which are an image's own.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, fewer than 2 samples, or a share that leaves no subset.

    Source: Ancona et al. 2018, section 4 (100 subsets of single pixels, zero as baseline). The mean over sizes is ours;
    they draw the curve over n.
    """
    numbers, count = cells(images, patch)
    sizes = [min(count - 1, max(1, round(share * count))) for share in shares]
    if samples < 2 or count < 2 or not sizes or not all(0 < share < 1 for share in shares):
        raise StriateError(
            f"{samples} samples of shares {tuple(shares)} of {count} cells",
            accepted="at least 2 samples, shares between 0 and 1, several cells",
        )
    parts = cell_sums(check_maps(maps, images), numbers, count)
    order = Rng(seed, "faithfulness/subsets").uniform(image_ids(images), (len(sizes), samples, count)).cpu()
    places = order.argsort(dim=-1).argsort(dim=-1)
    chosen = places < torch.tensor(sizes)[:, None, None]  # (N, sizes, samples, cells)
    masks, other = chosen.flatten(1, 2), covered(images, baseline)

    def without(rows: Tensor, place: Tensor) -> Tensor:
        mask = masks[rows, place][:, numbers][:, None].to(images.device)
        return torch.where(mask, other[rows], images[rows])

    drops = falls(
        net,
        images,
        targets,
        without,
        count=masks.shape[1],
        score=score,
        memory=memory,
        progress=progress,
        label="sensitivity-n",
    ).view(chosen.shape[:3])
    given = torch.einsum("nsjc,...nc->...nsj", chosen.double(), parts)
    return Scores(pearson(given, drops.expand_as(given)).mean(-1), higher=True)
