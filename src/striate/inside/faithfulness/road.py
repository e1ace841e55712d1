"""ROAD: the target's probability while the map's highest pixels are removed and filled in from their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.inside.attribution.chunks import chunk_size, looked_into
from striate.nets.net import Net

from .erasing import target_values
from .imputation import impute
from .scores import Scores, ranks

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def road(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    shares: Sequence[float] = SHARES,
    noise: float = 0.01,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """The target's probability, mean over the shares of pixels that are removed; lower is better.

    A removed pixel is filled in from its neighbours with a little noise, so that the shape of what was removed tells
    the net nothing. One forward pass a map and share; the filling takes some tens of passes over the pixels besides.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W) or (K, N, H, W); pixels are taken by signed value, equal ones in a random order.
        shares: Shares of the pixels that are removed, the highest first.
        noise: Standard deviation, in pixel values, of what is added to pixels that are filled in.
        seed: Of the noise and of the order of equal values.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Maps that do not fit, or a share that is not between 0 and 1.

    Source: Rong et al. 2022, sections 4.2 and 5 (most relevant first). The noise there is added after normalisation.
    """
    if not shares or not all(0 < share < 1 for share in shares):
        raise StriateError(f"shares are {tuple(shares)}", accepted="shares of the pixels between 0 and 1")
    place = ranks(maps, images, seed=seed)
    flat = place.view(-1, *place.shape[-2:])
    jobs = [(k, i, s) for i in range(len(images)) for k in range(len(flat)) for s in range(len(shares))]
    counts = torch.tensor([round(share * place.shape[-1]) for share in shares])
    grain = noise * Rng(seed, "faithfulness/road").normal(image_ids(images), images.shape[1:]).to(images)
    found = torch.empty(*flat.shape[:2], len(shares), dtype=torch.float64)
    most = chunk_size(net, images, memory=memory)
    with looked_into(net, images), torch.no_grad(), progress.task("road", len(jobs), unit="passes") as step:
        for at in range(0, len(jobs), most):
            kind, rows, places = torch.tensor(jobs[at : at + most]).T
            missing = (flat[kind, rows] < counts[places][:, None]).view(-1, 1, *images.shape[-2:]).to(images.device)
            filled = impute(images[rows], missing)
            filled = torch.where(missing, (filled + grain[rows]).clamp(0, 1), filled)
            found[kind, rows, places] = target_values(net, filled, targets[rows], "probability")
            step(len(rows))
    return Scores(found.mean(-1).view(place.shape[:-1]), higher=False)
