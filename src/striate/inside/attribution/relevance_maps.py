"""Layer-wise relevance propagation: the target's logit shared out among the pixels, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import Progress
from striate.inside.payload import MapCheck
from striate.nets.fold import folded
from striate.nets.look import Rule
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.undisturbed import undisturbed

from .chunks import chunks
from .maps import Maps
from .rules.first_layer import Box, First, Flat, bounds, first_sites
from .rules.passing import class_score, signal
from .rules.relevance import Affine, Epsilon, Ledger, Passes, Relevance, Share
from .rules.way import PASSING, RELEVANCE, covered, end_of

BOUND = 1e-4  # of the score: float32 through a hundred layers stays below a hundredth of it
WHAT = "the relevance of the pixels, and what biases and stabilisers kept, add up to the score"
# What autograd calls functions that relevance passes by their own backward.
_PLAIN = "Relu Threshold"


@dataclass(frozen=True)
class Rules:
    """Which rule shares at which kind of layer.

    Attributes:
        conv: Convolutions.
        dense: Linear layers.
        affine: Batch normalisations that no convolution could take in, and constants.
        first: Layers that see pixels: the box rule, the flat rule, or the rule of the others.
    """

    conv: Share
    dense: Share
    affine: Epsilon
    first: First = "same"


def relevance_maps(
    net: Net, images: Tensor, targets: Tensor, *, rules: Rules, method: str, memory: int, progress: Progress
) -> Maps:
    """Relevance of every pixel, summed over its channels, signed, (N, H, W), with the sum as the check."""
    size = (images.shape[-2], images.shape[-1])
    if rules.first not in ("box", "flat", "same"):
        raise StriateError(f"first is {rules.first!r}", accepted="box, flat, same")
    covered(net, size, end_of(net, size), RELEVANCE)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with undisturbed(net), progress.task(method, len(images)) as step:
        plain = folded(net, size) or net
        site = end_of(plain, size)
        way = covered(plain, size, site, RELEVANCE)
        for part, wanted in chunks(plain, images, targets, memory=memory, backward=True):
            ledger = Ledger(torch.zeros(len(part), dtype=torch.float64, device=part.device))
            at = _rules(plain, way, part, rules=rules, ledger=ledger)
            score = class_score(plain, site, wanted)
            found, scores = signal(plain, part, rules=at, site=site, score=score, plain=_PLAIN)
            relevance = found * (part if plain.mean is None else part - plain.mean.to(part))
            if ledger.pixels is not None:
                relevance = relevance + ledger.pixels
            values.append(relevance.sum(1).float().cpu())
            checks.extend(_checks(relevance, ledger, scores))
            step(len(part))
    return Maps(
        torch.cat(values),
        units="share of the target's logit, summed over the channels",
        signed=True,
        checks=tuple(checks),
        share=0.995,
    )


def _rules(net: Net, way: tuple[Site, ...], images: Tensor, *, rules: Rules, ledger: Ledger) -> dict[str, Rule]:
    chosen: dict[str, Rule] = {}
    for site in way:
        if site.op.startswith("conv"):
            chosen[site.name] = Relevance(rules.conv, ledger)
        elif site.op == "linear":
            chosen[site.name] = Relevance(rules.dense, ledger)
        elif site.op == "batch_norm" or (site.op in ("add", "sub") and len(site.inputs) == 1):
            chosen[site.name] = Affine(rules.affine, ledger)
        elif site.op in PASSING and site.op != "relu":
            chosen[site.name] = Passes()
    if rules.first != "same":
        first = first_sites(way)
        sites = [site for site in way if site.name in first]
        ends = bounds(net, sites, images) if rules.first == "box" else {}
        for name in first:
            box = rules.first == "box"
            chosen[name] = Box(ledger, *ends[name], images.shape) if box else Flat(ledger, images.shape)
    return chosen


def _checks(relevance: Tensor, ledger: Ledger, scores: Tensor) -> tuple[MapCheck, ...]:
    """The sum over pixels is taken by autograd's way back; what was kept, layer by layer from the forward values."""
    total = relevance.flatten(1).sum(1, dtype=torch.float64) + ledger.absorbed
    scale = scores.double().abs().clamp(min=1e-12)
    residuals = ((total - scores.double()).abs() / scale).cpu().tolist()
    why = "arithmetic: no interval"
    return tuple(MapCheck(WHAT, Number.of(each, why=why), BOUND, each <= BOUND) for each in residuals)
