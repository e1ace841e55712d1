"""What searches that are told decisions alone share: a start that reaches the goal, the way back to the boundary."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.norms import norm_of
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image

TRIES = 100  # random images after which a row is given up


def reached(problem: Problem, candidates: Tensor, rows: Tensor) -> Tensor:
    """Whether candidates (n, ...), one for each of these rows, reach the goal; one forward pass each."""
    return problem.ask(problem.start.index_copy(0, rows, candidates), rows=rows, grad=False).reached


def reaching_start(problem: Problem, tries: int = TRIES) -> Tensor:
    """Free numbers (N, ...) of random images that reach the goal; rows without one after all tries leave.

    Uniform noise, every pixel by itself in the first try, then also in squares of 2, 4, ... pixels, as some nets hold
    all fine noise for one class. Pixels only.
    """
    z, rows = problem.start.clone(), problem.alive
    channels, height, width = z.shape[1:]
    sides = [2**k for k in range(max(height, width).bit_length())]
    for attempt in range(tries):
        if len(rows) == 0:
            break
        side = sides[attempt % len(sides)]
        shape = (channels, math.ceil(height / side), math.ceil(width / side))
        cells = problem.rng.child("reaching start").uniform(problem.ids[rows.cpu()], shape, step=attempt).to(z)
        noise = cells.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :height, :width]
        noise = problem.project(noise, rows)
        there = reached(problem, noise, rows)
        z[rows[there]] = noise[there]
        rows = rows[~there]
    problem.leave(rows)
    return z


def at_boundary(problem: Problem, z: Tensor, rows: Tensor, *, norm: float, halvings: int) -> Tensor:
    """Images (n, ...) between the start and ``z`` (n, ...) that reach the goal as these do, near where it is lost.

    On the straight line (L2), or with all differences cut at one size (Linf); one forward pass for each halving.
    """
    start = problem.start[rows]
    low, high = z.new_zeros(len(rows)), z.new_ones(len(rows))
    best = z
    for _ in range(halvings):
        middle = (low + high) / 2
        tried = problem.project(between(start, z, middle, norm), rows)
        there = reached(problem, tried, rows)
        high, low = torch.where(there, middle, high), torch.where(there, low, middle)
        best = torch.where(per_image(there, z), tried, best)
    return best


def between(start: Tensor, z: Tensor, share: Tensor, norm: float) -> Tensor:
    """Images at a share (n,) of the distance from ``start`` to ``z``, in a norm."""
    if math.isinf(norm):
        limit = per_image(share * (z - start).flatten(1).abs().amax(1), z)
        return start + (z - start).clamp(-limit, limit)
    return start + per_image(share, z) * (z - start)


def distance(problem: Problem, z: Tensor, rows: Tensor, norm: float) -> Tensor:
    """How far images (n, ...) of these rows are from their start, (n,)."""
    return norm_of(z - problem.start[rows], norm).to(z)
