"""Scores of images as they are: an objective without a search."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .objective import Objective
from .running import Shown, looking
from .view import View


def scores_of(
    net: Net,
    objective: Objective,
    images: Tensor,
    *,
    view: View | None = None,
    draws: int = 1,
    seed: int = 0,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
) -> Tensor:
    """The score of each image, (N,); under a view the mean over ``draws`` of them.

    One forward pass an image and draw, no gradient. Image k is row k to the objective. What a view draws for an image
    depends on (seed, id, draw) alone.

    Raises:
        StriateError: ``draws`` is below 1; the objective has no score for such images.
    """
    if draws < 1:
        raise StriateError(f"draws is {draws}", accepted="at least 1")
    keys = image_ids(images) if ids is None else ids.to("cpu", torch.int64)
    rng, rows = Rng(seed, "imageopt").child("fresh"), torch.arange(len(images), device=images.device)
    chunk = net.batch_size((images.shape[-2], images.shape[-1]), memory=memory) if objective.per_image else len(images)
    parts = []
    with undisturbed(net), looking(net, objective.sites) as look, torch.no_grad():
        for part in torch.split(rows, chunk):
            painted = images[part]
            shown = (
                painted if view is None else view(painted, keys[part.cpu()], step=draw, rng=rng)
                for draw in range(1 if view is None else draws)
            )
            scores = [objective(Shown(painted, part, look(each, part), net)) for each in shown]
            parts.append(torch.stack(scores).mean(0))
    return torch.cat(parts)
