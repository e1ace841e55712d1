from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.imageopt.goal import Goal
from striate.imageopt.objective import Seen, Term
from striate.imageopt.problem import Problem
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.estimated import Estimated, Samples
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.nets.net import Net

SIZE = 8
GENERATOR = torch.Generator().manual_seed(0)
ROOT = torch.randn(SIZE, SIZE, generator=GENERATOR, dtype=torch.float64)
CURVED, LINEAR = ROOT @ ROOT.T, torch.randn(SIZE, generator=GENERATOR, dtype=torch.float64)
NET = Net(nn.Flatten(), channels=1, size=(1, SIZE))


def quadratic(seen: Seen) -> Tensor:
    x = seen.images.flatten(1)
    return 0.5 * ((x @ CURVED) * x).sum(1) + x @ LINEAR


QUADRATIC = Term("quadratic", quadratic)


@dataclass(frozen=True)
class Listen:
    """Takes no step; remembers the gradients that it is given."""

    words: str = "listening"
    heard: list[Tensor] = field(default_factory=list)

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        self.heard.append(problem.ask(problem.start).gradient)
        yield problem.start


def estimate(samples: Samples, x: Tensor) -> Tensor:
    listen = Listen()
    solve(NET, QUADRATIC, start=x.view(-1, 1, 1, SIZE), search=Estimated(listen, samples), steps=1)
    return listen.heard[0].flatten(1)


@pytest.mark.parametrize("directions", ["normal", "signs"])
def test_estimates_of_a_quadratic_have_its_gradient_as_mean_and_the_known_spread(directions: str) -> None:
    """The mean of P d d'g has expectation g and variance (|g|^2 + g_i^2) / P for normals, minus g_i^2 for signs."""
    x, pairs = torch.linspace(0.2, 0.8, 3 * SIZE, dtype=torch.float64).view(3, SIZE), 40_000
    exact = x @ CURVED + LINEAR
    sign = 1 if directions == "normal" else -1
    spread = ((exact.square().sum(1, keepdim=True) + sign * exact.square()) / pairs).sqrt()
    error = (estimate(Samples(pairs, 0.01, directions), x) - exact) / spread
    assert float(error.abs().max()) < 4
    assert 0.5 < float(error.square().mean()) < 1.8


@pytest.mark.parametrize("directions", ["normal", "signs"])
def test_a_pixel_at_its_limit_has_half_its_slope(directions: str) -> None:
    x = torch.full((1, SIZE), 0.5, dtype=torch.float64)
    x[0, :2] = torch.tensor([0.0, 1.0])
    flat = Term("linear", lambda seen: seen.images.flatten(1) @ LINEAR)
    listen, pairs = Listen(), 40_000
    samples = Samples(pairs, 0.01, directions)
    solve(NET, flat, start=x.view(1, 1, 1, SIZE), search=Estimated(listen, samples), steps=1)
    expected = LINEAR.clone()
    expected[:2] /= 2
    spread = (2 * LINEAR.square().sum() / pairs).sqrt()
    assert float((listen.heard[0].flatten() - expected).abs().max()) < 4 * float(spread)


@pytest.mark.parametrize("search", [Steepest(0.02), Adam(0.02)])
def test_a_search_with_estimates_ends_where_it_ends_with_gradients(search: Steepest | Adam) -> None:
    """A linear score in an Linf ball: its optimum is a corner, which needs signs alone."""
    x = torch.full((2, 1, 1, SIZE), 0.5, dtype=torch.float64)
    linear = Term("linear", lambda seen: seen.images.flatten(1) @ LINEAR)
    ball = Ball(x, 0.1) & Box()
    found = solve(NET, linear, start=x, search=Estimated(search, Samples(50, 0.001)), steps=60, within=ball)
    best = 0.5 * float(LINEAR.sum()) + 0.1 * float(LINEAR.abs().sum())
    assert float(found.scores.min()) == pytest.approx(best, rel=0.02)
    assert found.passes == {"forward": 2 * (60 * 101 + 1), "backward": 0}


def test_a_row_that_a_sample_fools_leaves_and_keeps_the_sample() -> None:
    x = torch.full((2, 1, 1, SIZE), 0.5, dtype=torch.float64)
    x[1] = 0.1
    goal = Goal("first pixel above a half", lambda seen: seen.images.flatten(1)[:, 0] > 0.5, frozenset())
    found = solve(
        NET, QUADRATIC, start=x, search=Estimated(Steepest(0.0), Samples(4, 0.01)), steps=3, goal=goal, keep="first"
    )
    assert found.success.tolist() == [True, False]
    assert found.passes["forward"] == (1 + 8) + (3 * 9 + 1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Samples(0, 0.1), "pairs is 0"),
        (lambda: Samples(1, 0.0), "width is 0"),
        (lambda: Samples(1, 0.1, "other"), "directions are 'other'"),
    ],
)
def test_estimates_from_nothing_are_refused(make: object, said: str) -> None:
    with pytest.raises(StriateError, match=said):
        make()
