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

from .chunks import chunks, looked_into
from .maps import Maps
from .rules.first_layer import Box, First, Flat, Unchanged, bounds, front
from .rules.passing import class_score, signal
from .rules.relevance import Affine, Epsilon, Ledger, Passes, Relevance, Share
from .rules.way import PASSING, RELEVANCE, covered, end_of, never_negative, only_rectified

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
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    rules: Rules,
    method: str,
    check: bool,
    memory: int,
    progress: Progress,
) -> Maps:
    """Relevance of every pixel, summed over its channels, signed, (N, H, W), with the sum as the check."""
    size = (images.shape[-2], images.shape[-1])
    if rules.first not in ("box", "flat", "same"):
        raise StriateError(f"first is {rules.first!r}", accepted="box, flat, same")
    covered(net, size, end_of(net, size), RELEVANCE)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with undisturbed(net):
        plain = folded(net, size) or net
    with undisturbed(net), looked_into(plain, images), progress.task(method, len(images)) as step:
        site = end_of(plain, size)
        way = covered(plain, size, site, RELEVANCE)
        for part, wanted in chunks(plain, images, targets, memory=memory, backward=True):
            ledger = Ledger(torch.zeros(len(part), dtype=torch.float64, device=part.device), open=check)
            at = _rules(plain, way, part, rules=rules, ledger=ledger)
            score = class_score(plain, site, wanted)
            found, scores = signal(plain, part, rules=at, site=site, score=score, plain=_PLAIN)
            relevance = found * _weight(plain, part, relevance_itself=rules.first != "same")
            values.append(relevance.sum(1).float().cpu())
            checks.extend(_checks(relevance, ledger, scores) if check else [MapCheck.left_out(WHAT, BOUND)] * len(part))
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
    positive, rectified = never_negative(way), only_rectified(way)
    for site in way:
        if site.op.startswith(("conv", "linear")):
            share = rules.dense if site.op == "linear" else rules.conv
            above, falls = set(site.inputs) <= positive, site.name not in rectified
            chosen[site.name] = Relevance(share, ledger, positive=above, falls=falls)
        elif site.op == "batch_norm" or (site.op in ("add", "sub") and len(site.inputs) == 1):
            chosen[site.name] = Affine(rules.affine, ledger)
        elif site.op in PASSING and site.op != "relu":
            chosen[site.name] = Passes()
    if rules.first != "same":
        first, affine = front(way, net)
        ends = bounds(net, first, images) if rules.first == "box" else {}
        for site in first:
            chosen[site.name] = Box(ledger, *ends[site.name]) if rules.first == "box" else Flat(ledger)
        chosen |= {site.name: Unchanged() for site in affine}
    return chosen


def _weight(net: Net, images: Tensor, *, relevance_itself: bool) -> Tensor | float:
    """What relevance a unit is multiplied by: the pixel behind the normalisation; the standard deviation is undone."""
    if relevance_itself:
        return 1.0 if net.std is None else net.std.to(images)
    return images if net.mean is None else images - net.mean.to(images)


def _checks(relevance: Tensor, ledger: Ledger, scores: Tensor) -> tuple[MapCheck, ...]:
    """The sum over pixels is taken by autograd's way back; what was kept, layer by layer from the forward values."""
    arrived, score = relevance.flatten(1).sum(1, dtype=torch.float64), scores.double()
    scale = score.abs().clamp(min=1e-12)
    residuals = ((arrived + ledger.absorbed - score).abs() / scale).cpu().tolist()
    shares = (arrived / scale * score.sign()).cpu().tolist()
    why = "arithmetic: no interval"
    return tuple(
        MapCheck(f"{WHAT}; {share:.2g} of it arrived", Number.of(residual, why=why), BOUND, residual <= BOUND)
        for residual, share in zip(residuals, shares, strict=True)
    )
