"""CMA-ES: a Gaussian for each image whose covariance follows the score, without a gradient."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.problem import Problem

MOST = 2000  # numbers of a full covariance: its eigenvectors take seconds a step beyond


@dataclass(frozen=True)
class CovarianceAdaptation:
    """Candidates of a Gaussian for each image, which moves to the better ones and takes on their covariance.

    Made by the package ``cmaes`` (Nomura & Shibata 2024), which the extra ``evolve`` brings, seeded for each image by
    its id. A candidate outside of the region is looked at where it is projected, and ranked as if its score were lower
    by the squared distance over ``spread^2`` a number, times the middle half of the generation's range of scores. A row
    whose Gaussian has shrunk to nothing leaves. Each step costs one forward pass a candidate.

    Args:
        spread: Deviation of the first generation, in units of the free numbers.
        population: Candidates a step; None is 4 + 3 ln(D) for D free numbers.
        separable: Whether only the variances adapt, so that time and memory are linear in D.

    Raises:
        StriateError: The package is missing, or D is above 2000 and the covariance full.

    Source: Hansen & Ostermeier 2001, as in Hansen 2016; separable: Ros & Hansen 2008; limits in the manner of Hansen
    et al. 2009, without their adapted weights.
    """

    spread: float = 0.1
    population: int | None = None
    separable: bool = False

    def __post_init__(self) -> None:
        if self.spread <= 0:
            raise StriateError(f"spread is {self.spread:g}", accepted="a number above 0")
        if self.population is not None and self.population < 2:
            raise StriateError(f"population is {self.population}", accepted="at least 2, or None")

    @property
    def words(self) -> str:
        """How it searches."""
        return f"{'separable ' if self.separable else ''}CMA-ES from {self.spread:g}"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One generation for each value yielded, which holds the best of each row so far."""
        z = problem.start.clone()
        best = torch.full((len(z),), -torch.inf, dtype=z.dtype, device=z.device)
        rows = problem.alive
        best[rows] = problem.ask_many(z[:, None], rows=rows)[:, 0]
        states = self._states(problem)
        for _ in range(problem.steps):
            rows = problem.alive
            if len(rows) == 0:
                return
            drawn = np.stack([[states[row].ask() for _ in range(states[row].population_size)] for row in rows.tolist()])
            points = torch.from_numpy(drawn).to(z).view(len(rows), -1, *z.shape[1:])
            held = torch.stack([problem.project(each, rows) for each in points.unbind(1)], 1)
            many = z.new_zeros(len(z), *held.shape[1:])
            many[rows] = held
            scores = problem.ask_many(many, rows=rows)
            outside = ((points - held) / self.spread).flatten(2).to(torch.float64).square().mean(2)
            losses = _losses(scores.to(torch.float64), outside)
            for row, candidates, loss in zip(rows.tolist(), drawn, losses, strict=True):
                states[row].tell(list(zip(candidates, loss, strict=True)))
            over = [row for row in rows.tolist() if states[row].should_stop()]
            problem.leave(torch.tensor(over, dtype=torch.int64, device=rows.device))
            score, chosen = scores.max(1)
            better = score > best[rows]
            at = rows[better]
            z = z.index_copy(0, at, many[at, chosen[better]])
            best[at] = score[better]
            problem.report(best[rows], rows)
            yield z

    def _states(self, problem: Problem) -> list[Any]:
        size = problem.start[0].numel()
        if size > MOST and not self.separable:
            raise StriateError(
                f"CMA-ES over {size} free numbers", accepted=f"at most {MOST}", hint="set separable, or use a canvas"
            )
        try:
            package: Any = importlib.import_module("cmaes")
        except ImportError as error:
            raise StriateError(
                "CMA-ES without the package cmaes", accepted="cmaes installed", hint='pip install "striate[evolve]"'
            ) from error
        kind = package.SepCMA if self.separable else package.CMA
        seeds = problem.rng.child("cma").integers(problem.ids, (1,), high=1 << 31).flatten().tolist()
        means = problem.start.detach().cpu().to(torch.float64).flatten(1).numpy()
        return [
            kind(mean=mean, sigma=self.spread, seed=seed, population_size=self.population)
            for mean, seed in zip(means, seeds, strict=True)
        ]


def _losses(scores: Tensor, outside: Tensor) -> list[list[float]]:
    """What the Gaussians lower: minus the scores (n, P), raised for squared distances from the region."""
    finite = scores.isfinite()
    worst = torch.where(finite, scores, torch.inf).amin(1, keepdim=True)
    known = torch.where(finite, scores, torch.where(worst.isfinite(), worst, 0.0))
    quarters = known.quantile(torch.tensor([0.25, 0.75], dtype=known.dtype, device=known.device), dim=1)
    losses: list[list[float]] = (outside * (quarters[1] - quarters[0])[:, None] - known).tolist()
    return losses
