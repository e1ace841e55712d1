"""The graph of a net with its modules folded to boxes, and what passes through each box both ways."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.site import Site

from .payload import Block

MOST = 40  # boxes that are still read at a glance


def fold_net(net: Net, *, size: int | None = None, depth: int | None = None, most: int = MOST) -> tuple[Block, ...]:
    """The executed operations in order, those of one module in one box.

    Args:
        net: The net.
        size: Side of the image; None takes the net's own.
        depth: Steps of a module's path that are told apart: 1 folds ``layer1.0`` into ``layer1``. None takes as many
            as leave at most ``most`` boxes.
        most: How many boxes there may be without ``depth``.

    Raises:
        StriateError: ``depth`` is below 1.
    """
    if depth is not None and depth < 1:
        raise StriateError(f"depth is {depth}", accepted="a whole number of at least 1")
    sites = net.sites(size)
    deepest = max((1 + site.module.count(".") for site in sites if site.module), default=1)
    for steps in [depth] if depth is not None else range(deepest, 0, -1):
        groups = [list(part) for _, part in groupby(sites, key=lambda site: _box(site, steps))]
        if depth is not None or len(groups) <= most:
            break
    return tuple(_block(net, part, groups, steps) for part in groups)


def with_signals(net: Net, blocks: tuple[Block, ...], images: Tensor) -> tuple[Block, ...]:
    """The boxes with mean and deviation of what they give, and the deviation of the gradient by it.

    The gradient is that of the cross-entropy of the predicted class, summed over ``images`` (N, C, H, W). One pass
    forwards, one backwards.
    """
    names = [_last(net, block, images) for block in blocks]
    with net.look(read=list(dict.fromkeys(names)), stop=False) as see, torch.enable_grad():
        seen = see(images.clone().requires_grad_())
        logits = net.as_logits(seen.output).flatten(1)
        loss = torch.nn.functional.cross_entropy(logits, logits.argmax(1), reduction="sum")
        read = [seen[name] for name in names]
        grads = torch.autograd.grad(loss, read, allow_unused=True)
    return tuple(
        replace(
            block,
            mean=float(value.detach().mean()),
            std=float(value.detach().std(correction=0)),
            grad_std=None if grad is None else float(grad.std(correction=0)),
        )
        for block, value, grad in zip(blocks, read, grads, strict=True)
    )


def _box(site: Site, steps: int) -> str:
    """The module that a site is folded into; an operation of the net itself stands alone."""
    return ".".join(site.module.split(".")[:steps]) if site.module else site.name


def _block(net: Net, part: list[Site], groups: list[list[Site]], steps: int) -> Block:
    owner = {site.name: index for index, each in enumerate(groups) for site in each} | {"input": -1}
    inside = {site.name for site in part}
    inputs = tuple(dict.fromkeys(owner[name] for site in part for name in site.inputs if name not in inside))
    name = part[0].name if len(part) == 1 else _box(part[0], steps)
    modules = dict(net.module.named_modules())
    kind = type(modules[name]).__name__ if len(part) > 1 and name in modules else part[-1].op
    return Block(
        name=name,
        op=kind,
        sites=len(part),
        inputs=inputs,
        shape=part[-1].shape,
        parameters=sum(site.parameters for site in part),
        macs=sum(site.macs for site in part),
    )


def _last(net: Net, block: Block, images: Tensor) -> str:
    """The site whose output the box gives: the boxes partition the sites in order."""
    sites = net.sites((images.shape[-2], images.shape[-1]))
    own = [site.name for site in sites if site.name == block.name or f"{site.module}.".startswith(f"{block.name}.")]
    return own[-1]
