"""Attacks that step onto the nearest linearised boundary: DeepFool and FAB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.norms import dual, norm_of
from striate.imageopt.objective import Objective, leads
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image, steepest_direction, step_to_hyperplane

TINY = 1e-12  # gradients below are none
LEAST = 1e-4  # how far beyond the boundary a step aims at least, in the norm: what the authors of DeepFool add


def nearest_boundary(leads: Tensor, grads: Tensor, norm: float) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest of the linearised boundaries ``lead + <grad, r> = 0`` of each row, the argmin of ``|lead| / width``.

    Args:
        leads: (n, K).
        grads: Their gradients (n, K, ...).
        norm: In which a boundary is near: the width is the gradient's length in the dual norm.

    Returns:
        By how much its lead has to rise (n,), its gradient (n, ...), all widths (n, K).

    Source: Moosavi-Dezfooli et al. 2016, equations 8 and 11.
    """
    width = norm_of(grads.flatten(0, 1), dual(norm)).view(grads.shape[:2])
    gaps = -leads.to(width)
    chosen = (gaps.abs() / width.clamp(min=TINY)).argmin(1)
    at = torch.arange(len(chosen), device=chosen.device)
    return gaps[at, chosen], grads[at, chosen], width


@dataclass(frozen=True, eq=False)
class DeepFool:
    """Steps onto the nearest linearised boundary between the label and the candidate classes, until it is crossed.

    ``r_i`` leads from ``x_i`` to the hyperplane ``f_k(x_i) - f_y(x_i) + <w_k, r> = 0`` of the nearest candidate k, and
    ``x_{i+1} = x_i + (1 + overshoot) r_i``, clamped. The first step takes the gradients of all K candidates. Later
    ones take those of the ``contenders`` whose boundaries are nearest by the leads now and the widths last seen: the
    others were further and seldom come nearest. The first step costs one forward pass and K backward ones, each later
    step two forward passes and one backward pass a contender, the last one a forward pass. Rows leave once they cross.

    Args:
        labels: True classes (N,).
        classes: Candidates (N, K) of each row.
        norm: 1, 2 or infinity: what is smallest.
        overshoot: By how much further than the sum of steps.
        contenders: Gradients of a later step; K takes all, as the paper does.
        halvings: How often the step that crossed is halved towards the boundary, a forward pass each; the paper does
            not.

    Source: Moosavi-Dezfooli et al. 2016, algorithm 2 and section 3.3. The paper leaves the box out: here each step is
    clamped, and where that keeps it from the boundary the next goes on in the coordinates that are left. On a linear
    net this ends at the nearest point within the box.
    """

    labels: Tensor
    classes: Tensor
    norm: float = 2.0
    overshoot: float = 0.02
    contenders: int = 3
    halvings: int = 4

    def __post_init__(self) -> None:
        if self.overshoot < 0 or self.contenders < 1:
            raise StriateError(
                f"overshoot is {self.overshoot:g}, contenders {self.contenders}", accepted="at least 0, at least 1"
            )

    @property
    def words(self) -> str:
        """How it searches."""
        return f"DeepFool in L{self.norm:g} over {self.classes.shape[1]} classes, overshoot {self.overshoot:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that crossed leave."""
        z, before, count = problem.start.clone(), problem.start, self.classes.shape[1]
        every = leads(self.labels, self.classes)
        places = torch.arange(count, device=z.device).expand(len(z), count)  # of the classes whose gradients are taken
        known = torch.zeros(len(z), count, dtype=torch.float64, device=z.device)
        for step in range(problem.steps):
            if step > 0:
                now = problem.ask(z, grad=False, objective=every)
                self._return(problem, before, z, now.rows[now.reached])
                now = now.only(problem.alive)
                away = now.score.to(known).abs() / known[now.rows].clamp(min=TINY)
                near = away.topk(min(self.contenders, count), dim=1, largest=False).indices
                places = torch.zeros_like(places[:, : near.shape[1]]).index_copy(0, now.rows, near)
            rows = problem.alive
            if len(rows) > 0:
                answer = problem.ask(z, objective=leads(self.labels, self.classes.gather(1, places)))
                gap, normal, width = nearest_boundary(answer.score, answer.gradient, self.norm)
                known[rows] = known[rows].scatter(1, places[rows], width)
                across = norm_of(normal, dual(self.norm))
                problem.report(answer.score.amax(1), rows)
                length = per_image((gap / across.clamp(min=TINY)).clamp(min=LEAST), normal).to(normal.dtype)
                moved = z[rows] + (1 + self.overshoot) * length * steepest_direction(normal, self.norm)
                before, z = z, z.index_copy(0, rows, problem.project(moved, rows))
            yield z

    def _return(self, problem: Problem, before: Tensor, z: Tensor, rows: Tensor) -> None:
        """Halves the last step of rows that crossed, towards where they did, and lets them leave."""
        low, high = before.clone(), z.clone()
        for _ in range(self.halvings):
            middle = torch.lerp(low, high, 0.5)
            across = per_image(problem.ask(middle, rows=rows, grad=False).reached, z)
            low[rows] = torch.where(across, low[rows], middle[rows])
            high[rows] = torch.where(across, middle[rows], high[rows])
        problem.leave(rows)


@dataclass(frozen=True, eq=False)
class AdaptiveBoundary:
    """FAB: steps onto the linearised boundary from here and from the start, and between the two; back once across.

    With d the shortest step from x to the hyperplane within the box and d_0 that from the start x_0,
    ``x <- (1 - a) (x + eta d) + a (x_0 + eta d_0)``, where ``a = min(|d| / (|d| + |d_0|), alpha)`` draws towards the
    start. Where that is across, x is drawn back to ``x_0 + beta (x - x_0)``. A step costs two forward passes and one
    backward pass for each of the boundary's scores.

    Args:
        boundary: Objective whose scores, (n,) or (n, K), are above 0 beyond a boundary; the nearest counts.
        lead: Objective above 0 where x is across, whatever the boundary.
        norm: 1, 2 or infinity: what is smallest.
        alpha: Largest share of the way towards the start.
        eta: Overshoot of both steps.
        beta: Share of the way back to the start that is left.

    Source: Croce & Hein 2020, "Minimally distorted adversarial examples", algorithm 1, without its final search along
    the line to the start, as in the authors' later code.
    """

    boundary: Objective
    lead: Objective
    norm: float = 2.0
    alpha: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    def __post_init__(self) -> None:
        if not (0 <= self.alpha <= 1 and self.eta >= 1 and 0 < self.beta <= 1):
            raise StriateError(
                f"alpha is {self.alpha:g}, eta {self.eta:g}, beta {self.beta:g}",
                accepted="alpha in [0, 1], eta at least 1, beta in (0, 1]",
            )

    @property
    def words(self) -> str:
        """How it searches."""
        return f"FAB in L{self.norm:g}, alpha {self.alpha:g}, eta {self.eta:g}, beta {self.beta:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One step for each value yielded; rows that are done are left alone."""
        start, z = problem.start, problem.start.clone()
        for _ in range(problem.steps):
            answer = problem.ask(z, objective=self.boundary).only(problem.alive)
            rows, here, home = answer.rows, z[answer.rows], start[answer.rows]
            if len(rows) == 0:
                yield z
                return
            scores, grads = answer.score.reshape(len(rows), -1), answer.gradient.reshape(len(rows), -1, *here.shape[1:])
            gap, normal, _ = nearest_boundary(scores, grads, self.norm)
            away = gap - _dot(normal, home - here)
            step = step_to_hyperplane(here, normal, gap, self.norm)
            fresh = step_to_hyperplane(home, normal, away, self.norm)
            size, whole = (norm_of(each, self.norm).clamp(min=1e-8) for each in (step, fresh))
            share = per_image((size / (size + whole)).clamp(max=self.alpha), here).to(here.dtype)
            moved = (1 - share) * (here + self.eta * step) + share * (home + self.eta * fresh)
            z = z.index_copy(0, rows, problem.project(moved, rows))
            verdict = problem.ask(z, rows=rows, grad=False, objective=self.lead)
            problem.report(verdict.score, rows)
            across = rows[verdict.reached | (verdict.score > 0)]
            z = z.index_copy(0, across, torch.lerp(start[across], z[across], self.beta))
            yield z


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of rows, (n,) float64."""
    return (a.to(torch.float64) * b.to(torch.float64)).flatten(1).sum(1)
