"""Pictures rebuilt from their codes."""

from __future__ import annotations

from striate.core.errors import UnknownNameError
from striate.synthesis.inverse import SEARCHES
from striate.synthesis.invert import invert
from striate.synthesis.made import Made

from .ask import Ask


def invert_(ask: Ask) -> Made:
    """Inverses of each layer asked for."""
    if ask["search"] not in SEARCHES:
        raise UnknownNameError("search", ask["search"], SEARCHES)
    names, images = ask.alike("image")
    return invert(
        ask.net,
        images,
        ask.layers,
        names=names,
        count=ask["count"],
        steps=ask["steps"],
        seed=ask.seed,
        way=SEARCHES[ask["search"]],
        memory=ask.memory,
        watch=ask.watch,
    )
