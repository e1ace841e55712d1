"""Where style and content are read in a net, where no layer is named."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.site import Pair, Site

DEEPEST = 2 / 3  # of a net's stages: style is read up to there, evenly spread
MIDDLE = 0.55  # there content is read
LEAST = 4  # places along each side of maps that are read
_PASSING = ("pool", "dropout", "pad", "identity")  # operations that end no stage


def stages(net: Net, size: int | Pair | None = None) -> tuple[str, ...]:
    """Sites that everything deeper hangs on and that a convolution or a pooling takes in, in order.

    In a VGG these are its activations, in a residual net the activations behind the sums, in a SqueezeNet the
    concatenations. Maps of fewer channels than earlier ones (bottlenecks) and of fewer than 4 x 4 places are left out.
    Where a net has none, all its sites with such maps stand in.

    Raises:
        StriateError: The net makes no maps of 4 x 4 places of images of this size.

    >>> from striate.nets.load import load_net
    >>> stages(load_net("striate/small"))
    ('stem.relu', 'stage1.relu', 'stage2.relu', 'stage3.relu')
    """
    sites = net.sites(size)
    maps = [site for site in sites if len(site.shape) == 3 and min(site.shape[1:]) >= LEAST]
    if not maps:
        raise StriateError(
            f"{net.name} makes no maps of {LEAST} x {LEAST} places of an image of {net.a_size(size)}",
            accepted="a net with convolutions, and images that are large enough for it",
        )
    narrow = _narrow(sites)
    found: list[Site] = []
    for site in maps:
        ends = site.name in narrow and not any(word in site.op for word in _PASSING)
        if ends and (not found or site.shape[0] >= found[-1].shape[0]):
            found.append(site)
    return tuple(site.name for site in found or maps)


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


def _narrow(sites: Sequence[Site]) -> set[str]:
    """Names of the sites that a convolution or a pooling takes in and past which nothing earlier is needed."""
    last_use = {name: place for place, site in enumerate(sites) for name in site.inputs}
    taken = {name for site in sites if site.op.startswith("conv") or "pool" in site.op for name in site.inputs}
    alive, found = {"input"}, set()
    for place, site in enumerate(sites):
        alive = {name for name in (*alive, site.name) if last_use.get(name, -1) > place}
        if alive == {site.name} and site.name in taken:
            found.add(site.name)
    return found
