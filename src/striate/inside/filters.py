"""First-layer filters as pictures: the one layer whose weights live in the space of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.image import encode_png, enlarge
from striate.nets.net import Net
from striate.nets.summary import first_filters

from .heatmap import colour
from .payload import Filters

MOST = 128  # pictures: patch embeddings have hundreds of filters
LEAST = 64  # pixels of a picture's short side


def filter_pictures(net: Net) -> tuple[Filters | None, dict[str, bytes]]:
    """The first layer's weights, one PNG a filter, by name; None where it does not look at pixels of 1 or 3 channels.

    Of a linear layer on all pixels they are its rows as images.
    All filters share symmetric limits. Filters over colours are drawn in colour, zero as mid-grey; those over one
    channel as signed maps, zero as white. Weights are as they are, behind the net's normalisation; at most 128 are
    drawn, and the shape says how many there are.
    """
    found = first_filters(net)
    if found is None:
        return None, {}
    site, weight = found[0], found[1].detach().float().cpu()
    if weight.ndim != 4 or weight.shape[1] not in (1, 3) or not weight.isfinite().all():
        return None, {}
    end = float(weight.abs().max()) or 1.0
    album = {f"filter-{i:03d}.png": draw_filter(one, end) for i, one in enumerate(weight[:MOST])}
    shape = tuple(weight.shape)
    return Filters(site=site, shape=shape, limits=(-end, end), signed=True, pictures=tuple(album)), album


def draw_filter(weight: Tensor, end: float) -> bytes:
    """PNG of weights (C, h, w) between -end and end: one channel as a signed map, zero white; colours, zero grey."""
    if weight.shape[0] == 1:
        return encode_png(enlarge(colour(weight[0], (-end, end), signed=True), LEAST))
    return encode_png(enlarge(torch.clamp(0.5 + weight / (2 * end), 0, 1), LEAST))
