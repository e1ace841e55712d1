"""Gradients at many points an image: the shared walk of the methods that average them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import Step
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.passes import input_gradient

from .chunks import chunk_size, fast_layout, target_scores

STEADY = 0.8  # of chance alone the share is 1; at 0.8 a third of the squares is something else
Point = Callable[[Tensor, Tensor], Tensor]  # (rows, numbers of their points) -> images (n, C, H, W)
Terms = Callable[[Tensor, Tensor, Tensor], Sequence[Tensor]]  # (gradients, rows, numbers) -> terms, each (n, ...)


def groups(net: Net, images: Tensor, *, count: int, memory: int) -> Iterator[Tensor]:
    """Rows of the images, as many at once as fill a chunk with ``count`` points each, so that sums stay small."""
    together = max(1, chunk_size(net, images, memory=memory, backward=True) // count)
    yield from torch.split(torch.arange(len(images)), together)


def sums(
    net: Net, images: Tensor, targets: Tensor, *, count: int, point: Point, terms: Terms, memory: int, step: Step
) -> tuple[Tensor, ...]:
    """For each image the sums over its points of terms of the gradient there, each (N, ...) float64.

    One forward and one backward pass a point, in chunks that may hold points of several images.

    Args:
        net: The net, looked into.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        count: Points an image.
        point: Where the gradient is taken.
        terms: What is summed; float64 keeps sums of many chunks as exact as one.
        memory: Budget in bytes for one batch.
        step: Told of points that are done.
    """
    jobs = torch.arange(len(images) * count)
    most = chunk_size(net, images, memory=memory, backward=True)
    found: list[Tensor] = []
    for part in jobs.tensor_split(math.ceil(len(jobs) / most)):
        rows, numbers = part // count, part % count
        leaf = fast_layout(point(rows, numbers).detach()).requires_grad_()
        score = target_scores(net.logits(leaf), targets[rows].to(images.device))
        gradient = input_gradient(score, leaf).detach().double()
        for place, term in enumerate(terms(gradient, rows, numbers)):
            if place == len(found):
                layout = torch.channels_last if term.ndim == 4 else torch.contiguous_format
                like = torch.zeros(len(images), *term.shape[1:], dtype=torch.float64, device=term.device)
                found.append(like.contiguous(memory_format=layout))
            found[place].index_add_(0, rows.to(term.device), term)
        step(len(part))
    return tuple(found)


def per_row(values: Tensor) -> Tensor:
    """Numbers (n,) that multiply images."""
    return values.view(-1, 1, 1, 1)


def at_least(value: int, least: int, name: str) -> int:
    """The whole number given.

    Raises:
        StriateError: It is less, or none.
    """
    if value != int(value) or value < least:
        raise StriateError(f"{name} is {value}", accepted=f"a whole number of at least {least}")
    return int(value)


def steadiness(errors: Tensor, maps: Tensor, *, count: int, what: str) -> tuple[MapCheck, ...]:
    """A check for each map: its standard error (N, ...), root mean square over the map, as a share of the map's own."""
    error, size = (each.double().flatten(1).norm(dim=1).cpu() for each in (errors, maps))
    shares = torch.where(error == 0, 0.0, error / size)
    return tuple(
        MapCheck(what, Number.of(share, n=count, why="variance of the samples: no interval"), STEADY, share <= STEADY)
        for share in shares.tolist()
    )
