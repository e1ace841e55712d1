"""Where style and content are read in a net, where no layer is named."""

from __future__ import annotations

from striate.nets.net import Net
from striate.nets.site import Pair
from striate.nets.stages import stages

DEEPEST = 2 / 3  # of a net's stages: style is read up to there, evenly spread
__all__ = ["content_site", "stages", "style_sites"]
MIDDLE = 0.55  # there content is read


def style_sites(net: Net, size: int | Pair | None = None, *, count: int = 5) -> tuple[str, ...]:
    """At most ``count`` of the net's `stages`, evenly spread over the first two thirds of them."""
    every = stages(net, size)
    last = DEEPEST * (len(every) - 1)
    places = [round(last * k / max(1, count - 1)) for k in range(count)]
    return tuple(every[place] for place in dict.fromkeys(places))


def content_site(net: Net, size: int | Pair | None = None) -> str:
    """The one of the net's `stages` a little behind the middle."""
    every = stages(net, size)
    return every[round(MIDDLE * (len(every) - 1))]
