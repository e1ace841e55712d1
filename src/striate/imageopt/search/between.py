"""A problem between another and a search: what a search that changes its questions or answers is given."""

from __future__ import annotations

from torch import Tensor

from striate.core.rng import Rng
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Answer, Problem


class Between:
    """Hands everything on to the problem behind it, unless a subclass says otherwise."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.start, self.within, self.steps = problem.start, problem.within, problem.steps
        self.rng: Rng = problem.rng
        self.ids: Tensor = problem.ids

    @property
    def alive(self) -> Tensor:
        """As `Problem.alive`."""
        return self.problem.alive

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        """As `Problem.ask`."""
        return self.problem.ask(z, rows=rows, grad=grad, objective=objective)

    def ask_many(self, z: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """As `Problem.ask_many`."""
        return self.problem.ask_many(z, rows=rows)

    def ask_each(self, z: Tensor, rows: Tensor, *, objective: Objective | None = None) -> Tensor:
        """As `Problem.ask_each`."""
        return self.problem.ask_each(z, rows, objective=objective)

    def leave(self, rows: Tensor) -> None:
        """As `Problem.leave`."""
        self.problem.leave(rows)

    def report(self, scores: Tensor, rows: Tensor) -> None:
        """As `Problem.report`."""
        self.problem.report(scores, rows)

    def project(self, z: Tensor, rows: Tensor) -> Tensor:
        """As `Problem.project`."""
        return self.problem.project(z, rows)

    def random_start(self, draw: int = 0) -> Tensor:
        """As `Problem.random_start`."""
        return self.problem.random_start(draw)
