"""Rules of the first layer, whose inputs are pixels.

From there on relevance itself goes back, not relevance a unit: a pixel that is zero behind the normalisation has some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.ops import names
from striate.nets.site import Site

from .layer import Layer, alike, dot
from .relevance import Ledger

First = Literal["box", "flat", "same"]
# These leave values as they are, at another place; those change each by itself.
_MOVING = names("pad reshape view flatten unflatten permute transpose squeeze unsqueeze cat stack dropout identity")
_AFFINE = names("mul div add sub neg batch_norm")


class Box:
    """``R_i = sum_j (x_i w_ij - l_i w_ij+ - h_i w_ij-) / sum_i (...) R_j``, with the bounds l, h of x_i.

    Source: Montavon et al. 2017, section 4.3 (the z^B rule); there x are pixels, here pixels behind the normalisation.
    """

    def __init__(self, ledger: Ledger, low: Tensor, high: Tensor) -> None:
        self.ledger, self.low, self.high = ledger, low, high

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by weights, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Books the relevance of the pixels; nothing goes back."""
        layer = Layer(site, inputs, output)
        up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        grad = alike(grad, layer.z)
        total = layer.z - layer.forward(self.low, up, layer.bias) - layer.forward(self.high, down)
        # Of pixels within their bounds no sum is negative; one of nothing has nothing to share.
        signal = torch.where(total.abs() > torch.finfo(total.dtype).tiny, grad * layer.z / total, 0.0)
        found = layer.x * layer.back(signal, layer.weight)
        found = found - self.low * layer.back(signal, up) - self.high * layer.back(signal, down)
        if self.ledger.open:
            self.ledger.keep(dot(grad, layer.z) - dot(signal, total))
        return [found]


class Flat:
    """``R_i = sum_j R_j / n_j``: each output's relevance alike on the n_j inputs that it sees.

    Source: Lapuschkin et al. 2017 (the flat rule); Bach et al. 2016.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by windows, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Books the relevance of the pixels; nothing goes back."""
        layer = Layer(site, inputs, output)
        ones = torch.ones_like(layer.weight)
        total = layer.forward(torch.ones_like(layer.x[:1]), ones)
        signal = grad * layer.z / total
        if self.ledger.open:
            self.ledger.keep(dot(layer.z, grad) - dot(signal, total.expand_as(signal)))
        return [layer.back(signal, ones)]


class Unchanged:
    """Relevance of a value passes to the one that it was made from by a factor or a constant."""

    def refuses(self, site: Site) -> str | None:
        """Whatever is not affine, value by value."""
        return None if site.op in _AFFINE and len(site.inputs) == 1 else "it is not affine"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """As it comes."""
        del site
        place = next((i for i, each in enumerate(inputs) if each.shape == output.shape), 0)
        return [grad if each == place else None for each in range(len(inputs))]


def front(way: Sequence[Site], net: Net) -> tuple[tuple[Site, ...], tuple[Site, ...]]:
    """The layers with weights that the image reaches first, and the affine operations before them.

    Raises:
        StriateError: The image also goes on beside those layers, or is changed before them in another way.
    """
    before: set[str] = {"input"}
    first: list[Site] = []
    affine: list[Site] = []
    for site in way:
        if site.op.startswith(("conv", "linear")) and set(site.inputs) <= before:
            first.append(site)
        elif set(site.inputs) <= before and site.op in _MOVING | _AFFINE:
            before.add(site.name)
            affine += [site] if site.op in _AFFINE else []
        elif set(site.inputs) & before:
            raise StriateError(
                f"{site.name} of {net.name} ({site.op}) takes in the image, and has no rule for pixels",
                hint="first='same', or lrp_epsilon, lrp_gamma",
            )
    return tuple(first), tuple(affine)


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
