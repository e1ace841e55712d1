"""A net whose batch normalisation is folded into its convolutions: the same answers in fewer operations."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .net import Net
from .site import Pair, Site

CLOSE = 1e-4  # of the scale of the outputs: what folding may change them by, on a probe


def folded(net: Net, size: Pair) -> Net | None:
    """A copy in which each batch normalisation behind a convolution of its own is part of that convolution.

    In eval mode ``y = g (W x + c - m) / sqrt(v + e) + b`` is a convolution with ``W g / sqrt(v + e)``. The net itself
    is not touched; the copy shares every other weight. Answers differ by rounding alone, which a probe checks.

    Args:
        net: In eval mode.
        size: Height and width of the images that it will see.

    Returns:
        The copy, or None where there is nothing to fold, or the net cannot be copied or answers otherwise.

    Source: Jacob et al. 2018, "Quantization and training of neural networks", section 3.2.
    """
    pairs = list(_pairs(net, size))
    if not pairs:
        return None
    modules = dict(net.module.named_modules())
    own = {id(modules[conv].weight) for conv, _ in pairs}
    shared = {id(each): each for each in (*net.module.parameters(), *net.module.buffers()) if id(each) not in own}
    try:
        module = copy.deepcopy(net.module, dict(shared))
    except Exception:  # a net that does not let itself be copied is used as it is
        return None
    twins = dict(module.named_modules())
    for conv, norm in pairs:
        _fold(twins[conv], twins[norm])
        _replace(module, norm, nn.Identity())
    made = net.with_module(module).eval()
    return made if _same(net, made, size) else None


def _pairs(net: Net, size: Pair) -> Iterator[tuple[str, str]]:
    """Paths of convolutions and of the batch normalisations that alone take what they give."""
    sites = net.sites(size)
    modules, runs = dict(net.module.named_modules()), Counter(site.module for site in sites)
    users: dict[str, list[Site]] = {}
    for site in sites:
        for name in site.inputs:
            users.setdefault(name, []).append(site)
    owners = Counter(id(each) for module in modules.values() for each in module._parameters.values())
    for site in sites:
        conv, after = modules.get(site.module), users.get(site.name, [])
        if site.op != "conv2d" or len(after) != 1 or after[0].op != "batch_norm":
            continue
        norm = modules.get(after[0].module)
        if (
            type(conv) is nn.Conv2d
            and type(norm) is nn.BatchNorm2d
            and runs[site.module] == runs[after[0].module] == 1
            and owners[id(conv.weight)] == 1
            and norm.running_mean is not None
            and norm.running_var is not None
            and not any(each._forward_hooks or each._forward_pre_hooks or each._backward_hooks for each in (conv, norm))
        ):
            yield site.module, after[0].module


def _fold(conv: nn.Module, norm: nn.Module) -> None:
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    offset = (0.0 if conv.bias is None else conv.bias.double()) - norm.running_mean.double()
    bias = offset * scale + (0.0 if norm.bias is None else norm.bias.double())
    conv.weight = _frozen((conv.weight.double() * scale[:, None, None, None]).to(conv.weight))
    conv.bias = _frozen(bias.to(conv.weight))


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)


def _replace(module: nn.Module, path: str, by: nn.Module) -> None:
    *parents, name = path.split(".")
    setattr(module.get_submodule(".".join(parents)), name, by)


def _same(net: Net, made: Net, size: Pair) -> bool:
    """Whether both answer alike on an image of noise; costs a pass of each."""
    draw = torch.Generator().manual_seed(0)
    like = next(net.parameters())
    probe = torch.rand(1, net.channels, *size, generator=draw, dtype=torch.float64).to(like)
    with torch.no_grad():
        one, other = net(probe), made(probe)
    if not isinstance(one, Tensor) or not isinstance(other, Tensor) or one.shape != other.shape:
        return False
    scale = float(one.abs().max().clamp(min=1e-12))
    return float((one - other).abs().max()) <= CLOSE * scale
