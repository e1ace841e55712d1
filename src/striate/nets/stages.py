"""Where a net can be looked into: the sites that everything deeper hangs on, a few of them spread over the depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from striate.core.errors import StriateError

from .net import Net
from .site import Pair, Site

T = TypeVar("T")
LEAST = 4  # places along each side of maps that are read
_PASSING = ("pool", "dropout", "pad", "identity")  # operations that end no stage


def stages(net: Net, size: int | Pair | None = None, *, least: int = LEAST) -> tuple[str, ...]:
    """Sites that everything deeper hangs on and that a convolution or a pooling takes in, in order.

    In a VGG these are its activations, in a residual net the activations behind the sums, in a SqueezeNet the
    concatenations. Maps of fewer channels than earlier ones (bottlenecks) and of fewer than ``least`` places along a
    side are left out. Where a net has none, all its sites with such maps stand in.

    Raises:
        StriateError: The net makes no such maps of images of this size.

    >>> from striate.nets.load import load_net
    >>> stages(load_net("striate/small"))
    ('stem.relu', 'stage1.relu', 'stage2.relu', 'stage3.relu')
    """
    sites = net.sites(size)
    maps = [site for site in sites if len(site.shape) == 3 and min(site.shape[1:]) >= least]
    if not maps:
        raise StriateError(
            f"{net.name} makes no maps of {least} x {least} places of an image of {net.a_size(size)}",
            accepted="a net with convolutions, and images that are large enough for it",
        )
    narrow = _narrow(sites)
    found: list[Site] = []
    for site in maps:
        ends = site.name in narrow and not any(word in site.op for word in _PASSING)
        if ends and (not found or site.shape[0] >= found[-1].shape[0]):
            found.append(site)
    return tuple(site.name for site in found or maps)


def passed_by_all(sites: Sequence[Site]) -> list[bool]:
    """For each site whether everything that comes later depends on the image through it alone."""
    place_of = {site.name: place for place, site in enumerate(sites)} | {"input": -1}
    alone, earliest = [], len(sites)
    for place in range(len(sites) - 1, -1, -1):
        alone.append(earliest >= place)
        earliest = min([earliest, *(place_of[name] for name in sites[place].inputs)])
    return alone[::-1]


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items at even steps, the first and the last among them.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


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
