"""Differential evolution: a population for each image, without a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.problem import Problem
from striate.imageopt.region import per_image

FirstMembers = Callable[[Tensor, Rng, int], Tensor]


@dataclass(frozen=True)
class DifferentialEvolution:
    """Children that add the weighted difference of two members to a third; a child replaces its parent if no worse.

    rand/1/bin, a population of its own for each row, all draws keyed by the image's id. The first generation is the
    start and random points of the region; each step costs one forward pass a member, the first step two. Keeps two
    populations of free numbers, so it is for canvases with few of them.

    Args:
        population: Members, at least 4.
        weight: Factor of the difference (F).
        crossover: Chance of each number to come from the mutant (CR); one at least does. 1 takes them all.
        spread: Deviation of Gaussian noise added to the first members, where random points differ too little.
        first: Draws the first members instead, (N, population, ...) from ids, source and population.

    Source: Storn & Price 1997; constants: Su et al. 2019, section III (400 members, F = 0.5, no crossover).
    """

    population: int = 400
    weight: float = 0.5
    crossover: float = 1.0
    spread: float = 0.0
    first: FirstMembers | None = None

    def __post_init__(self) -> None:
        if self.population < 4:
            raise StriateError(f"population is {self.population}", accepted="at least 4")
        if not 0 < self.weight <= 2:
            raise StriateError(f"weight is {self.weight:g}", accepted="above 0, at most 2")
        if not 0 <= self.crossover <= 1:
            raise StriateError(f"crossover is {self.crossover:g}", accepted="0 to 1")
        if self.spread < 0:
            raise StriateError(f"spread is {self.spread:g}", accepted="at least 0")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"differential evolution of {self.population}, F {self.weight:g}, CR {self.crossover:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One generation for each value yielded, which holds the best of each row."""
        members = self._first(problem)
        scores = torch.full(members.shape[:2], -torch.inf, dtype=problem.start.dtype, device=members.device)
        rows = problem.alive
        scores[rows] = problem.ask_many(members, rows=rows)
        for step in range(problem.steps):
            rows = problem.alive
            if len(rows) == 0:
                return
            children = members.clone()
            children[rows] = self._children(problem, members[rows], rows, step)
            grown = problem.ask_many(children, rows=rows)
            survive = grown >= scores[rows]
            members[rows] = torch.where(_spread(survive, members), children[rows], members[rows])
            scores[rows] = torch.where(survive, grown, scores[rows])
            problem.report(scores[rows].amax(1), rows)
            yield members[torch.arange(len(members), device=members.device), scores.argmax(1)]

    def _first(self, problem: Problem) -> Tensor:
        """The members given, or the start and random points of the region, (N, population, ...)."""
        every = torch.arange(len(problem.start), device=problem.start.device)
        if self.first is not None:
            drawn = self.first(problem.ids, problem.rng.child("evolution/first"), self.population).to(problem.start)
            return _projected(problem, drawn, every)
        members = [problem.start.clone()]
        noise = problem.rng.child("evolution/first")
        for draw in range(1, self.population):
            member = problem.random_start(draw)
            if self.spread > 0:
                member = member + self.spread * noise.normal(problem.ids, member.shape[1:], step=draw).to(member)
            members.append(problem.project(member, every))
        return torch.stack(members, 1)

    def _children(self, problem: Problem, members: Tensor, rows: Tensor, step: int) -> Tensor:
        ids, rng = problem.ids[rows.cpu()], problem.rng.child("evolution")
        first, second, third = (each.to(members.device) for each in partners(ids, self.population, rng, step))
        at = torch.arange(len(rows), device=members.device)[:, None]
        mutants = members[at, first] + self.weight * (members[at, second] - members[at, third])
        if self.crossover < 1:
            mutants = torch.where(self._crossed(ids, members, rng, step), mutants, members)
        return _projected(problem, mutants, rows)

    def _crossed(self, ids: Tensor, members: Tensor, rng: Rng, step: int) -> Tensor:
        """Which numbers come from the mutant: each by chance, and one for certain."""
        flat = members.flatten(2)
        chance = rng.child("crossover").uniform(ids, flat.shape[1:], step=step).to(members.device)
        certain = rng.child("certain").integers(ids, (flat.shape[1], 1), high=flat.shape[2], step=step)
        crossed = (chance < self.crossover).scatter(2, certain.to(members.device), True)
        return crossed.view_as(members)


def partners(ids: Tensor, population: int, rng: Rng, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three other members for each member, (n, population) each, all different and different from it.

    Each is drawn among those that are left and counted past those already taken, in order.
    """
    taken = torch.arange(population).expand(len(ids), -1)[:, :, None]
    for name in ("first", "second", "third"):
        left = population - taken.shape[2]
        drawn = rng.child(name).integers(ids.cpu(), (population,), high=left, step=step)
        for each in taken.sort(2).values.unbind(2):
            drawn = drawn + (drawn >= each)
        taken = torch.cat([taken, drawn[:, :, None]], 2)
    _, first, second, third = taken.unbind(2)
    return first, second, third


def _projected(problem: Problem, members: Tensor, rows: Tensor) -> Tensor:
    """Members (n, population, ...) of these rows brought into the region."""
    many = members.shape[1]
    return problem.project(members.flatten(0, 1), rows.repeat_interleave(many)).view_as(members)


def _spread(flags: Tensor, members: Tensor) -> Tensor:
    return per_image(flags.flatten(), members.flatten(0, 1)).view(*flags.shape, *[1] * (members.ndim - 2))
