"""Relevance through attention: which patches speak for the target, by attention times its gradient, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.inside.attention.reading import images_at_once, read_attention
from striate.inside.attention.tokens import TokenGrid, token_grid
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .cams import enlarged, unchecked
from .chunks import target_scores
from .maps import Maps
from .slope import central_slope, slope_checks

STEPS = (3e-3, 1e-3, 3e-4)  # of the check, as shares of each attention probability
WHAT = "changing all attention by a share of itself changes the logit as its gradients say"


def gradient_attention(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The relevance of each patch for the target by attention times its positive gradient, (N, H, W).

    One forward pass and a backward pass to the first attention, six forward passes for the check of the gradients, and
    for the first images six more of small ones that find where the tokens lie.

    Args:
        net: A vision transformer whose tokens attend to all tokens.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        check: Whether the gradients are checked; without, six forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net has no attention, or one within windows, or its tokens do not lie on a grid of patches.

    Source: Chefer, Gur & Wolf 2021 (ICCV), section 3.2, equations 5 and 6, for self-attention alone: R starts as the
    identity; at each layer R <- R + mean over heads of relu(gradient * attention) times R. The map is the class token's
    row of R; where the head reads several tokens, or all patches, the mean of their rows.
    """
    size = (images.shape[-2], images.shape[-1])
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    grid: TokenGrid | None = None
    most = images_at_once(net, images, memory=memory, backward=True)
    with undisturbed(net), progress.task("gradient_attention", len(images)) as step:
        numbers = targets.to(images.device)
        for part, wanted in zip(torch.split(images.detach(), most), torch.split(numbers, most), strict=True):
            with torch.enable_grad():
                seen = read_attention(net, part.clone().requires_grad_())
            logits = net.as_logits(seen.output)
            score = target_scores(logits, wanted)
            slopes = _slopes(net, score, seen.weights)
            grid = grid or token_grid(net, size)
            with torch.no_grad():
                values.append(enlarged(grid.read_map(relevance(seen.weights, slopes)), size))
                if check:
                    checks.extend(_checks(net, part, wanted, seen.weights, slopes=slopes, logits=logits))
            step(len(part))
    return Maps(
        torch.cat(values),
        units=f"relevance for the target: attention times its positive gradient, through {len(seen.sites)} layers",
        signed=False,
        checks=tuple(checks) or unchecked(WHAT, len(images)),
    )


def relevance(weights: tuple[Tensor, ...], slopes: tuple[Tensor, ...]) -> Tensor:
    """Relevance (n, T, T) of the first layer's tokens for the last one's, from probabilities and their gradients."""
    count = weights[0].shape[-1]
    found = torch.eye(count, dtype=weights[0].dtype, device=weights[0].device).repeat(len(weights[0]), 1, 1)
    for each, slope in zip(weights, slopes, strict=True):
        found = found + (slope * each).relu().mean(1) @ found
    return found


def _slopes(net: Net, score: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    found = torch.autograd.grad(score.sum(), weights, allow_unused=True) if score.requires_grad else (None,)
    if all(each is None for each in found):
        raise StriateError(f"the output of {net.name} does not depend on its attention", hint="gradient, occlusion")
    # The last layer of a class token asks nothing of other tokens, but some nets compute what nobody reads.
    return tuple(torch.zeros_like(each) if slope is None else slope for each, slope in zip(weights, found, strict=True))


def _checks(
    net: Net,
    images: Tensor,
    targets: Tensor,
    weights: tuple[Tensor, ...],
    *,
    slopes: tuple[Tensor, ...],
    logits: Tensor,
) -> tuple[MapCheck, ...]:
    moves = [slope.sign() * each.detach() for slope, each in zip(slopes, weights, strict=True)]
    predicted = sum((slope * move).double().sum(dim=(1, 2, 3)) for slope, move in zip(slopes, moves, strict=True))
    assert isinstance(predicted, Tensor)

    def score(share: float) -> Tensor:
        moved = read_attention(net, images, change=lambda layer, each: each + share * moves[layer])
        return target_scores(net.as_logits(moved.output), targets).cpu()

    return slope_checks(
        WHAT,
        found=central_slope(score, STEPS),
        predicted=predicted.cpu(),
        level=logits.detach().abs().amax(1).cpu(),
        step=STEPS[1],
    )
