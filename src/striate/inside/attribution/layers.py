"""Which layers have maps: sites whose output is (C, H, W) in the proportions of the image."""

from __future__ import annotations

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.stages import passed_by_all

# Operations that only thin out or pass on: the map before them says the same at a finer grain.
_THINNING = ("pool", "dropout", "identity")


def spatial_layer(net: Net, size: tuple[int, int], name: str) -> Site:
    """The site with this name, which must have maps; the path of a module with children is the site that ends it.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
        StriateError: It has no maps; the message gives its shape.
    """
    found = net.trace(size)
    sites = {site.name: site for site in found.sites}
    resolved = found.aliases.get(name, name)
    if resolved not in sites:
        raise UnknownNameError("layer", name, [*sites, *found.aliases], hint=f"striate summary {net.name}")
    site = sites[resolved]
    if why := _no_maps(site, size):
        raise StriateError(f"layer {name!r} has no maps: {why}", accepted=_some(net, size))
    return site


def default_layer(net: Net, size: tuple[int, int]) -> Site:
    """The last site with maps that everything passes through, before the last operation that has weights.

    Where that only pools or drops, the site before it, whose maps are finer.

    Raises:
        StriateError: The net has no such layer, or goes on over tokens after its last maps (a vision transformer).
    """
    sites = net.sites(size)
    last, tokens = _last_maps(net, sites, size)
    if tokens is not None:
        raise StriateError(
            f"after its last maps ({sites[last].name}) {net.name} works on {tokens.shape[0]} tokens of "
            f"{tokens.shape[1]} numbers, which are no maps, so there is no layer to look at by default",
            hint=f"gradient, occlusion, or --layer {sites[last].name}",
        )
    return _before_thinning(sites, last, size)


def goes_on_over_tokens(net: Net, size: tuple[int, int]) -> Site | None:
    """The first site with tokens behind the last maps, as vision transformers have them, or None.

    Raises:
        StriateError: The net has no maps.
    """
    return _last_maps(net, net.sites(size), size)[1]


def _last_maps(net: Net, sites: tuple[Site, ...], size: tuple[int, int]) -> tuple[int, Site | None]:
    """The place of the last maps that everything passes through, and the first site with tokens behind them."""
    end = max((place for place, site in enumerate(sites) if site.parameters), default=len(sites))
    narrow = passed_by_all(sites)
    places = [place for place, site in enumerate(sites[:end]) if narrow[place] and not _no_maps(site, size)]
    if not places:
        raise StriateError(
            f"{net.name} has no layer with maps before its classifier, which class activation maps need",
            hint="gradient, occlusion",
        )
    last = places[-1]
    tokens = [site for site in sites[last:end] if len(site.shape) == 2 and min(site.shape) > 1 and site.parameters]
    return last, tokens[0] if tokens else None


def _before_thinning(sites: tuple[Site, ...], place: int, size: tuple[int, int]) -> Site:
    by_name = {site.name: site for site in sites}
    site = sites[place]
    while any(word in site.op for word in _THINNING) and len(site.inputs) == 1:
        before = by_name.get(site.inputs[0])
        if before is None or _no_maps(before, size):
            break
        site = before
    return site


def _no_maps(site: Site, size: tuple[int, int]) -> str:
    """Why the site has no maps, or nothing."""
    if len(site.shape) != 3:
        return f"its output has shape {tuple(site.shape)}, not (channels, height, width)"
    _, height, width = site.shape
    if height * width == 1:
        return "its output is a single pixel"
    # Maps keep the image's proportions, but for rounding and padding; an output with channels last does not.
    if abs(height - width * size[0] / size[1]) > max(2, height / 10):
        return f"its output of shape {tuple(site.shape)} has not the proportions of an image of {size[0]} x {size[1]}"
    return ""


def _some(net: Net, size: tuple[int, int]) -> str:
    names = [site.name for site in net.sites(size) if not _no_maps(site, size)]
    return f"layers with maps, the last ones {', '.join(names[-6:])}" if names else ""
