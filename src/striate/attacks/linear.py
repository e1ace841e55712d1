"""Linear classifiers: the smallest change that fools them, exactly, and the lecture's fooling along a weight row."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net

from .method import norm_name

NORMS = (math.inf, 2.0, 1.0)
BEYOND = 1e-5  # of the largest logit, by which the boundary is passed, so that rounding to float32 does not fall back


@dataclass(frozen=True, eq=False)
class Smallest:
    """The smallest changes of some images.

    Attributes:
        distances: Norm of the smallest change to the boundary of another class, (N,) float64; infinite where no image
            in [0, 1] is of another class, 0 where one is already.
        classes: Class on the other side, (N,); -1 where there is none.
        images: The image just beyond the boundary, (N, D) float64; the image itself where there is none.
    """

    distances: Tensor
    classes: Tensor
    images: Tensor


def affine_of(net: Net) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,), float64, of a net whose logits are linear in the pixels, normalisation included.

    Raises:
        StriateError: The net takes images of any size, or its logits are not linear in the pixels.
    """
    if net.size is None:
        raise StriateError(f"{net.name} takes images of any size", accepted="a linear net, which has one size")
    shape = (net.channels, *net.size)
    start = torch.full((1, *shape), 0.5, dtype=torch.float32, device=next(net.parameters()).device)
    mode = net.training
    leaf = start.clone().requires_grad_(True)
    logits = net.eval().logits(leaf)
    rows = [
        torch.autograd.grad(logits[0, k], leaf, retain_graph=k + 1 < logits.shape[1])[0] for k in range(logits.shape[1])
    ]
    weight = torch.stack(rows).flatten(1).double()
    bias = logits[0].detach().double() - weight @ start.flatten().double()
    probe = torch.linspace(0, 1, start.numel(), device=start.device).view_as(start).flip(3)
    with torch.no_grad():
        seen = net.logits(probe)[0].double()
    net.train(mode)
    scale = float(seen.abs().max().clamp(min=1.0))
    if float((seen - (weight @ probe.flatten().double() + bias)).abs().max()) > 1e-4 * scale:
        raise StriateError(f"the logits of {net.name} are not linear in the pixels", accepted="a linear net")
    return weight, bias


def smallest_change(
    weight: Tensor,
    bias: Tensor,
    images: Tensor,
    classes: Tensor,
    *,
    norm: float = 2.0,
    target: int | None = None,
    box: bool = True,
) -> Smallest:
    """The smallest change of each image after which a linear classifier says another class, or the target; exact.

    With ``w = w_other - w_own`` and the lead ``m`` of the own class, the change must gain ``<w, d> >= m``. Without
    the box its smallest norm is ``m / |w|_q`` with the dual norm q (Hoelder): along sign(w) in Linf, along w in L2, in
    the pixel of the largest ``|w|`` in L1. Within [0, 1] no value goes further than its room: each by the same amount
    or to its end (Linf), in proportion to ``|w|`` or to its end (L2), or one after the other from the largest ``|w|``
    on (L1); how far is found exactly, since the gain is piecewise linear in it. The nearest of the other classes wins.

    Args:
        weight: (K, D).
        bias: (K,).
        images: (N, ...) of D values in [0, 1].
        classes: The classes to be left, (N,).
        norm: Infinity, 2 or 1.
        target: The class to be reached; by default the nearest.
        box: Whether values stay in [0, 1].

    Raises:
        StriateError: The norm is another, or the shapes do not fit each other.

    Source: Moosavi-Dezfooli et al. 2016 ("DeepFool"), section 2 (without the box).
    """
    if norm not in NORMS:
        raise StriateError(f"norm is {norm_name(norm)}", accepted="inf, 2 or 1")
    flat = images.flatten(1).double()
    if weight.ndim != 2 or weight.shape[1] != flat.shape[1] or bias.shape != weight.shape[:1]:
        raise StriateError(
            f"weights {tuple(weight.shape)} and bias {tuple(bias.shape)} for images of {flat.shape[1]} values",
            accepted="(K, D) and (K,)",
        )
    weight, bias, every = weight.double(), bias.double(), torch.arange(len(flat), device=flat.device)
    logits = flat @ weight.T + bias
    beyond = BEYOND * logits.abs().amax(1).clamp(min=1.0)
    best = torch.full((len(flat),), math.inf, dtype=torch.float64, device=flat.device)
    reached, changed = torch.full_like(classes, -1), flat.clone()
    for other in range(len(weight)) if target is None else (target,):
        lead = logits[every, classes] - logits[:, other]
        slope = weight[other] - weight[classes]
        room = torch.where(slope > 0, 1 - flat, flat) if box else torch.full_like(flat, math.inf)
        exact = _lengths(slope.abs(), room, lead.clamp(min=0), norm)
        further = _lengths(slope.abs(), room, torch.where(lead > 0, lead + beyond, 0.0), norm)
        lengths, away = torch.where(further.isinf(), exact, further), _norm(exact, norm)
        better = (away < best) & (classes != other)
        best = torch.where(better, away, best)
        reached = torch.where(better, other, reached)
        changed = torch.where(better[:, None], flat + slope.sign() * lengths, changed)
    return Smallest(best, reached, changed.clamp(0, 1) if box else changed)


def along_row(images: Tensor, row: Tensor, size: float, *, norm: float = math.inf) -> Tensor:
    """Images (N, ...) and a small multiple of a row of the weights (D,), of a norm of ``size``, kept in [0, 1].

    In Linf it is ``size`` times the signs of the row, which of all changes of that size raises the row's score most.

    Source: Karpathy 2015, "Breaking Linear Classifiers on ImageNet"; signs: Goodfellow et al. 2015, section 3.
    """
    shape = row.view(images.shape[1:]).to(images)
    step = shape.sign() if math.isinf(norm) else shape / torch.linalg.vector_norm(shape, norm)
    return (images + size * step).clamp(0.0, 1.0)


def _norm(lengths: Tensor, norm: float) -> Tensor:
    """Norms (N,) of lengths (N, D); infinite ones say that there is no such change."""
    return torch.where(
        lengths.isinf().any(1), math.inf, torch.linalg.vector_norm(lengths.nan_to_num(0, 0, 0), norm, dim=1)
    )


def _lengths(gain: Tensor, room: Tensor, lead: Tensor, norm: float) -> Tensor:
    """How far each value goes, (N, D) >= 0, so that the sum of gain times length is the lead at the smallest norm.

    All of a row are infinite where its room does not suffice.
    """
    if norm == 1:
        order = gain.argsort(dim=1, descending=True, stable=True)
        most = (gain * room).nan_to_num(0.0).gather(1, order)
        before = most.cumsum(1) - most
        before = torch.where(before.isnan(), math.inf, before)
        needed = (lead[:, None] - before).clamp(min=0)
        sorted_gain = gain.gather(1, order)
        taken = torch.where(sorted_gain > 0, needed / sorted_gain.clamp(min=1e-300), 0.0)
        taken = torch.minimum(taken, room.gather(1, order))
        lengths = torch.zeros_like(gain).scatter_(1, order, taken)
    else:
        speed = torch.ones_like(gain) if math.isinf(norm) else gain
        scale = _scale(gain, speed, room, lead)
        lengths = torch.minimum(torch.where(gain > 0, scale[:, None] * speed, 0.0).nan_to_num(0.0), room)
    short = (gain * lengths).nan_to_num(0.0).sum(1) < lead * (1 - 1e-9)
    return torch.where(short[:, None], math.inf, lengths)


def _scale(gain: Tensor, speed: Tensor, room: Tensor, lead: Tensor) -> Tensor:
    """The scale t (N,) at which ``sum gain * min(t * speed, room)`` is the lead: the sum's bends, in order.

    Between two bends the sum is ``fixed + t * open``: what has come to its end, and what still goes.
    """
    ends = torch.where(gain > 0, room / speed.clamp(min=1e-300), math.inf)
    ends, order = ends.sort(1)
    going = (gain * speed).gather(1, order)
    held = torch.where(ends.isinf(), 0.0, (gain * room).nan_to_num(0.0).gather(1, order))
    fixed = held.cumsum(1) - held
    open_ = going.flip(1).cumsum(1).flip(1)
    reach = fixed + torch.where(ends.isinf(), math.inf, ends) * open_
    first = (reach >= lead[:, None]).to(torch.int64).argmax(1, keepdim=True)
    enough = (reach >= lead[:, None]).any(1)
    rest = (lead[:, None] - fixed.gather(1, first)) / open_.gather(1, first).clamp(min=1e-300)
    return torch.where(enough, rest.squeeze(1).clamp(min=0), math.inf)
