"""Norms of images, one number an image, in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .errors import StriateError

NORMS: dict[str, float] = {"0": 0.0, "1": 1.0, "2": 2.0, "inf": math.inf}


def parse_norm(name: str | float) -> float:
    """The order p of a norm by its name: ``"0"``, ``"1"``, ``"2"``, ``"inf"`` (also ``"l2"``, 2, math.inf)."""
    text = str(name).lower().removeprefix("l").removesuffix(".0")
    if text not in NORMS:
        raise StriateError(f"norm is {name!r}", accepted=", ".join(NORMS))
    return NORMS[text]


def norm_of(images: Tensor, order: float) -> Tensor:
    """The L0, L1, L2 or Linf norm of each image, shape (N,), computed in float64.

    L0 counts the pixels (not the channel values) that differ from zero, as the one-pixel literature does.

    Raises:
        StriateError: ``order`` is not 0, 1, 2 or infinity.
    """
    flat = images.detach().to(torch.float64).flatten(1)
    if order == 0:
        return (images.detach() != 0).flatten(2).any(1).sum(1).to(torch.float64)
    if order == 1:
        return flat.abs().sum(1)
    if order == 2:
        return flat.square().sum(1).sqrt()
    if math.isinf(order):
        return flat.abs().amax(1)
    raise StriateError(f"norm is {order}", accepted=", ".join(NORMS))


def dual(order: float) -> float:
    """The order q of the dual norm, 1/p + 1/q = 1: 1 for infinity, 2 for 2, infinity for 1."""
    if order == 1:
        return math.inf
    if math.isinf(order):
        return 1.0
    if order == 2:
        return 2.0
    raise StriateError(f"the norm of order {order} has no dual here", accepted="1, 2, inf")
