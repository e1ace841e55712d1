"""Forward and backward passes, counted in single images; the gradient of a score by the images alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook

from striate.core.errors import StriateError
from striate.core.ranks import Ranks


@dataclass
class Passes:
    """How many images went through nets, forward and backward."""

    forward: int = 0
    backward: int = 0


class _Open(threading.local):
    def __init__(self) -> None:
        self.counters: list[Passes] = []


_OPEN = _Open()


@contextmanager
def counting() -> Iterator[Passes]:
    """Counts what passes through any `Net` of this thread inside the block; counters may be nested, all of them count.

    A pass that stops at an inner site counts as one. A backward counts once for each run of autograd that comes
    through an output of the net or a site that was read, whether or not it goes on to the images.

    >>> from striate.nets.load import load_net
    >>> with counting() as passes:
    ...     logits = load_net("striate/linear.random")(torch.zeros(5, 1, 28, 28))
    >>> passes.forward, passes.backward
    (5, 0)
    """
    counter = Passes()
    _OPEN.counters.append(counter)
    try:
        yield counter
    finally:
        _OPEN.counters[:] = [each for each in _OPEN.counters if each is not counter]


def count_forward(images: Tensor) -> None:
    """Adds these images to every open counter."""
    for counter in _OPEN.counters:
        counter.forward += len(images)


def count_elsewhere(own: Passes, ranks: Ranks) -> None:
    """Adds to every open counter what the other ranks counted where this one counted ``own``."""
    if ranks.count == 1:
        return
    every = ranks.gathered((own.forward, own.backward))
    for counter in _OPEN.counters:
        counter.forward += sum(each for each, _ in every) - own.forward
        counter.backward += sum(each for _, each in every) - own.backward


def count_backward(values: Sequence[Any], images: Tensor) -> None:
    """Makes every open counter hear of a backward that comes through any of ``values``, once for each backward."""
    differentiable = [value for value in values if isinstance(value, Tensor) and value.requires_grad]
    if not _OPEN.counters or not differentiable:
        return
    counters, count = tuple(_OPEN.counters), len(images)

    def add(_: Tensor) -> None:
        for counter in counters:
            counter.backward += count

    register_multi_grad_hook(differentiable, add, mode="any")


def input_gradient(score: Tensor, images: Tensor) -> Tensor:
    """The gradient of ``score.sum()`` by the images alone, shape of ``images``; nothing is added to any ``.grad``.

    Raises:
        StriateError: The score does not depend on the images, or they were not given with ``requires_grad``.
    """
    if not images.requires_grad:
        raise StriateError("images without requires_grad", hint="images.requires_grad_() before the forward pass")
    if score.requires_grad:
        (gradient,) = torch.autograd.grad(score.sum(), images, allow_unused=True)
        if gradient is not None:
            return gradient
    raise StriateError("a score that does not depend on the images", accepted="a score computed from net(images)")
