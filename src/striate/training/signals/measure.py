"""Activations and gradients of a net by site, over one batch of labelled images."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from striate.core.number import Number
from striate.nets.net import Net
from striate.nets.site import Site
from striate.training.init import untouched

from .payload import BINS, SPAN, SiteSignal, Start, Values

WEIGHTED = frozenset(
    {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
)
RECTIFIERS = frozenset({"relu", "relu_", "relu6", "hardtanh", "threshold", "leaky_relu", "leaky_relu_", "clamp"})
FLAT = {"sigmoid": (0.03, 0.97), "tanh": (-0.97, 0.97)}  # beyond these the slope is at most .06 (tanh), .03 (sigmoid)
NO_UNITS = "has no weights of its own"


def measure_start(net: Net, images: Tensor, labels: Tensor, *, init: str) -> Start:
    """What ``net`` as it stands makes of ``images`` (n, C, H, W), and the gradients of their mean cross-entropy.

    Batch norm uses the batch's own statistics, as in the first step of training; dropout is off. The net is left as it
    was found. One pass forward and one back; all activations are held at once.

    Source: the quantities are those of Glorot & Bengio 2010, figures 6 to 9.
    """
    sites = {site.name: site for site in net.sites((images.shape[2], images.shape[3]))}
    modules = dict(net.module.named_modules())
    with net.look(read=[*sites, "output"]) as see, torch.enable_grad():
        for module in net.modules():
            if isinstance(module, _NormBase):
                module.train()
        parameters = [each.requires_grad_(True) for each in net.parameters() if each.is_floating_point()]
        seen = see(images.clone().requires_grad_(True))
        loss = F.cross_entropy(net.as_logits(seen.output), labels)
        read = {name: seen[name] for name in sites if seen[name].is_floating_point()}
        known = {name: value for name, value in read.items() if value.requires_grad}
        found = torch.autograd.grad(loss, [*known.values(), *parameters], allow_unused=True)
        gradients = dict(zip(known, found[: len(known)], strict=True))
        weights = {id(each): grad for each, grad in zip(parameters, found[len(known) :], strict=True)}
        signals = _signals({name: sites[name] for name in read}, modules, read, gradients, weights)
    return Start(
        init=init,
        loss=Number.of(float(loss.detach())),
        forward=_ratio(signals, "activation"),
        backward=_ratio(signals, "gradient"),
        sites=signals,
        untouched=untouched(net.module),
    )


def _signals(
    sites: Mapping[str, Site],
    modules: Mapping[str, nn.Module],
    read: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor | None],
    weights: Mapping[int, Tensor | None],
) -> tuple[SiteSignal, ...]:
    spreads = [_std(read[name]) for name, site in sites.items() if site.op in WEIGHTED]
    finite = sorted(each for each in spreads if math.isfinite(each) and each > 0)
    reach = SPAN * (finite[len(finite) // 2] if finite else 1.0)
    found, depth = [], 0
    for name, site in sites.items():
        response = site.op in WEIGHTED
        depth += response
        value = read[name].detach()
        weight = modules[site.module]._parameters.get("weight") if response and site.module in modules else None
        own = weight is not None and weight.dim() > 1
        found.append(
            SiteSignal(
                site=name,
                op=site.op,
                shape=site.shape,
                depth=depth,
                response=response,
                activation=values_of(value),
                gradient=values_of(gradients.get(name), "the loss does not depend on it"),
                weight=values_of(weights.get(id(weight)) if own else None, NO_UNITS),
                dead=_dead(site, value),
                saturated=_saturated(site, value),
                alike=_alike(weight) if own and weight is not None else Number.missing(NO_UNITS),
                histogram=_histogram(value, reach) if response else (),
                reach=reach if response else 0.0,
            )
        )
    return tuple(found)


def values_of(tensor: Tensor | None, why: str = "") -> Values:
    """The numbers of a tensor in short, computed in float64."""
    if tensor is None:
        none = Number.missing(why)
        return Values(none, none, none, none, none, none)
    flat = tensor.detach().double().flatten()
    finite = flat[flat.isfinite()]
    broken = 1 - len(finite) / max(len(flat), 1)
    if not len(finite):
        none = Number.missing("no value is finite")
        return Values(none, none, none, none, none, none, broken)
    return Values(
        mean=Number.of(float(finite.mean())),
        std=Number.of(float(finite.std(correction=0))),
        zeros=Number.of(float((finite == 0).double().mean())),
        low=Number.of(float(finite.min())),
        high=Number.of(float(finite.max())),
        norm=Number.of(float(finite.norm())),
        broken=broken,
    )


def _std(value: Tensor) -> float:
    return float(value.detach().double().std(correction=0))


def _units(value: Tensor) -> Tensor:
    """(units, everything else): channels of maps, features of rows and of tokens."""
    axis = 1 if value.dim() in (2, 4, 5) else value.dim() - 1
    return value.movedim(axis, 0).flatten(1)


def _dead(site: Site, value: Tensor) -> Number:
    if site.op not in RECTIFIERS or value.dim() < 2:
        return Number.missing("not a rectifier")
    return Number.of(float((_units(value) == 0).all(1).double().mean()), n=_units(value).shape[0])


def _saturated(site: Site, value: Tensor) -> Number:
    if site.op not in FLAT:
        return Number.missing("does not saturate")
    low, high = FLAT[site.op]
    return Number.of(float(((value < low) | (value > high)).double().mean()), n=value.numel())


def _alike(weight: Tensor) -> Number:
    """Share of the units whose weights are exactly those of another."""
    rows = weight.detach().flatten(1)
    _, counts = torch.unique(rows, dim=0, return_counts=True)
    return Number.of(float(counts[counts > 1].sum()) / len(rows), n=len(rows))


def _histogram(value: Tensor, reach: float) -> tuple[int, ...]:
    flat = value.double().flatten().nan_to_num(0.0).clamp(-reach, reach)
    return tuple(int(each) for each in torch.histc(flat, BINS, -reach, reach).tolist())


def _ratio(signals: tuple[SiteSignal, ...], which: str) -> Number:
    """Last over first hidden response forwards (deviations), first over last backwards (norms)."""
    hidden = [each for each in signals if each.response][:-1]
    if len(hidden) < 2:
        return Number.missing("fewer than two hidden layers")
    if which == "activation":
        last, first = hidden[-1].activation.std, hidden[0].activation.std
    else:
        last, first = hidden[0].gradient.norm, hidden[-1].gradient.norm
    if last.value is None or first.value is None:
        return Number.missing("a layer has no finite value")
    if not first.value:
        return Number.missing("the first of the two is 0")
    return Number.of(last.value / first.value, n=len(hidden))
