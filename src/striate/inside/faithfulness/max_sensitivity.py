"""Max-sensitivity: how far a map moves when the image is changed by next to nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net

from .scores import Scores, check_maps

Explainer = Callable[[Tensor, Tensor], Tensor]


def max_sensitivity(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    explainer: Explainer | None = None,
    samples: int = 10,
    radius: float = 0.02,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """The largest move of the map, as a share of its length, over random neighbours of the image; lower is better.

    The targets stay. Costs the method's own passes ``samples`` times.

    Args:
        net: The net; the explainer knows it, so it is not looked at here.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        maps: (N, H, W), by the explainer, of the images as they are.
        explainer: Images (N, C, H, W) and targets (N,) to maps (N, H, W).
        samples: Neighbours an image, uniform within the radius, kept in [0, 1].
        radius: Largest change of a pixel value.
        seed: Of the neighbours, which are an image's own.
        memory: Of no use here: the explainer keeps its own budget.
        progress: How progress is shown.

    Raises:
        StriateError: No explainer, maps that do not fit, or no sample.

    Source: Yeh et al. 2019, definition 3.1, by random search, as a share of the map's norm as in their experiments.
    """
    del net, memory
    if explainer is None:
        raise StriateError(
            "max_sensitivity without an explainer", accepted="a function of images and targets that gives their maps"
        )
    if samples < 1 or radius <= 0:
        raise StriateError(f"samples is {samples}, radius is {radius}", accepted="at least 1; above 0")
    first = check_maps(maps, images).double()
    if first.dim() != 3:
        raise StriateError(f"maps of shape {tuple(first.shape)}", accepted="maps (N, H, W) of one method")
    length = first.flatten(1).norm(dim=1)
    worst = torch.zeros(len(images), dtype=torch.float64)
    ids, rng = image_ids(images), Rng(seed, "faithfulness/neighbours")
    for draw in progress.track(range(samples), "max-sensitivity", samples, unit="neighbours"):
        move = rng.uniform(ids, images.shape[1:], step=draw, low=-radius, high=radius).to(images)
        moved = check_maps(explainer((images + move).clamp(0, 1), targets), images).double()
        worst = torch.maximum(worst, (moved - first).flatten(1).norm(dim=1))
    return Scores(torch.where(worst == 0, 0.0, worst / length.clamp(min=1e-30)), higher=False)
