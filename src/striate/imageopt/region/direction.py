"""Directions of steepest ascent, by norm."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.errors import StriateError


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """One value an image (n,), shaped so that it meets ``like`` (n, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def steepest_direction(grad: Tensor, norm: float) -> Tensor:
    """The argmax of ``<grad, d>`` over ``||d|| <= 1``, image by image; 0 where the gradient is 0.

    Source: Boyd & Vandenberghe 2004, section 9.4.1.
    """
    if math.isinf(norm):
        return grad.sign()
    if norm == 2:
        largest = per_image(grad.flatten(1).abs().amax(1), grad)  # keeps squares of tiny gradients from vanishing
        scaled = grad / torch.where(largest > 0, largest, 1.0)
        length = per_image(scaled.flatten(1).square().sum(1).sqrt(), grad)
        return scaled / torch.where(length > 0, length, 1.0)
    if norm == 1:
        flat = grad.flatten(1)
        at = flat.abs().argmax(1, keepdim=True)
        return torch.zeros_like(flat).scatter(1, at, flat.gather(1, at).sign()).view_as(grad)
    raise StriateError(f"norm is {norm:g}", accepted="1, 2, inf")


def sparse_direction(grad: Tensor, share: float) -> Tensor:
    """The signs of the largest coordinates of the gradient, at an L1 length of 1, image by image.

    The argmax of ``<sign(grad), d>`` over ``||d||_1 <= 1`` among directions that move that share of the coordinates
    (at least one) by the same amount. One coordinate a step, the true argmax of L1, needs a pass for each.

    Source: Tramer & Boneh 2019, section 4 (sparse L1 descent), whose quantile q is ``1 - share``.
    """
    flat = grad.flatten(1)
    count = max(1, round(share * flat.shape[1]))
    kept = torch.where(ranks(flat.abs()) < count, flat.sign(), 0.0)
    return (kept / kept.abs().sum(1, keepdim=True).clamp(min=1.0)).view_as(grad)


def ranks(values: Tensor) -> Tensor:
    """The place of each value in its row (n, D), 0 for the largest; among equals the first comes first."""
    order = values.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(values.shape[1], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter(1, order, places)
