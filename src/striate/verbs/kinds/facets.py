"""Facets of a class."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.synthesis.facets import facet_images
from striate.synthesis.made import Made
from striate.verbs.session import as_taken

from .ask import Ask

MOST = 400  # pictures of the class that are looked at: the first ones


def facets(ask: Ask) -> Made:
    """Images of the kinds of a class."""
    targets = ask.classes(default=len(ask.net.classes))
    if len(targets) != 1:
        raise StriateError(f"facets of {len(targets)} classes", accepted="one", hint="--target CLASS")
    return facet_images(
        ask.net,
        targets[0],
        _pictures(ask, targets[0]),
        layer=ask["layer"] or "",
        count=ask["count"],
        steps=ask["steps"],
        seed=ask.seed,
        preset=ask["preset"],
        memory=ask.memory,
        watch=ask.watch,
    )


def _pictures(ask: Ask, target: int) -> Tensor:
    """Pictures of the class (N, C, H, W), at the net's size or that asked for."""
    from striate.data.load import load_data
    from striate.measure.alignment import aligned

    name = ask.net.classes[target]
    data = load_data(ask["data"], split="train", seed=ask.seed, channels=ask.net.channels, partial=True)
    data, said = aligned(as_taken(data, ask.net, how=Geometry(ask.size) if ask["size"] else None), ask.net)
    if said:
        ask.run.progress.say(said)
    rows = (data.labels == target).nonzero().squeeze(1)[:MOST]
    if len(rows) < ask["count"]:
        raise StriateError(
            f"{len(rows)} pictures of {name!r} in {data.name}", accepted=f"at least {ask['count']}, as many as facets"
        )
    return torch.as_tensor(data.images(rows))
