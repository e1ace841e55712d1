"""A line search by the strong Wolfe conditions for many rows at once, each with its own bracket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image

FURTHEST = 10.0  # how much further than the last one a try may go
ROUNDING = 4.0  # ascents below so many units in the last place of the score are not told from none
EDGE = 0.1  # a try stays this share of the bracket away from its ends


class Conditions(Protocol):
    """The constants of the conditions: shares of the promised ascent and of the slope, and the most tries."""

    @property
    def ascent(self) -> float: ...  # noqa: D102
    @property
    def slope(self) -> float: ...  # noqa: D102
    @property
    def evaluations(self) -> int: ...  # noqa: D102


@dataclass(eq=False)
class Climbed:
    """Where the rows ended: free numbers, scores, gradients, and whether they moved at all."""

    z: Tensor
    score: Tensor
    grad: Tensor
    moved: Tensor


def climb(
    conditions: Conditions,
    problem: Problem,
    z: Tensor,
    rows: Tensor,
    *,
    known: Tensor,
    grad: Tensor,
    direction: Tensor,
    first: Tensor,
) -> Climbed:
    """Ends where the strong Wolfe conditions hold, else at the best try that ascends enough.

    Where the region bends the way, enough ascent of the bent way ends it. Rows that have ended are not asked for again.

    Source: Nocedal & Wright 2006, algorithms 3.5 and 3.6, with one bracket for both: its better end ``low``, its other
    end ``high``, infinite until the peak is passed.
    """
    here = z[rows]
    ended = Climbed(here.clone(), known.clone(), grad.clone(), torch.zeros_like(rows, dtype=torch.bool))
    rise = _dot(grad, direction)
    bracket = _Bracket(known, rise)
    rounding = ROUNDING * torch.finfo(z.dtype).eps * known.abs()
    length, open_ = first.clone(), (rise > 0).nonzero().squeeze(1)
    for _ in range(conditions.evaluations):
        open_ = open_[torch.isin(rows[open_], problem.alive)]
        if len(open_) == 0:
            break
        asked = rows[open_]
        straight = here[open_] + per_image(length[open_], here).to(here.dtype) * direction[open_]
        tried = problem.project(straight, asked)
        answer = problem.ask(z.index_copy(0, asked, tried), rows=asked)
        score, slope = answer.score.to(torch.float64), _dot(answer.gradient, direction[open_])
        score = score.nan_to_num(-torch.inf, -torch.inf, -torch.inf)
        bent = (tried != straight).flatten(1).any(1)
        promised = torch.where(bent, _dot(grad[open_], tried - here[open_]), length[open_] * rise[open_])
        enough = score >= known[open_] + conditions.ascent * promised
        enough &= (promised > 0) & (score - known[open_] > rounding[open_])
        level = bent | (slope.abs() <= conditions.slope * rise[open_])
        better = enough & (score > ended.score[open_])
        taken = open_[better]
        ended.z[taken], ended.grad[taken] = tried[better], answer.gradient[better]
        ended.score[taken], ended.moved[taken] = score[better], True
        length[open_] = bracket.narrowed(open_, length[open_], score, slope, enough)
        stuck = (tried == here[open_]).flatten(1).all(1) | (promised <= rounding[open_])
        open_ = open_[~(enough & level) & ~stuck]
    return ended


class _Bracket:
    """Where the wanted step length lies: between ``low``, the best known to ascend enough, and ``high``."""

    def __init__(self, score: Tensor, slope: Tensor) -> None:
        zero = torch.zeros_like(score)
        self.low, self.low_score, self.low_slope = zero, score.clone(), slope.clone()
        self.high, self.high_score, self.high_slope = torch.full_like(score, torch.inf), zero.clone(), zero.clone()

    def narrowed(self, at: Tensor, length: Tensor, score: Tensor, slope: Tensor, enough: Tensor) -> Tensor:
        """Takes in the tries of these rows; gives the lengths to try next."""
        low, low_score, low_slope = self.low[at], self.low_score[at], self.low_slope[at]
        beyond = ~enough | (score <= low_score)
        turned = ~beyond & (slope * (length - low) < 0)
        for name, old, new in (("", low, length), ("_score", low_score, score), ("_slope", low_slope, slope)):
            high = getattr(self, f"high{name}")
            high[at] = torch.where(beyond, new, torch.where(turned, old, high[at]))
            getattr(self, f"low{name}")[at] = torch.where(beyond, old, new)
        further = self._further(length, low, slope, low_slope)
        return torch.where(self.high[at].isfinite(), self._between(at), further)

    def _further(self, length: Tensor, low: Tensor, slope: Tensor, low_slope: Tensor) -> Tensor:
        """Where the slopes of the last two tries point to, at least a little and at most ten times further."""
        bend = low_slope - slope
        peak = length + slope * (length - low) / torch.where(bend > 0, bend, 1.0)
        wanted = torch.where(bend > 0, peak, torch.inf)
        return wanted.clamp(min=(1 + EDGE) * length, max=FURTHEST * length)

    def _between(self, at: Tensor) -> Tensor:
        """The peak of the cubic through both ends, kept away from them; the middle where there is none."""
        a, b = self.low[at], self.high[at]
        fa, fb, ga, gb = -self.low_score[at], -self.high_score[at], -self.low_slope[at], -self.high_slope[at]
        wide = b - a
        theta = ga + gb - 3 * (fa - fb) / (a - b)
        root = torch.copysign((theta.square() - ga * gb).clamp(min=0).sqrt(), wide)
        below = gb - ga + 2 * root
        lowest = b - wide * (gb + root - theta) / torch.where(below != 0, below, 1.0)
        fine = lowest.isfinite() & (theta.square() >= ga * gb) & (below != 0)
        edges = torch.stack([a + EDGE * wide, b - EDGE * wide])
        return torch.where(fine, lowest, (a + b) / 2).clamp(min=edges.amin(0), max=edges.amax(0))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.to(torch.float64) * b.to(torch.float64)).flatten(1).sum(1)
