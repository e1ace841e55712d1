"""Rules of the first layer, whose inputs are pixels: they lay relevance on the pixels themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.site import Site

from .relevance import Layer, Ledger, ratio

First = Literal["box", "flat", "same"]


class Box:
    """``R_i = sum_j (x_i w_ij - l_i w_ij+ - h_i w_ij-) / sum_i (...) R_j``, with the bounds l, h of x_i.

    Source: Montavon et al. 2017, section 4.3 (the z^B rule); there x are pixels, here pixels behind the normalisation.
    """

    def __init__(self, ledger: Ledger, low: Tensor, high: Tensor, shape: torch.Size) -> None:
        self.ledger, self.low, self.high, self.shape = ledger, low, high, shape

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by weights, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Books the relevance of the pixels; nothing goes back."""
        layer = Layer(site, inputs, output)
        up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        total = layer.z - layer.bias_for() - layer.forward(self.low, up) - layer.forward(self.high, down)
        signal = ratio(grad * layer.z, total)
        found = layer.x * layer.back(signal, layer.weight)
        found = found - self.low * layer.back(signal, up) - self.high * layer.back(signal, down)
        lay(self.ledger, site, found, self.shape)
        self.ledger.keep(site, grad * layer.z, signal * total)
        return [torch.zeros_like(layer.x)]


class Flat:
    """``R_i = sum_j R_j / n_j``: each output's relevance alike on the n_j inputs that it sees.

    Source: Lapuschkin et al. 2017 (the flat rule); Bach et al. 2016.
    """

    def __init__(self, ledger: Ledger, shape: torch.Size) -> None:
        self.ledger, self.shape = ledger, shape

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by windows, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Books the relevance of the pixels; nothing goes back."""
        layer = Layer(site, inputs, output)
        ones = torch.ones_like(layer.weight)
        total = layer.forward(torch.ones_like(layer.x[:1]), ones)
        signal = grad * layer.z / total
        lay(self.ledger, site, layer.back(signal, ones), self.shape)
        self.ledger.keep(site, grad * layer.z, signal * total)
        return [torch.zeros_like(layer.x)]


def lay(ledger: Ledger, site: Site, found: Tensor, shape: torch.Size) -> None:
    """Adds relevance to the pixels.

    Raises:
        StriateError: The layer does not see one value a pixel.
    """
    if found.shape[1:].numel() != shape[1:].numel():
        raise StriateError(
            f"{site.name} takes in {tuple(found.shape[1:])}, which are no pixels of {tuple(shape[1:])}",
            hint="first='same'",
        )
    found = found.reshape(shape)
    ledger.pixels = found if ledger.pixels is None else ledger.pixels + found


def first_sites(way: Sequence[Site]) -> tuple[str, ...]:
    """The layers with weights that the image reaches through none other."""
    behind: set[str] = set()
    found = []
    for site in way:
        weighs = site.op.startswith(("conv", "linear"))
        if any(name in behind for name in site.inputs):
            behind.add(site.name)
        elif weighs:
            found.append(site.name)
            behind.add(site.name)
    return tuple(found)


def bounds(net: Net, sites: Sequence[Site], like: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """For each first layer the least and largest of what it may take in, (1, ...), from a black and a white image."""
    ends = torch.stack([torch.zeros_like(like[0]), torch.ones_like(like[0])])
    inner = [site.inputs[0] for site in sites if site.inputs[0] != "input"]
    found: dict[str, Tensor] = {}
    if inner:
        with torch.no_grad(), net.look(read=inner) as look:
            seen = look(ends)
        found = {name: seen[name] for name in inner}
    if net.mean is not None:
        ends = ends - net.mean.to(ends)
    found["input"] = ends if net.std is None else ends / net.std.to(ends)
    return {
        site.name: (found[site.inputs[0]].amin(0, keepdim=True), found[site.inputs[0]].amax(0, keepdim=True))
        for site in sites
    }
