"""The saliency map of Jacobians: pairs of values that raise one score and lower another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Problem

PAIRS = 1 << 24  # pairs of values that are looked at at once


@dataclass(frozen=True, eq=False)
class SaliencyPairs:
    """Sets the pair of values to an end of [0, 1] that most raises one score while it lowers the other.

    With a and b the gradients of the two scores, that is the pair p, q with the largest ``-(a_p + a_q) (b_p + b_q)``
    among those with ``a_p + a_q > 0`` and ``b_p + b_q < 0``; no value is set twice. A row leaves once it reaches its
    goal, or where there is no such pair. Costs one forward and two backward passes a step.

    Args:
        scores: Objective (n, 2): the score to be raised and the one to be lowered.
        ways: To which ends values are set: 1 up, -1 down; with both a step takes the better of the two.
        pool: Values of an image among which pairs are sought: those with the largest ``a / max |a| - b / max |b|``.

    Source: Papernot et al. 2016, algorithms 2 and 3 and equations 8 and 9, which look at all pairs (a pool as large as
    the image) and go one way.
    """

    scores: Objective
    ways: tuple[int, ...] = (1, -1)
    pool: int = 256

    def __post_init__(self) -> None:
        if not self.ways or not set(self.ways) <= {1, -1}:
            raise StriateError(f"ways are {self.ways}", accepted="1, -1 or both")
        if self.pool < 2:
            raise StriateError(f"pool is {self.pool}", accepted="at least 2 values, to make a pair of")

    @property
    def words(self) -> str:
        """How it searches."""
        ends = " and ".join("up" if way > 0 else "down" for way in self.ways)
        return f"saliency of pairs, {ends}, among {self.pool} values"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One pair for each value yielded; rows that are done are left alone."""
        z = problem.start.clone()
        free = torch.ones_like(z, dtype=torch.bool)
        for _ in range(problem.steps):
            answer = problem.ask(z, objective=self.scores)
            problem.leave(answer.rows[answer.reached])
            answer = answer.only(problem.alive)
            rows = answer.rows
            if len(rows) > 0:
                gain, chosen, end = self._best(z[rows].flatten(1), free[rows].flatten(1), answer.gradient.flatten(2))
                problem.leave(rows[gain <= 0])
                moves = gain > 0
                at, pair = rows[moves], chosen[moves]
                flat, left = z[at].flatten(1), free[at].flatten(1)
                z = z.index_copy(0, at, flat.scatter(1, pair, end[moves][:, None].expand_as(pair)).view_as(z[at]))
                free[at] = left.scatter(1, pair, torch.zeros_like(pair, dtype=torch.bool)).view_as(free[at])
            yield z

    def _best(self, x: Tensor, free: Tensor, grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The saliency of the best pair of each row (n,), the pair (n, 2), and the end that it is set to (n,)."""
        best = x.new_zeros(len(x))
        pairs, ends = torch.zeros((len(x), 2), dtype=torch.int64, device=x.device), x.new_zeros(len(x))
        for way in self.ways:
            end = 1.0 if way > 0 else 0.0
            usable = free & (x != end)
            size = min(self.pool, x.shape[1])
            most = max(1, PAIRS // size**2)
            for place in range(0, len(x), most):
                part = slice(place, place + most)
                gain, pair = _best_pair(way * grads[part, 0], way * grads[part, 1], usable[part], size)
                better = gain > best[part]
                best[part] = torch.where(better, gain, best[part])
                pairs[part] = torch.where(better[:, None], pair, pairs[part])
                ends[part] = torch.where(better, end, ends[part])
        return best, pairs, ends


def _best_pair(raised: Tensor, lowered: Tensor, usable: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The largest saliency (n,), 0 where there is none, and its pair of places (n, 2)."""
    scale = (each.abs().amax(1, keepdim=True).clamp(min=1e-30) for each in (raised, lowered))
    promise = raised / next(scale) - lowered / next(scale)
    pool = promise.masked_fill(~usable, -torch.inf).topk(size, dim=1).indices
    a, b, fine = (each.gather(1, pool) for each in (raised, lowered, usable))
    up, down = a[:, :, None] + a[:, None, :], b[:, :, None] + b[:, None, :]
    two = fine[:, :, None] & fine[:, None, :] & ~torch.eye(size, dtype=torch.bool, device=a.device)
    saliency = torch.where(two & (up > 0) & (down < 0), -up * down, 0.0).flatten(1)
    gain, at = saliency.max(1)
    return gain, pool.gather(1, torch.stack([at // size, at % size], 1))
