"""Attention rollout: from which patches the tokens that the head reads have drawn, layer after layer."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside.attention.reading import images_at_once, read_attention
from striate.inside.attention.tokens import token_grid
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .cams import enlarged
from .maps import Maps

BOUND = 1e-4  # of one, or of the largest output: rounding of float32
WHAT = "attention times values gives the output of every layer, and shares of all tokens sum to one"


def attention_rollout(
    net: Net, images: Tensor, targets: Tensor, *, memory: int = 1 << 30, progress: Progress = SILENT
) -> Maps:
    """The share of each patch in the class token, if attention were all that mixes tokens, (N, H, W).

    The target has no say: it is the same map for every class. Where the head reads several tokens, or all patches, the
    mean of their shares.
    One forward pass, and for the first images six more of small ones that find where the tokens lie.

    Args:
        net: A vision transformer whose tokens attend to all tokens.
        images: (N, C, H, W).
        targets: Not used.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net has no attention, or one within windows, or its tokens do not lie on a grid of patches.

    Source: Abnar & Zuidema 2020, section 3: mean over heads, half of it and half of the identity for the residual
    connection, multiplied from the first layer to the last. The map is enlarged bilinearly, pixel centres aligned.
    """
    del targets
    size = (images.shape[-2], images.shape[-1])
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    grid = None
    with undisturbed(net), torch.no_grad(), progress.task("attention_rollout", len(images)) as step:
        for part in torch.split(images.detach(), images_at_once(net, images, memory=memory)):
            seen = read_attention(net, part)
            grid = grid or token_grid(net, size)
            shares = rollout(seen.weights)
            values.append(enlarged(grid.read_map(shares), size))
            off = (shares.sum(2) - 1).abs().amax(1).double().cpu()
            residuals = torch.maximum(off, seen.residuals.amax(1)).tolist()
            checks += [MapCheck(WHAT, Number.of(each, why="arithmetic: no interval"), BOUND, each <= BOUND)
                       for each in residuals]  # fmt: skip
            step(len(part))
    return Maps(
        torch.cat(values),
        units=f"share of a patch in what the head reads, through {len(seen.sites)} layers of attention; all patches "
        f"and other tokens sum to one, {1 / shares.shape[-1]:.2g} each were they alike; the same for every target",
        signed=False,
        checks=tuple(checks),
    )


def rollout(weights: tuple[Tensor, ...]) -> Tensor:
    """Shares (n, T, T) of the first layer's tokens in the last one's, from probabilities (n, heads, T, T) by layer."""
    count = weights[0].shape[-1]
    identity = torch.eye(count, dtype=weights[0].dtype, device=weights[0].device)
    shares = identity.expand(len(weights[0]), count, count)
    for each in weights:
        shares = (each.mean(1) / 2 + identity / 2) @ shares
    return shares
