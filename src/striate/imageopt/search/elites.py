"""MAP-Elites: one archive with the best image of every niche; a child may win any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Problem


class Mutation(Protocol):
    """A random change of free numbers."""

    @property
    def words(self) -> str:
        """What it changes."""

    def __call__(self, z: Tensor, ids: Tensor, rng: Rng, *, step: int) -> Tensor:
        """Changed free numbers (n, ...), drawn by ids (n,) and step."""


def _check_rate(rate: float) -> None:
    if not 0 < rate <= 1:
        raise StriateError(f"rate is {rate:g}", accepted="above 0, at most 1")


@dataclass(frozen=True)
class GaussianMutation:
    """Each number is changed with a chance of ``rate`` by a Gaussian of deviation ``spread``.

    Source: as for the weights of CPPNs in Nguyen et al. 2015, section 2.3.
    """

    spread: float = 0.1
    rate: float = 1.0

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        if self.spread <= 0:
            raise StriateError(f"spread is {self.spread:g}", accepted="a number above 0")

    @property
    def words(self) -> str:
        """What it changes."""
        return f"Gaussian steps of {self.spread:g} at {100 * self.rate:g} %"

    def __call__(self, z: Tensor, ids: Tensor, rng: Rng, *, step: int) -> Tensor:
        """Changed free numbers."""
        chosen = rng.child("rate").uniform(ids, z.shape[1:], step=step).to(z) < self.rate
        return z + chosen * self.spread * rng.child("change").normal(ids, z.shape[1:], step=step).to(z)


@dataclass(frozen=True)
class PolynomialMutation:
    """Each number is changed with a chance of ``rate`` by a polynomially distributed share of the range [0, 1].

    The rate falls by half every ``halving`` steps.

    Source: Deb & Goyal 1996, section 4 (distribution index ``index``); constants: Nguyen et al. 2015, section 2.3.
    """

    index: float = 15.0
    rate: float = 0.1
    halving: int = 1000

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        if self.index < 0 or self.halving < 1:
            raise StriateError(f"index is {self.index:g}, halving {self.halving}", accepted="at least 0 and at least 1")

    @property
    def words(self) -> str:
        """What it changes."""
        return f"polynomial mutation of {100 * self.rate:g} %"

    def __call__(self, z: Tensor, ids: Tensor, rng: Rng, *, step: int) -> Tensor:
        """Changed free numbers, not yet in their range."""
        rate = self.rate * 0.5 ** (step // self.halving)
        chosen = rng.child("rate").uniform(ids, z.shape[1:], step=step).to(z) < rate
        u = rng.child("change").uniform(ids, z.shape[1:], step=step).to(z)
        power = 1 / (self.index + 1)
        change = torch.where(u < 0.5, (2 * u) ** power - 1, 1 - (2 * (1 - u)) ** power)
        return z + chosen * change


DIRECT = PolynomialMutation()


@dataclass(frozen=True)
class MapElites:
    """One archive with a niche for each row of the start; each child competes in all niches at once.

    Each step breeds so many children, each of a parent drawn among all filled niches, for one forward pass each. A
    child takes each niche in which it scores higher; of the children of one step the best one does. The keep sees what
    a niche holds at the end, or after every ``offer`` steps (a forward pass a niche); before that only a child that
    reaches the goal of the row it was bred for.

    The niches share one archive, so this is no search image by image: what a row gets depends on the others.

    Args:
        niches: Scores (n, K) of an image in each of as many niches as there are rows; -inf where it does not belong.
            The objective of `solve` gives the score of a row's own niche.
        mutation: How a child differs from its parent.
        children: Bred each step, for the rows that are not done in turn; None is one for each of them. More use a batch
            better where niches are few, fewer take the better parents sooner where there are many.
        offer: Steps between looks at what the niches hold; 0 is at the end alone.

    Source: Mouret & Clune 2015, section 3; all classes at once: Nguyen et al. 2015, section 2.3.
    """

    niches: Objective
    mutation: Mutation = DIRECT
    children: int | None = None
    offer: int = 0

    def __post_init__(self) -> None:
        if self.children is not None and self.children < 1:
            raise StriateError(f"children is {self.children}", accepted="at least 1 a step, or None for one a row")
        if self.offer < 0:
            raise StriateError(f"offer is {self.offer}", accepted="at least 0 steps")

    @property
    def words(self) -> str:
        """How it searches."""
        bred = "a child a niche" if self.children is None else f"{self.children} children"
        return f"MAP-Elites over {self.niches.words}, {bred} a step, {self.mutation.words}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """A generation for each value yielded, which holds what the niches hold.

        Raises:
            StriateError: The niches are not as many as the rows.
        """
        archive = problem.start.clone()
        best = torch.full((len(archive),), -torch.inf, dtype=archive.dtype, device=archive.device)
        rows = problem.alive
        archive, best = self._entered(problem, archive, best, archive[rows], rows)
        for step in range(problem.steps):
            alive = problem.alive
            if len(alive) == 0:
                return
            count = len(alive) if self.children is None else self.children
            turn = torch.arange(step * count, (step + 1) * count, device=alive.device) % len(alive)
            children = self._children(problem, archive, best, alive[turn], step)
            archive, best = self._entered(problem, archive, best, children, alive[turn])
            if self.offer > 0 and (step + 1) % self.offer == 0:
                problem.ask(archive, rows=(best > -torch.inf).nonzero().squeeze(1), grad=False)
            problem.report(best[alive], alive)
            yield archive

    def _children(self, problem: Problem, archive: Tensor, best: Tensor, rows: Tensor, step: int) -> Tensor:
        filled = (best > -torch.inf).nonzero().squeeze(1)
        parents = filled if len(filled) > 0 else torch.arange(len(best), device=best.device)
        rng, ids = problem.rng.child("elites"), torch.arange(len(rows))
        drawn = rng.child("parent").integers(ids, high=len(parents), step=step).to(parents.device)
        changed = self.mutation(archive[parents[drawn]], ids, rng.child("mutation"), step=step)
        return problem.project(changed, rows)

    def _entered(
        self, problem: Problem, archive: Tensor, best: Tensor, children: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Archive and scores once each child, bred for one of these rows, has competed in every niche."""
        scores = problem.ask_each(children, rows, objective=self.niches)
        if scores.ndim != 2 or scores.shape[1] != len(best):
            raise StriateError(
                f"niches {self.niches.words} gave scores {tuple(scores.shape)} for {len(best)} rows",
                accepted="a score for each row's niche",
            )
        top, child = scores.to(best).max(0)
        won = top > best
        archive = archive.index_copy(0, won.nonzero().squeeze(1), children[child[won]])
        return archive, torch.where(won, top, best)
