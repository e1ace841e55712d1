"""Layers to be painted: whether they are there, what they hold, how large an image shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.imageopt.objective.units import by_channel
from striate.nets.net import Net
from striate.nets.site import Pair
from striate.nets.undisturbed import undisturbed

FIELDS = 4  # an image shows about so many receptive fields of a unit a side
SMALLEST = 64  # side of such an image at least


def check_layer(net: Net, layer: str, size: Pair) -> tuple[int, ...]:
    """Shape of what a layer says of one image, (C, H, W), (T, C) or (C,).

    Cost: one forward pass and one backward.

    Raises:
        UnknownNameError: The net has no such site; the nearest are named, and how many there are.
        StriateError: No gradient comes through to the image; the layer is not on the way to the output; it gives
            neither maps, tokens nor vectors.
    """
    image = torch.full((1, net.channels, *size), 0.5, device=_device(net)).requires_grad_()
    with undisturbed(net), net.look(read=(layer, "output")) as look:
        seen = look(image)
        value, outputs = seen[layer], [each for each in _tensors(seen.output) if each.requires_grad]
        by_channel(value, layer)
        if not value.requires_grad:
            raise StriateError(
                f"no gradient of {net.name} reaches its image from {layer!r}",
                hint="a net without no_grad, detach or rounding on the way",
            )
        through = [torch.autograd.grad(each.sum(), value, retain_graph=True, allow_unused=True)[0] for each in outputs]
    if all(each is None for each in through):
        raise StriateError(
            f"{layer!r} is not on the way to the output of {net.name}", hint=f"striate summary {net.name}"
        )
    return tuple(value.shape[1:])


def checked_channels(layer: str, shape: Sequence[int], channels: Sequence[int]) -> list[int]:
    """The channels asked for, each once; none means all.

    Raises:
        UnknownNameError: One is not there; how many there are is said.
    """
    count = shape[1] if len(shape) == 2 else shape[0]
    for each in channels:
        if not 0 <= each < count:
            raise UnknownNameError(
                f"channel of {layer!r}:", str(each), (), hint=f"0 to {count - 1}, it has {count} channels"
            )
    return list(dict.fromkeys(channels)) or list(range(count))


def fitting_size(net: Net, layer: str, *, fields: float = FIELDS, most: int | None = None) -> Pair:
    """The size of an image that shows a layer's units: some receptive fields wide, no larger than the net's own.

    A net of one size, or a layer without a window, takes the net's own.
    """
    own = net.a_size()
    trace = net.trace(own)
    site = next((each for each in trace.sites if each.name == trace.aliases.get(layer, layer)), None)
    if net.size is not None or site is None or site.field is None:
        return own
    side = max(SMALLEST, net.least_size, round(fields * max(each.size for each in site.field)))
    side = min(side, *own) if most is None else min(side, most, *own)
    try:
        net.trace(side)
    except (StriateError, RuntimeError):  # some nets say of no size that it is too small
        return own
    return side, side


def _tensors(output: Any) -> Iterator[Tensor]:
    """The tensors of what a net gives, whatever holds them."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for each in output.values():
            yield from _tensors(each)
    elif isinstance(output, Iterable) and not isinstance(output, str):
        for each in output:
            yield from _tensors(each)


def _device(net: Net) -> torch.device:
    return next((each.device for each in net.parameters()), torch.device("cpu"))
