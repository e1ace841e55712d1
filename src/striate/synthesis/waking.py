"""Waking units that are silent: a backward through rectifiers that lets through what would make them speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from striate.nets.net import Net
from striate.nets.site import Pair, Site

RECTIFIERS = frozenset({"relu", "relu6"})


class Redirected:
    """The backward of a rectifier that, where it lets no gradient of an image through, passes on what pushes it up.

    Source: Olah et al. 2017, the code published with it (``redirected_relu_grad``).
    """

    def refuses(self, site: Site) -> str | None:
        """Rectifiers alone."""
        return None if site.op in RECTIFIERS else "it is no rectifier"

    def __call__(
        self,
        site: Site,  # noqa: ARG002
        inputs: Sequence[Tensor],
        output: Tensor,
        grad: Tensor,
    ) -> Sequence[Tensor | None]:
        """The gradient by the input."""
        (plain,) = torch.autograd.grad(output, inputs[:1], grad, retain_graph=True)
        dark = (plain.flatten(1) == 0).all(1).view(-1, *[1] * (plain.ndim - 1))
        return [torch.where(dark & (inputs[0] < 0), grad.clamp_min(0), plain)]


def waking_rules(net: Net, size: Pair) -> Mapping[str, Redirected]:
    """The rule for every rectifier of a net."""
    rule = Redirected()
    return {site.name: rule for site in net.sites(size) if site.op in RECTIFIERS}
