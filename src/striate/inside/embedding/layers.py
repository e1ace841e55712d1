"""Which layers give codes: the one before the classifier, some spread over the depth, and how their maps are pooled."""

from __future__ import annotations

from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.nets.site import Pair, Site

SPREAD = 6  # layers of a curve by depth, the code among them
_WEIGHTED = ("linear", "conv")  # operations that a classifier ends with
_MEANS = ("mean", "avg_pool")
_SAME = ("dropout", "identity", "flatten")  # in eval mode they pass the same numbers on


def find_layer(net: Net, size: Pair, name: str) -> Site:
    """The site of this name, whose output makes a code; the path of a module is the site that ends it.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
        StriateError: Its output is no vector, no tokens and no maps.
    """
    found = net.trace(size)
    sites = {site.name: site for site in found.sites}
    resolved = found.aliases.get(name, name)
    if resolved not in sites:
        raise UnknownNameError("layer", name, [*sites, *found.aliases], hint=f"striate summary {net.name}")
    site = sites[resolved]
    if places_of(site.shape, size) is None:
        raise StriateError(
            f"layer {name!r} gives {tuple(site.shape)} for an image",
            accepted="a layer that gives a vector, tokens, or maps in the proportions of the image",
        )
    return site


def code_layer(net: Net, size: Pair) -> Site:
    """What the last linear layer takes in (or the last convolution, where a net ends with one): the code by default.

    Raises:
        StriateError: The net has no such layer, or classifies the pixels themselves.
    """
    sites = net.sites(size)
    by_name = {site.name: site for site in sites}
    last = next((site for site in reversed(sites) if any(word in site.op for word in _WEIGHTED)), None)
    if last is None:
        raise StriateError(f"{net.name} has no linear layer and no convolution", hint="--layer SITE")
    name = last.inputs[0] if last.inputs else "input"
    while name in by_name and any(word in by_name[name].op for word in _SAME) and len(by_name[name].inputs) == 1:
        name = by_name[name].inputs[0]
    if name not in by_name or places_of(by_name[name].shape, size) is None:
        raise StriateError(
            f"{net.name} has no layer before its last one, so the code would be the pixels",
            accepted="a net of two layers or more",
            hint=f"--layer {last.name}",
        )
    return by_name[name]


def spread_layers(net: Net, size: Pair, last: str, *, count: int = SPREAD) -> tuple[str, ...]:
    """At most ``count`` layers that everything passes through, evenly apart in the execution, ending with ``last``.

    Layers behind a non-linearity or a sum are taken where the net has enough of them.
    """
    sites = net.sites(size)
    end = next(place for place, site in enumerate(sites) if site.name == _before_pooling(sites, last))
    narrow = _narrow(sites)
    open_ = [place for place in range(end) if narrow[place] and places_of(sites[place].shape, size) is not None]
    acted = [
        place for place in open_ if not any(word in sites[place].op for word in (*_WEIGHTED, "norm", "add", *_SAME))
    ]
    places = acted if len(acted) >= count - 1 else open_
    if len(places) > count - 1:
        steps = max(count - 2, 1)
        places = [places[round(step * (len(places) - 1) / steps)] for step in range(count - 1)]
    return (*dict.fromkeys(sites[place].name for place in places), last)


def depth_of(net: Net, size: Pair, name: str) -> float:
    """The place of a layer among the executed operations: 1 for the last, 0 for the input."""
    sites = net.sites(size)
    if name == "input":
        return 0.0
    return (1 + next(place for place, site in enumerate(sites) if site.name == name)) / len(sites)


def places_of(shape: tuple[int, ...], size: Pair) -> tuple[int, ...] | None:
    """The axes (counted with the batch's) that an output of this shape is averaged over; None where it is no code.

    A vector has none; tokens (T, D) their first; maps (C, H, W), or (H, W, C), those in the image's proportions.
    """
    if len(shape) == 1:
        return ()
    if len(shape) == 2:
        return (1,)
    if len(shape) != 3:
        return None
    if _proportions(shape[1], shape[2], size):
        return (2, 3)
    return (1, 2) if _proportions(shape[0], shape[1], size) else None


def pooling_words(shape: tuple[int, ...], size: Pair) -> str:
    """How such an output becomes a code, in words."""
    axes = places_of(shape, size)
    extent = [shape[axis - 1] for axis in axes or ()]
    if not extent or max(extent) == 1:
        return "taken as it is"
    if len(extent) == 1:
        return f"mean over {extent[0]} tokens"
    return f"mean over {extent[0]} x {extent[1]} places"


def pooled(values: Tensor, size: Pair) -> Tensor:
    """Codes (n, D) of outputs (n, ...): the mean over space or tokens, in float32."""
    axes = places_of(tuple(values.shape[1:]), size)
    assert axes is not None
    return (values.float().mean(axes) if axes else values.float()).contiguous()


def _proportions(height: int, width: int, size: Pair) -> bool:
    # maps keep the image's proportions, but for rounding and padding
    return abs(height - width * size[0] / size[1]) <= max(2, height / 10)


def _before_pooling(sites: tuple[Site, ...], name: str) -> str:
    """The layer whose mean over space a code is: as a code of its own it would be the same."""
    by_name = {site.name: site for site in sites}
    while any(word in by_name[name].op for word in (*_MEANS, *_SAME)) and by_name[name].inputs[0] in by_name:
        name = by_name[name].inputs[0]
    return name


def _narrow(sites: tuple[Site, ...]) -> list[bool]:
    """For each site whether all that is computed later sees the image through it alone."""
    place = {site.name: number for number, site in enumerate(sites)} | {"input": -1}
    reach = [min((place[name] for name in site.inputs if name in place), default=number)
             for number, site in enumerate(sites)]  # fmt: skip
    return [min(reach[number + 1 :], default=number) >= number for number in range(len(sites))]
