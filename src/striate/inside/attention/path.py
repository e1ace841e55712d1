"""The path of the token that the head reads: what blocks add to it, and what the head would say of it on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.undisturbed import undisturbed

from .tokens import TokenGrid


@dataclass(frozen=True)
class Path:
    """The path for n images.

    Attributes:
        sites: Where each block ends.
        updates: Length of what a block adds, as a share of the length of what came in, (n, blocks) float64.
        logits: What the head says after each block, (n, blocks, classes) float64; the last are the net's own.
    """

    sites: tuple[str, ...]
    updates: Tensor
    logits: Tensor


def block_ends(net: Net, size: tuple[int, int], grid: TokenGrid, attention: Sequence[str]) -> tuple[str, ...]:
    """The sites of the residual stream before the first attention and behind each block; () where there are none."""
    order = net.trace(size).order
    ends = []
    for bound in [*(order[name] for name in attention), len(order)]:
        before = [name for name in grid.stream if order[name] < bound]
        if not before:
            return ()
        ends.append(before[-1])
    return tuple(ends) if len(set(ends)) == len(ends) else ()


def token_path(net: Net, images: Tensor, ends: Sequence[str], grid: TokenGrid) -> Path:
    """The path through the sites of `block_ends`; one forward pass, and one for each block but the last.

    What the head says on the way: the stream there takes the place of the stream behind the last block, so that the
    net's own last normalisation and head read it.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens"; for the class token of a vision transformer.
    """
    last = ends[-1]
    with undisturbed(net), torch.no_grad():
        with net.look(read=[*ends, "output"]) as look:
            seen = look(images)
            streams = [seen[name] for name in ends]
            own = net.as_logits(seen.output).double().cpu()
        said = [_from(net, images, last, stream) for stream in streams[1:-1]]
    tokens = torch.stack([stream[:, list(grid.read)] for stream in streams], 1).double().cpu()
    updates = (tokens[:, 1:] - tokens[:, :-1]).norm(dim=-1) / tokens[:, :-1].norm(dim=-1).clamp(min=1e-30)
    return Path(tuple(ends[1:]), updates.mean(2), torch.stack([*said, own], 1))


def _from(net: Net, images: Tensor, last: str, stream: Tensor) -> Tensor:
    def put(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
        del output
        return stream

    with net.look(edits={last: put}) as look:
        return net.as_logits(look(images).output).double().cpu()
