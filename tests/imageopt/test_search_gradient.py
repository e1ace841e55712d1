from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles.imageopt_searches import lowest_in_box, momentum_iterates, quadratic, two_loops
from striate.core.errors import StriateError
from striate.imageopt.found import Found
from striate.imageopt.goal import Goal
from striate.imageopt.objective import Objective, Seen, Term, logit
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.curvature import Curvature
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import Moment, solve
from striate.nets.net import Net

WIDE = Box(-100.0, 100.0)


class Nothing(nn.Module):
    """A net whose output nobody reads; it counts the images that pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return x.flatten(1)[:, :2]


def net_of(size: int) -> Net:
    net = Net(Nothing(), channels=1, size=(1, size))
    net.sites((1, size))
    net.module.seen.clear()
    return net


def raised(score: Callable[[Tensor], Tensor], name: str = "score") -> Objective:
    return Term(name, lambda seen: score(seen.images.flatten(1)))


def concave(matrix: np.ndarray, linear: np.ndarray) -> Objective:
    a, b = torch.from_numpy(matrix), torch.from_numpy(linear)
    return raised(lambda x: x @ b - 0.5 * ((x @ a) * x).sum(1))


def rosenbrock() -> Objective:
    return raised(lambda x: -(100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1))


def climbed(objective: Objective, start: Tensor, search: object, steps: int, **more: object) -> Found:
    given = {"within": WIDE} | more
    return solve(net_of(start.shape[-1]), objective, start=start, search=search, steps=steps, **given)


@pytest.mark.parametrize("size", [2, 5, 9])
def test_on_a_quadratic_lbfgs_with_exact_steps_ends_after_as_many_as_dimensions(size: int) -> None:
    """With full memory and exact line searches it makes the iterates of conjugate gradients (Nazareth 1979)."""
    matrix, linear = quadratic(size, seed=size, condition=50.0)
    exact = np.linalg.solve(matrix, linear)
    start = torch.randn(3, 1, 1, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    search = LBFGS(memory=size, ascent=1e-6, slope=1e-5, tolerance=1e-9)
    found = climbed(concave(matrix, linear), start, search, size + 2)
    for row in range(3):
        np.testing.assert_allclose(found.images[row].flatten().numpy(), exact, atol=1e-5)
    loose = climbed(concave(matrix, linear), start, LBFGS(memory=size, tolerance=1e-8), 60)
    assert len(loose.history) - 1 < 60
    np.testing.assert_allclose(loose.images[0].flatten().numpy(), exact, atol=1e-6)


@pytest.mark.parametrize("condition", [10.0, 1000.0])
def test_in_a_box_lbfgs_ends_where_scipys_does(condition: float) -> None:
    size = 12
    matrix, linear = quadratic(size, seed=4, condition=condition)
    linear = linear * condition / 5
    exact = lowest_in_box(matrix, linear, 0.0, 1.0)
    assert 2 <= int(((exact == 0) | (exact == 1)).sum()) < size
    start = torch.rand(4, 1, 1, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = climbed(concave(matrix, linear), start, LBFGS(tolerance=1e-9), 200, within=Box())
    for row in range(4):
        np.testing.assert_allclose(found.images[row].flatten().numpy(), exact, atol=1e-5)
    assert len(found.history) < 100


def test_in_a_ball_lbfgs_ends_at_the_trust_region_solution() -> None:
    """max b'x over ||x - c|| <= r is at c + r b / |b|."""
    b = torch.tensor([3.0, -4.0, 0.0]).double()
    start = torch.full((2, 1, 1, 3), 0.5, dtype=torch.float64)
    bent = raised(lambda x: x @ b - 0.1 * x.square().sum(1).square())
    found = climbed(bent, start, LBFGS(), 60, within=Ball(start, 0.2, 2.0) & Box())
    finer = climbed(bent, start, Steepest(0.01), 400, within=Ball(start, 0.2, 2.0) & Box())
    assert bool((found.scores >= finer.scores - 1e-5).all())
    line = climbed(raised(lambda x: x @ b), start, LBFGS(), 10, within=Ball(start, 0.2, 2.0) & Box())
    expected = 0.5 + 0.2 * b / 5
    torch.testing.assert_close(line.images[0].flatten(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lbfgs_climbs_rosenbrocks_valley_and_each_row_leaves_when_it_rests(dtype: torch.dtype) -> None:
    start = torch.tensor([[-1.2, 1.0], [1.0, 1.0], [0.0, 0.0], [-1.0, 2.0]], dtype=dtype).view(4, 1, 1, 2)
    net = net_of(2)
    found = solve(net, rosenbrock(), start=start, search=LBFGS(tolerance=1e-6), steps=80, within=WIDE)
    near = 1e-5 if dtype == torch.float64 else 5e-3
    torch.testing.assert_close(found.images, torch.ones_like(start), atol=near, rtol=0)
    assert len(found.history) <= 60
    assert bool(found.history[1:, 1].isnan().all())  # it began at the top
    assert sum(net.module.seen) == found.passes["forward"]
    assert found.passes["forward"] < 4 * 75 + 4


def test_every_step_ends_where_the_strong_wolfe_conditions_hold() -> None:
    points: list[Tensor] = []
    start = torch.tensor([[-1.2, 1.0], [0.3, -0.7]], dtype=torch.float64).view(2, 1, 1, 2)
    climbed(rosenbrock(), start, LBFGS(), 12, callback=lambda moment: points.append(moment.z.flatten(1)))
    visited = [start.flatten(1), *points]
    for before, after in pairwise(visited):
        slopes, scores = [], []
        for x in (before, after):
            leaf = x.clone().requires_grad_(True)
            score = -(100 * (leaf[:, 1] - leaf[:, 0] ** 2) ** 2 + (1 - leaf[:, 0]) ** 2)
            slopes.append((torch.autograd.grad(score.sum(), leaf)[0] * (after - before)).sum(1))
            scores.append(score.detach())
        assert bool((scores[1] >= scores[0] + 1e-4 * slopes[0] - 1e-12).all())
        assert bool((slopes[1].abs() <= 0.9 * slopes[0] + 1e-12).all())


def test_the_batched_two_loops_are_the_explicit_matrix_of_each_row() -> None:
    draw = np.random.default_rng(0)
    z = torch.zeros(3, 1, 1, 5, dtype=torch.float64)
    curvature, pairs = Curvature.empty(z, 3), {row: [] for row in range(3)}
    for turn in range(5):
        for row in range(turn % 3, 3):
            s = draw.normal(size=5)
            y = s * draw.uniform(0.5, 2.0, 5)
            pairs[row].append((s, y))
            curvature.add(torch.tensor([row]), torch.from_numpy(s)[None], torch.from_numpy(y)[None])
    grad = torch.from_numpy(draw.normal(size=(3, 1, 1, 5)))
    rows = torch.tensor([2, 0, 1])
    ours = curvature.direction(grad, torch.ones_like(grad, dtype=torch.bool), rows).flatten(1).numpy()
    for place, row in enumerate(rows.tolist()):
        expected = two_loops(pairs[row][-3:], grad[place].flatten().numpy())
        np.testing.assert_allclose(ours[place], expected, rtol=1e-10)


def test_numbers_that_are_held_have_no_direction() -> None:
    z = torch.zeros(1, 1, 1, 3, dtype=torch.float64)
    curvature = Curvature.empty(z, 2)
    step = torch.tensor([[1.0, 2.0, -1.0]]).double()
    curvature.add(torch.tensor([0]), step, step * torch.tensor([1.0, 2.0, 3.0]))
    free = torch.tensor([True, False, True]).view(1, 1, 1, 3)
    ours = curvature.direction(torch.ones_like(z), free, torch.tensor([0])).flatten()
    s, y = np.array([1.0, -1.0]), np.array([1.0, -3.0])
    np.testing.assert_allclose(ours[[0, 2]].numpy(), two_loops([(s, y)], np.ones(2)))
    assert float(ours[1]) == 0


def test_momentums_steps_are_those_of_the_paper_by_hand() -> None:
    gradients = [np.array([0.3, -0.1, 0.05]), np.array([-1.0, -2.0, 0.1]), np.array([-9.0, 1.0, -0.3])]
    turn = iter(gradients)

    def score(seen: Seen) -> Tensor:
        weights = torch.from_numpy(next(turn)) if torch.is_grad_enabled() else torch.zeros(3, dtype=torch.float64)
        return seen.images.flatten(1) @ weights

    start = torch.full((1, 1, 1, 3), 0.5, dtype=torch.float64)
    places: list[Tensor] = []
    climbed(
        Term("given gradients", score),
        start,
        Steepest(0.02, momentum=0.9),
        3,
        within=Ball(start, 0.05) & Box(),
        callback=lambda moment: places.append(moment.z.flatten()),
    )
    expected = momentum_iterates(
        gradients, np.full(3, 0.5), size=0.02, decay=0.9, low=np.full(3, 0.45), high=np.full(3, 0.55)
    )
    np.testing.assert_allclose(torch.stack(places).numpy(), expected, atol=1e-12)


def test_a_falling_step_settles_where_a_fixed_one_swings() -> None:
    roof = raised(lambda x: -(x - 0.62).abs().sum(1))
    start = torch.full((1, 1, 1, 4), 0.3)
    ends = {}
    for falling in (False, True):
        places: list[Tensor] = []
        search = Steepest(0.05, norm=math.inf, falling=falling)
        climbed(roof, start, search, 60, callback=lambda moment, places=places: places.append(moment.z))
        ends[falling] = float((places[-1] - 0.62).abs().max())
    assert ends[True] < 1e-3 < ends[False]
    assert Steepest(0.05, falling=True).words == "steepest ascent by 0.05, falling to 0"


def test_a_callback_may_look_at_what_would_be_returned_if_the_search_ended_there() -> None:
    kept: list[Tensor] = []

    def watch(moment: Moment) -> bool:
        kept.append(moment.kept())
        return moment.step == 2

    start = torch.full((1, 1, 1, 2), 0.5)
    total = raised(lambda x: x.sum(1))
    found = climbed(total, start, Steepest(0.1), 9, within=Box(), callback=watch)
    torch.testing.assert_close(kept[0], start)
    torch.testing.assert_close(kept[1], start + 0.1)
    torch.testing.assert_close(found.images, start + 0.2)


def test_rows_without_a_rise_leave_after_the_patience_given() -> None:
    def score(seen: Seen) -> Tensor:
        return torch.where(seen.rows == 1, 1.0, 0.0) * seen.images.flatten(1).sum(1)

    net, start = net_of(2), torch.full((2, 1, 1, 2), 0.5)
    found = solve(net, Term("one rises", score), start=start, search=Steepest(0.01), steps=8, patience=3)
    assert found.history[:, 0].isnan().tolist() == [False] * 4 + [True] * 5
    assert not bool(found.history[:, 1].isnan().any())
    assert found.flat.tolist() == [True, False]
    assert "no slope (0 or not finite) for 1 of 2 images, first for image 0" in found.notes[0]


@pytest.mark.parametrize("search", [Steepest(0.1), LBFGS()], ids=["steepest", "lbfgs"])
def test_a_score_that_stops_being_a_number_is_named_and_what_was_made_is_kept(search: object) -> None:
    def score(x: Tensor) -> Tensor:
        total = x.sum(1)
        return torch.where(total > 1.25, torch.nan, total)

    start = torch.tensor([[0.5, 0.5], [0.1, 0.1]]).view(2, 1, 1, 2)
    found = climbed(raised(score, "cliff"), start, search, 3, within=Box())
    assert bool(found.scores.isfinite().all())
    assert bool((found.scores >= start.flatten(1).sum(1)).all())
    assert found.notes[0].startswith("cliff was not a number for ")
    assert "at step" in found.notes[0]


def test_an_ascent_below_the_scores_rounding_ends_a_row_at_once() -> None:
    start = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    faint = raised(lambda x: 1e6 + 1e-8 * x.sum(1))
    found = climbed(faint, start, LBFGS(tolerance=0.0), 50, within=Box())
    assert found.passes["forward"] <= 3
    assert torch.equal(found.images, start)


def test_a_row_that_reaches_its_goal_in_a_line_search_costs_nothing_more() -> None:
    goal = Goal("a score above -100", lambda seen: seen.images.flatten(1)[:, 0] > -1.1, frozenset())
    start = torch.tensor([[-1.2, 1.0], [-1.2, 1.0]], dtype=torch.float64).view(2, 1, 1, 2)
    net = net_of(2)
    found = solve(net, rosenbrock(), start=start, search=LBFGS(), steps=50, within=WIDE, goal=goal, keep="first")
    assert bool(found.success.all())
    assert found.passes["forward"] == sum(net.module.seen) < 30


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LBFGS(memory=0), "memory is 0"),
        (lambda: LBFGS(ascent=0.5, slope=0.1), "ascent is 0.5, slope 0.1"),
        (lambda: LBFGS(tolerance=-1.0), "tolerance is -1"),
        (lambda: LBFGS(evaluations=0), "evaluations 0"),
        (
            lambda: solve(net_of(2), logit(0), start=torch.zeros(1, 1, 1, 2), search=LBFGS(), steps=2, patience=0),
            "patience is 0",
        ),
    ],
)
def test_searches_that_cannot_be_are_refused_with_their_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make()


def test_steps_in_the_mean_divide_the_gradient_by_its_mean_absolute_value_image_by_image() -> None:
    slopes = torch.tensor([[3.0, -1.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0], [1e-30, 0.0, 0.0, 1e-30]], dtype=torch.float64)
    objective = Term("slopes", lambda seen: (seen.images.flatten(1) * slopes[seen.rows]).sum(1))
    start = torch.zeros(3, 1, 1, 4, dtype=torch.float64)
    found = climbed(objective, start, Steepest(0.5, norm="mean"), 2, keep="last")
    expected = torch.tensor([[1.5, -0.5, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(found.images.flatten(1), expected, atol=1e-12, rtol=0)
    assert found.origin["search"] == "steepest ascent by 0.5 in the mean"
