"""What a net executes, site by site, with its totals; the filters of its first layer."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .net import Net
from .payload import SiteRow, Summary, Totals
from .site import Pair


def summarise(net: Net, size: int | Pair | None = None) -> Summary:
    """Every executed operation of ``net`` on one image of ``size`` (by default its own), and the totals.

    Parameters that no operation used are in the totals, not in a row; shared ones count once.

    >>> from striate.nets.load import load_net
    >>> summarise(load_net("striate/resnet20", weights=False)).totals.parameters
    269722
    """
    height, width = net.a_size(size)
    sites = net.sites((height, width))
    parameters = list(net.module.parameters())
    return Summary(
        name=net.name,
        size=(height, width),
        channels=net.channels,
        sites=tuple(SiteRow(site.name, site.op, site.shape, site.parameters, site.macs, site.field) for site in sites),
        totals=Totals(
            parameters=sum(each.numel() for each in parameters),
            trainable=sum(each.numel() for each in parameters if each.requires_grad),
            buffers=sum(each.numel() for each in net.module.buffers()),
            macs=sum(site.macs for site in sites),
            activations=sum(math.prod(site.shape) for site in sites),
        ),
        source=net.origin.source,
        licence=net.origin.licence,
    )


def first_filters(net: Net) -> tuple[str, Tensor] | None:
    """Path and weight (filters, channels, height, width) of the first convolution that takes the image itself.

    None where the net starts otherwise; a linear layer on all pixels gives its rows as images.
    """
    named = dict(net.module.named_modules())
    for site in net.sites():
        module = named.get(site.module)
        weight = getattr(module, "weight", None)
        if site.op == "conv2d" and isinstance(weight, Tensor) and weight.shape[1] == net.channels:
            return site.module, weight.detach()
        if site.op == "linear" and isinstance(module, nn.Linear):
            size = net.a_size()
            fits = module.in_features == net.channels * math.prod(size)
            return (site.module, module.weight.detach().view(-1, net.channels, *size)) if fits else None
        if site.macs:
            return None
    return None
