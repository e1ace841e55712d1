"""The three attacks of Carlini & Wagner: Adam behind a hyperbolic tangent on a lead and a penalty for the change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import norm_of
from striate.imageopt.problem import Answer, Problem
from striate.imageopt.region import per_image
from striate.imageopt.region.direction import ranks

HAIR = 0.1  # the tangent spans a box wider by this than [0, 1], so that values at an edge can move
STALLED = 0.9999  # a round ends where a tenth of it has not lowered the loss below this share: the authors' test
TINY = 1e-12


@dataclass(eq=False)
class Behind:
    """Images as ``x = ((1 + HAIR) tanh(u) + 1) / 2`` and Adam on u, each row at a rate and an age of its own.

    Source: Carlini & Wagner 2017, section V-B, without the hair: there the slope at black and white is 0, so that such
    values never move; here u is held where x is in [0, 1]. Kingma & Ba 2015, algorithm 1.
    """

    images: Tensor
    u: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.u = self.of(self.images)
        self.first, self.second = torch.zeros_like(self.u), torch.zeros_like(self.u)
        self.rate = torch.zeros(len(self.u), dtype=torch.float64, device=self.u.device)
        self.age = torch.zeros(len(self.u), dtype=torch.int64, device=self.u.device)

    @staticmethod
    def of(images: Tensor) -> Tensor:
        """The u of images."""
        return ((2 * images - 1) / (1 + HAIR)).atanh()

    def paint(self) -> Tensor:
        """The images of all rows."""
        return (((1 + HAIR) * self.u.tanh() + 1) / 2).clamp(0.0, 1.0)

    def set_rate(self, rows: Tensor, length: Tensor, norm: float) -> None:
        """Such a rate that the first step of Adam, which moves every u by it, changes the images by a length (n,)."""
        whole = norm_of((1 + HAIR) * (1 - self.u[rows].tanh().square()) / 2, norm)
        self.rate[rows] = length / whole.clamp(min=TINY)

    def again(self, rows: Tensor, u: Tensor) -> None:
        """These rows begin anew at u (n, ...)."""
        self.u[rows], self.first[rows], self.second[rows], self.age[rows] = u, 0.0, 0.0, 0

    def ascend(self, rows: Tensor, grad: Tensor, length: int) -> None:
        """A step of Adam along gradients by the images (n, ...); its rate falls along half a cosine over a round."""
        wide = self.u[rows].tanh()
        slope = grad * (1 + HAIR) * (1 - wide.square()) / 2
        self.age[rows] += 1
        edge = math.atanh(1 / (1 + HAIR))
        age = self.age[rows].to(torch.float64)
        one = self.first[rows].lerp(slope, 0.1)
        two = self.second[rows] * 0.999 + 0.001 * slope.square()
        self.first[rows], self.second[rows] = one, two
        share = (1 + torch.cos(math.pi * (age - 1) / length)) / 2
        size = per_image(share * self.rate[rows] / (1 - 0.9**age), grad).to(grad.dtype)
        root = (two / per_image(1 - 0.999**age, grad).to(grad.dtype)).sqrt() + 1e-12
        self.u[rows] = (self.u[rows] + size * one / root).clamp(-edge, edge)


@dataclass(frozen=True, eq=False)
class CarliniWagner2:
    """The least ``|x - x_0|^2 + c max(0, -lead(x))``, with c found for each row by bisection.

    A round is Adam at one c. Where its second half found an image across, c falls towards the largest that found none,
    else it rises. Rounds begin at the nearest image across so far. A row goes on to the next round once its loss no
    longer falls, and leaves after the last. Costs one forward and one backward pass a step.

    The first c comes from the slope at the start: on a linear lead m with gradient w the least change across is
    ``m / |w|`` long, and c has to be ``2 m / |w|^2`` to hold it there.

    Args:
        rounds: Values of c.
        rate: How far the first step of Adam goes, in units of the linear guess ``m / |w|``.
        falling: What is left of the rate in the round after one that was across; within a round it falls to 0.

    Source: Carlini & Wagner 2017, sections V and VI-A. Theirs begin every round at the clean image and c at 0.001, go
    at a rate of 0.01 for all images, and lower c after images that Adam was across in passing, too.
    """

    rounds: int = 5
    rate: float = 2.0
    falling: float = 0.5

    def __post_init__(self) -> None:
        _check(self.rounds, self.rate)

    @property
    def words(self) -> str:
        """How it searches."""
        return f"Carlini-Wagner L2, {self.rounds} rounds, rate {self.rate:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, behind = problem.start, Behind(problem.start)
        length = max(10, problem.steps // self.rounds)
        state = _Bisection(start, behind.u)
        for step in range(problem.steps):
            x = behind.paint()
            answer = problem.ask(x).only(problem.alive)
            rows, change = answer.rows, x[answer.rows] - start[answer.rows]
            away = norm_of(change, 2.0).square()
            if step == 0:
                state.begin(answer)
                distance = answer.score.to(away).abs() / norm_of(answer.gradient, 2.0).clamp(min=TINY)
                behind.set_rate(rows, self.rate * distance, 2.0)
            state.note(rows, answer.reached, away, behind.u, 2 * behind.age[rows] > length)
            hinge = (-answer.score).clamp(min=0.0)
            loss = away + state.c[rows] * hinge
            pull = per_image(torch.where(hinge > 0, state.c[rows], 0.0), change).to(change.dtype)
            behind.ascend(rows, pull * answer.gradient - 2 * change, length)
            ended = rows[state.stalled(rows, loss, behind.age[rows], length)]
            if len(ended) > 0:
                state.bisect(ended)
                behind.rate[ended] *= torch.where(state.found[ended], self.falling, 1.0)
                behind.again(ended, torch.where(per_image(state.found, x), state.nearest, behind.u)[ended])
                problem.leave(ended[state.found[ended] & (state.round[ended] >= self.rounds)])
            yield behind.paint()


@dataclass(frozen=True, eq=False)
class CarliniWagnerInf:
    """The least ``sum_i max(0, |x_i - x_0i| - tau) + c max(0, -lead(x))`` for a bound tau that shrinks.

    A round is Adam at one tau and c; it ends once an image across keeps the bound, or its steps are spent. Then the
    bound is set to ``shrink`` times the largest change of the nearest image across; where a round found none, c is
    doubled. Rounds go on from where the last one ended. Costs one forward and one backward pass a step.

    The first bound is twice the distance to the linearised boundary, ``|m| / |w|_1``; the first c lets the lead
    outweigh the bound in every value whose slope is a quarter of the mean one.

    Args:
        length: Most steps of a round.
        shrink: Of the bound.
        rate: How far the first step of Adam goes, in units of the linear guess.
        falling: What is left of the rate once an image was across.

    Source: Carlini & Wagner 2017, section VI-C. Theirs begins at the bound 1 and at a c of 0.00001.
    """

    length: int = 12
    shrink: float = 0.9
    rate: float = 0.5
    falling: float = 0.4

    def __post_init__(self) -> None:
        _check(self.length, self.rate)
        if not 0 < self.shrink < 1:
            raise StriateError(f"shrink is {self.shrink:g}", accepted="0 to 1")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"Carlini-Wagner Linf, rounds of {self.length}, shrinking to {self.shrink:g}, rate {self.rate:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, behind = problem.start, Behind(problem.start)
        bound, c, nearest = torch.full((3, len(start)), torch.inf, dtype=torch.float64, device=start.device)
        found = behind.u.clone()
        for step in range(problem.steps):
            x = behind.paint()
            answer = problem.ask(x).only(problem.alive)
            rows, change = answer.rows, x[answer.rows] - start[answer.rows]
            if step == 0:
                slope = norm_of(answer.gradient, 1.0).clamp(min=TINY)
                guess = answer.score.to(slope).abs() / slope
                bound[rows], c[rows] = 2 * guess, 4 * start[0].numel() / slope
                behind.set_rate(rows, self.rate * guess, math.inf)
            largest = norm_of(change, math.inf)
            nearer = answer.reached & (largest < nearest[rows])
            behind.rate[rows[nearer & nearest[rows].isinf()]] *= self.falling
            nearest[rows[nearer]] = largest[nearer]
            found[rows[nearer]] = behind.u[rows[nearer]]
            over = change.abs() > per_image(bound[rows], change)
            pull = per_image(torch.where(answer.score < 0, c[rows], 0.0), change).to(change.dtype)
            behind.ascend(rows, pull * answer.gradient - change.sign() * over, self.length)
            kept = nearest[rows] <= bound[rows]
            ended = kept | (behind.age[rows] >= self.length)
            bound[rows] = torch.where(kept, self.shrink * nearest[rows], bound[rows])
            c[rows] = torch.where(ended & ~kept, 2 * c[rows], c[rows])
            again = rows[ended]
            begin = torch.where(per_image(kept[ended], change), found[again], behind.u[again])
            behind.again(again, begin)
            yield behind.paint()


@dataclass(frozen=True, eq=False)
class CarliniWagner0:
    """Fewer and fewer pixels that may change: those that matter least are set back until no image is across.

    A round is Adam on ``|x - x_0|^2 + c max(0, -lead(x))`` over the pixels left; it ends at the first image across.
    Then the share ``cut`` of the changed pixels is set back for good: those with the least ``|g_i (x - x_0)_i|``, where
    g is the gradient of the lead. Where a round finds no image across, the pixels of the last one that did are taken
    again, c is doubled and the cut halved; a row leaves where that cuts no pixel. Costs one forward and one backward
    pass a step.

    Args:
        length: Most steps of a round.
        cut: Share of the changed pixels that are set back at first, at least one.
        rate: How far the first step of Adam goes, in units of the linear guess.

    Source: Carlini & Wagner 2017, section VI-B, where the L2 attack runs to its end for every set of pixels.
    """

    length: int = 20
    cut: float = 0.5
    rate: float = 4.0

    def __post_init__(self) -> None:
        _check(self.length, self.rate)
        if not 0 < self.cut < 1:
            raise StriateError(f"cut is {self.cut:g}", accepted="0 to 1")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"Carlini-Wagner L0, rounds of {self.length}, cutting {self.cut:g}, rate {self.rate:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, behind = problem.start, Behind(problem.start)
        left = torch.ones_like(start[:, :1], dtype=torch.bool)
        good, found, z = left.clone(), behind.u.clone(), start.clone()
        c, cut = torch.zeros((2, len(start)), dtype=torch.float64, device=start.device)
        weight = torch.zeros_like(start[:, 0])  # of the pixels of the last image across
        for step in range(problem.steps):
            z = torch.where(left, behind.paint(), start)
            answer = problem.ask(z).only(problem.alive)
            rows, change = answer.rows, z[answer.rows] - start[answer.rows]
            if step == 0:
                slope = norm_of(answer.gradient, 2.0).clamp(min=TINY)
                guess = answer.score.to(slope).abs() / slope
                c[rows], cut[rows] = 8 * guess / slope, self.cut
                behind.set_rate(rows, self.rate * guess, 2.0)
            pull = per_image(torch.where(answer.score < 0, c[rows], 0.0), change).to(change.dtype)
            behind.ascend(rows, (pull * answer.gradient - 2 * change) * left[rows], self.length)
            across, spent = answer.reached, behind.age[rows] >= self.length
            better = rows[across]
            good[better], found[better] = (change != 0).any(1, keepdim=True)[across], behind.u[better]
            weight[better] = (answer.gradient * change).sum(1).abs()[across].to(weight)
            lost = rows[spent & ~across]
            c[lost], cut[lost] = 2 * c[lost], cut[lost] / 2
            ended = rows[across | spent]
            count = good[ended].flatten(1).sum(1)
            drop = (cut[ended] * count).floor()
            drop = torch.where(across[across | spent], drop.clamp(min=1.0), drop)
            problem.leave(ended[(drop < 1) | (count <= 1)])
            kept = ranks(torch.where(good[ended], weight[ended][:, None], -1.0).flatten(1)) < (count - drop)[:, None]
            left[ended] = kept.view_as(left[ended])
            behind.again(ended, found[ended])
            yield z


class _Bisection:
    """For each row c and its bracket, the nearest image across, and whether this round found one."""

    def __init__(self, start: Tensor, u: Tensor) -> None:
        zero = torch.zeros(len(start), dtype=torch.float64, device=start.device)
        self.c, self.low, self.high = zero.clone(), zero.clone(), torch.full_like(zero, torch.inf)
        self.away, self.before = torch.full_like(zero, torch.inf), torch.full_like(zero, torch.inf)
        self.found, self.now = zero.bool(), zero.bool()
        self.round = zero.long()
        self.nearest = u.clone()

    def begin(self, answer: Answer) -> None:
        """The first c, from lead and slope at the start."""
        slope = norm_of(answer.gradient, 2.0).square()
        self.c[answer.rows] = 2 * answer.score.to(slope).abs() / slope.clamp(min=TINY)

    def note(self, rows: Tensor, across: Tensor, away: Tensor, u: Tensor, late: Tensor) -> None:
        """Remembers the nearest images across; a round counts as across if it was late, not only in passing."""
        self.found[rows] |= across
        self.now[rows] = across | (self.now[rows] & late)
        nearer = rows[across & (away < self.away[rows])]
        self.nearest[nearer] = u[nearer]
        self.away[rows] = torch.where(across, torch.minimum(away, self.away[rows]), self.away[rows])

    def stalled(self, rows: Tensor, loss: Tensor, age: Tensor, length: int) -> Tensor:
        """Whether the round has ended: its steps are spent, or a tenth of them has not lowered the loss."""
        looked = age % max(1, length // 10) == 0
        stuck = looked & (loss > STALLED * self.before[rows])
        self.before[rows] = torch.where(looked, loss, self.before[rows])
        return stuck | (age >= length)

    def bisect(self, rows: Tensor) -> None:
        """The next c of rows that have ended a round."""
        c, now = self.c[rows], self.now[rows]
        low = torch.where(now, self.low[rows], c)
        high = torch.where(now, c, self.high[rows])
        self.low[rows], self.high[rows] = low, high
        self.c[rows] = torch.where(high.isinf(), 10 * c, (low + high.clamp(max=1e300)) / 2)
        self.now[rows], self.before[rows] = False, torch.inf
        self.round[rows] += 1


def _check(rounds: int, rate: float) -> None:
    if rounds < 1 or rate <= 0:
        raise StriateError(f"rounds {rounds}, rate {rate:g}", accepted="at least 1, above 0")
