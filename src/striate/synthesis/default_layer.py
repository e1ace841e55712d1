"""The layer that is dreamt of where none is named."""

from __future__ import annotations

import math
from collections.abc import Sequence

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.site import Pair, Site

_JOINING = frozenset({"add", "cat"})
_ACTIVATIONS = ("relu", "elu", "gelu", "silu", "swish", "mish", "tanh", "sigmoid")  # also as parts: relu6, hardswish


def default_layer(net: Net, size: int | Pair | None = None) -> str:
    """The end of the last block before the maps shrink for the last time: there nets hold parts of things, in detail.

    The end of a block is a sum or a concatenation, or the activation right behind one; in a net without those, the last
    activation. Where maps never shrink, or end in the first third of the net (transformers), or there are none, the
    same is looked for up to two thirds of all sites. A map of one place is none.

    Raises:
        StriateError: The net has no sites.

    >>> from striate.nets.load import load_net
    >>> default_layer(load_net("striate/resnet20.random"), 32)
    'layer2.2.relu#1'
    """
    sites = net.sites(size)
    if not sites:
        raise StriateError(f"{net.name} has no layers", accepted="a net with at least one operation")
    maps = [site for site in sites if len(site.shape) == 3 and min(site.shape[1:]) > 1 and site.op != "pad"]
    places = [math.prod(site.shape[1:]) for site in maps]
    larger = [site for site, count in zip(maps, places, strict=True) if count > places[-1]]
    deep = bool(maps) and 3 * (sites.index(maps[-1]) + 1) > len(sites)
    return _end_of_block(larger if larger and deep else sites[: 2 * len(sites) // 3 + 1])


def _end_of_block(sites: Sequence[Site]) -> str:
    """The last of the sites that ends a block, else the last activation, else the last."""
    joining = {site.name for site in sites if site.op in _JOINING}
    active = [site for site in sites if any(part in site.op for part in _ACTIVATIONS)]
    behind = {site.name for site in active if set(site.inputs) <= joining}
    ends = [site for site in sites if site.name in joining | behind]
    return (ends or active or list(sites))[-1].name
