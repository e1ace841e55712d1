"""Which layers have units, and what part of the image each of their places sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.inside.attention.reading import has_attention
from striate.nets.net import Net
from striate.nets.site import Fields, Pair, Site
from striate.nets.stages import spread, stages

MOST = 5  # layers that are looked at where none is named
_RECTIFIERS = frozenset({"relu", "relu6"})
_PASSING = (
    "cat",
    "pool",
    "dropout",
    "identity",
    "flatten",
    "add",
    "mean",
)  # of what is not negative they make the same
_BEHIND = ("norm", "relu", "gelu", "silu", "swish", "sigmoid", "tanh", "elu", "mish", "prelu", "softplus", "dropout")


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """A layer as rows of units over places.

    A convolution's units are its channels, its places those of the map; of tokens (L, D) the units are the D numbers;
    a layer without extent has one place, which sees the whole image.

    Attributes:
        site: The site.
        units: How many units.
        grid: Places (height, width).
        size: (H, W) of the images.
        tops, bottoms: First pixel row and the one behind the last that each row of places sees, clipped to the image.
        lefts, rights: The same for columns.
        field: Theoretical field (height, width), None where a place sees the whole image.
        rectified: Whether no activation is below 0, so that a unit at 0 does not fire.
    """

    site: Site
    units: int
    grid: Pair
    size: Pair
    tops: Tensor
    bottoms: Tensor
    lefts: Tensor
    rights: Tensor
    field: Fields | None
    rectified: bool

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.name

    @property
    def places(self) -> int:
        """How many places."""
        return self.grid[0] * self.grid[1]

    def arranged(self, value: Tensor) -> Tensor:
        """The site's output as (n, places, units), without a copy where memory allows."""
        if value.dim() == 2:
            return value[:, None]
        if value.dim() == 3:
            return value
        if value.is_contiguous():
            return value.flatten(2).transpose(1, 2)
        return value.permute(0, 2, 3, 1).reshape(len(value), -1, value.shape[1])

    def boxes(self, places: Tensor) -> Tensor:
        """(top, left, bottom, right) in pixels of each place, shape (..., 4) int64."""
        row, column = places // self.grid[1], places % self.grid[1]
        return torch.stack([self.tops[row], self.lefts[column], self.bottoms[row], self.rights[column]], -1)

    def middle(self) -> int:
        """The place in the middle."""
        return (self.grid[0] // 2) * self.grid[1] + self.grid[1] // 2


def unit_layer(net: Net, size: Pair, name: str) -> UnitLayer:
    """The layer of this name; the path of a module with children is the site that ends it.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
        StriateError: It is not a layer of units: channels last, or of another shape.
    """
    trace = net.trace(size)
    sites = {site.name: site for site in trace.sites}
    resolved = trace.aliases.get(name, name)
    if resolved not in sites:
        raise UnknownNameError("layer", name, [*sites, *trace.aliases], hint=f"striate summary {net.name}")
    site, shape = sites[resolved], sites[resolved].shape
    if len(shape) == 1:
        return _whole(site, units=shape[0], grid=(1, 1), size=size, sites=sites)
    if len(shape) == 2:
        return _whole(site, units=shape[1], grid=(shape[0], 1), size=size, sites=sites)
    if len(shape) != 3 or _channels_last(shape, size):
        raise StriateError(
            f"layer {name!r} gives {tuple(shape)}",
            accepted="(channels, height, width), (tokens, channels) or (channels,)",
            hint=f"striate summary {net.name}",
        )
    if site.field is None or shape[1] * shape[2] == 1:
        return _whole(site, units=shape[0], grid=(shape[1], shape[2]), size=size, sites=sites)
    rows, columns = (_ends(site.field, axis, shape[1 + axis], size[axis]) for axis in (0, 1))
    return UnitLayer(
        site, shape[0], (shape[1], shape[2]), size, *rows, *columns,
        field=site.field, rectified=_rectified(site, sites),
    )  # fmt: skip


def unit_layers(net: Net, size: Pair, names: Sequence[str] = ()) -> list[UnitLayer]:
    """The layers of these names in the order in which they run; by default up to five, spread over the depth.

    Without names: the ends of the net's stages; of a vision transformer the activations inside its blocks; in a net
    without maps, its activations and the layers with weights.

    Raises:
        UnknownNameError: No layer has a name.
        StriateError: A name stands for no layer of units, or the net has none.
    """
    order = net.trace(size).order
    chosen = [unit_layer(net, size, name) for name in (names or _default(net, size))]
    found = {layer.name: layer for layer in chosen}
    return [found[name] for name in sorted(found, key=order.__getitem__)]


def source_of(net: Net, layer: UnitLayer) -> Site | None:
    """The convolution or linear layer whose filters a layer's units are, seen through norms and activations."""
    sites = {site.name: site for site in net.sites(layer.size)}
    site = layer.site
    while site.op not in ("conv2d", "linear"):
        if len(site.inputs) != 1 or not any(word in site.op for word in _BEHIND) or site.inputs[0] not in sites:
            return None
        site = sites[site.inputs[0]]
    return site if site.shape[0 if len(site.shape) == 3 else -1] == layer.units else None


def _default(net: Net, size: Pair) -> tuple[str, ...]:
    sites = net.sites(size)
    if has_attention(net, size):  # tokens: what looks like a map inside the attention is none
        found = [site.name for site in sites if _is_activation(site) and len(site.shape) == 2]
        if found:
            return tuple(spread(found, MOST))
    try:
        found = [name for name in stages(net, size, least=2) if _fits(net, size, name)]
    except StriateError:
        found = []
    for accepts in (_is_activation, lambda site: site.parameters > 0):
        found = found or [site.name for site in sites if accepts(site) and _fits(net, size, site.name)]
    if not found:
        raise StriateError(f"{net.name} has no layer of units", accepted="a net with convolutions or linear layers")
    return tuple(spread(found, MOST))


def _is_activation(site: Site) -> bool:
    return any(word in site.op for word in _BEHIND[1:-1])


def _fits(net: Net, size: Pair, name: str) -> bool:
    try:
        unit_layer(net, size, name)
    except StriateError:
        return False
    return True


def _channels_last(shape: Sequence[int], size: Pair) -> bool:
    """A map keeps the image's proportions; where the first two axes do and the last two do not, channels are last."""
    return not _alike(shape[1], shape[2], size) and _alike(shape[0], shape[1], size)


def _alike(height: int, width: int, size: Pair) -> bool:
    return abs(height - width * size[0] / size[1]) <= max(2, height / 10)


def _whole(site: Site, *, units: int, grid: Pair, size: Pair, sites: dict[str, Site]) -> UnitLayer:
    rows, columns = ((torch.zeros(grid[k]).long(), torch.full((grid[k],), size[k])) for k in (0, 1))
    return UnitLayer(site, units, grid, size, *rows, *columns, field=None, rectified=_rectified(site, sites))


def _ends(fields: Fields, axis: int, count: int, length: int) -> tuple[Tensor, Tensor]:
    """First pixel and the one behind the last that each place sees on one axis; at least one pixel of the image."""
    field = fields[axis]
    centre = field.offset + field.stride * torch.arange(count, dtype=torch.float64)
    first = (centre - (field.size - 1) / 2 + 1e-6).floor().long().clamp(0, length - 1)
    behind = (centre + (field.size - 1) / 2 - 1e-6).ceil().long() + 1
    return first, torch.maximum(behind.clamp(max=length), first + 1)


def _rectified(site: Site, sites: dict[str, Site]) -> bool:
    todo, seen = [site], set()
    while todo:
        each = todo.pop()
        if each.op in _RECTIFIERS or each.name in seen:
            continue
        seen.add(each.name)
        if not any(word in each.op for word in _PASSING) or not all(name in sites for name in each.inputs):
            return False
        if not each.inputs:
            return False
        todo += [sites[name] for name in each.inputs]
    return True
