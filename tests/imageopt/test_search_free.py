from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles.imageopt_elites import archive_of
from oracles.imageopt_searches import polynomial_change
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.found import Found
from striate.imageopt.goal import Goal
from striate.imageopt.objective import Objective, Seen, Term
from striate.imageopt.problem import Problem
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.covariance import CovarianceAdaptation
from striate.imageopt.search.elites import GaussianMutation, MapElites, PolynomialMutation
from striate.imageopt.search.evolution import DifferentialEvolution, partners
from striate.imageopt.search.random import RandomSearch
from striate.imageopt.solve import solve
from striate.nets.net import Net

FREE = {
    "random": RandomSearch(0.05, tries=3),
    "random, whole": RandomSearch(tries=3),
    "evolution": DifferentialEvolution(6, crossover=0.9),
    "cma": CovarianceAdaptation(0.05),
    "cma, separable": CovarianceAdaptation(0.05, separable=True),
}


class Nothing(nn.Module):
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


def wide(seen: Seen) -> Tensor:
    """The pixels as numbers from -5.12 to 5.12, where the test functions live."""
    return 10.24 * seen.images.flatten(1) - 5.12


def sphere(centre: float = 0.0) -> Objective:
    return Term("sphere", lambda seen: -(wide(seen) - centre).square().sum(1))


def rastrigin() -> Objective:
    def score(seen: Seen) -> Tensor:
        x = wide(seen)
        return -(10 * x.shape[1] + (x.square() - 10 * (2 * math.pi * x).cos()).sum(1))

    return Term("rastrigin", score)


def started(rows: int, size: int, seed: int = 0) -> Tensor:
    drawn = torch.rand(rows, 1, 1, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.1 + 0.8 * drawn


def searched(
    objective: Objective, search: object, steps: int, *, rows: int = 4, size: int = 4, **more: object
) -> Found:
    if isinstance(search, CovarianceAdaptation):
        pytest.importorskip("cmaes")
    given = {"start": started(rows, size), "within": Box()} | more
    return solve(net_of(size), objective, search=search, steps=steps, **given)


@pytest.mark.parametrize(
    ("search", "steps", "error"),
    [
        (RandomSearch(0.05, tries=4, falling=True), 400, 1e-2),
        (DifferentialEvolution(20, crossover=0.9), 80, 1e-3),
        (CovarianceAdaptation(0.1), 80, 1e-6),
        (CovarianceAdaptation(0.1, separable=True), 80, 1e-6),
    ],
    ids=["random", "evolution", "cma", "separable"],
)
def test_the_sphere_in_four_dimensions_is_solved_within_1600_candidates(
    search: object, steps: int, error: float
) -> None:
    found = searched(sphere(1.0), search, steps)
    assert found.passes["forward"] <= 4 * 1700
    assert found.passes["backward"] == 0
    assert bool((found.scores > -error).all()), found.scores


def test_rastrigins_many_peaks_are_left_by_evolution_and_not_by_small_steps() -> None:
    found = searched(rastrigin(), DifferentialEvolution(40, crossover=0.2), 120, size=3)
    assert bool((found.scores > -1e-3).all())
    hill = searched(rastrigin(), RandomSearch(0.005), 1000, size=3)
    assert float(hill.scores.min()) < -1


@pytest.mark.parametrize("search", [search for name, search in FREE.items() if "cma" not in name])
def test_the_whole_box_is_searched_without_ever_leaving_it(search: object) -> None:
    seen: list[Tensor] = []

    def score(look: Seen) -> Tensor:
        seen.append(look.images.flatten(1))
        return look.images.flatten(1).sum(1)

    found = searched(Term("sum", score), search, 20, within=Box(0.05, 0.95))
    every = torch.cat(seen)
    assert float(every.max()) <= 0.95
    assert float(every.min()) >= 0.05
    assert bool((found.scores > started(4, 4).flatten(1).sum(1)).all())
    torch.testing.assert_close(found.scores, every.sum(1).amax().expand(4), atol=2, rtol=0)


@pytest.mark.parametrize("search", [CovarianceAdaptation(0.05), CovarianceAdaptation(0.05, separable=True)])
def test_cma_finds_a_corner_of_the_region_though_it_samples_beyond(search: CovarianceAdaptation) -> None:
    found = searched(Term("sum", lambda seen: seen.images.flatten(1).sum(1)), search, 60)
    torch.testing.assert_close(found.scores, torch.full((4,), 4.0).double(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("search", FREE.values(), ids=FREE)
def test_what_a_row_finds_does_not_depend_on_its_neighbours_and_passes_are_counted(search: object) -> None:
    if isinstance(search, CovarianceAdaptation):
        pytest.importorskip("cmaes")
    start, ids = started(5, 4), torch.tensor([3, 1, 4, 9, 5])
    net = net_of(4)
    given = {"search": search, "steps": 6}
    whole = solve(net, rastrigin(), start=start, ids=ids, **given)
    assert sum(net.module.seen) == whole.passes["forward"]
    assert whole.passes["backward"] == 0
    for rows in ([2], [4, 1, 0]):
        part = solve(net_of(4), rastrigin(), start=start[rows], ids=ids[rows], **given)
        torch.testing.assert_close(part.scores, whole.scores[rows], rtol=1e-12, atol=0)
        torch.testing.assert_close(part.history, whole.history[:, rows], rtol=1e-12, atol=0, equal_nan=True)
    small = solve(net_of(4), rastrigin(), start=start, ids=ids, memory=1, **given)
    torch.testing.assert_close(small.scores, whole.scores, rtol=1e-12, atol=0)
    other = solve(net_of(4), rastrigin(), start=start, ids=ids, seed=1, **given)
    assert not torch.equal(other.images, whole.images)
    rising = whole.history.cummax(0).values
    torch.testing.assert_close(rising[-1], whole.scores)


@pytest.mark.parametrize("search", FREE.values(), ids=FREE)
def test_rows_that_reached_their_goal_get_no_more_candidates(search: object) -> None:
    if isinstance(search, CovarianceAdaptation):
        pytest.importorskip("cmaes")
    near = torch.full((2, 1, 1, 4), 0.5, dtype=torch.float64)
    near[1] = 0.8
    goal = Goal("near 0", lambda seen: wide(seen).square().sum(1) < 0.1, frozenset())
    net = net_of(4)
    found = solve(net, sphere(), start=near, search=search, steps=2, goal=goal, keep="first")
    assert found.success[0]
    assert found.step.tolist()[0] == 0
    assert torch.equal(found.images[0], near[0])
    alone = net_of(4)
    solve(alone, sphere(), start=near[1:], search=search, steps=2, goal=goal, keep="first")
    first = search.population - 1 if isinstance(search, DifferentialEvolution) else 0
    assert sum(net.module.seen) == sum(alone.module.seen) + 1 + first


def test_the_three_partners_differ_from_each_other_and_from_the_member() -> None:
    ids = torch.arange(200)
    first, second, third = partners(ids, 5, Rng(0), 3)
    four = torch.stack([torch.arange(5).expand(200, -1), first, second, third], -1).sort(-1).values
    assert bool((four.diff(dim=-1) > 0).all())
    assert int(four.max()) == 4
    for each in (first, second, third):  # uniform over the other four: 50 of 200 expected, deviation 6.1
        counts = torch.stack([(each == k).sum(0) for k in range(5)])
        away = counts[~torch.eye(5, dtype=torch.bool)]
        assert int(away.min()) > 25
        assert int(away.max()) < 75


def test_a_child_is_the_mutant_where_it_crossed_and_its_parent_elsewhere() -> None:
    """One number at least comes from the mutant; with CR 0 exactly one."""
    seen: list[Tensor] = []

    def score(look: Seen) -> Tensor:
        seen.append(look.images.flatten(1).clone())
        return torch.zeros(len(look.images), dtype=torch.float64)

    searched(Term("flat", score), DifferentialEvolution(5, crossover=0.0), 1, rows=1, size=6)
    parents, children = seen[0], seen[1]
    assert (children != parents).sum(1).tolist() == [1] * 5
    at = (children != parents).int().argmax(1)
    for member in range(5):
        place = at[member]
        others = [k for k in range(5) if k != member]
        made = {
            round(float(parents[a, place] + 0.5 * (parents[b, place] - parents[c, place])), 9)
            for a in others
            for b in others
            for c in others
            if len({a, b, c}) == 3
        }
        made |= {min(max(value, 0.0), 1.0) for value in made}
        assert round(float(children[member, place]), 9) in made


def test_candidates_that_are_no_numbers_are_passed_over() -> None:
    def score(seen: Seen) -> Tensor:
        total = -seen.images.flatten(1).square().sum(1)
        return torch.where(seen.images.flatten(1)[:, 0] > 0.6, torch.nan, total)

    for name, search in FREE.items():
        if "cma" in name:
            pytest.importorskip("cmaes")
        start = started(3, 4).clamp(max=0.55)
        found = searched(Term("half", score), search, 8, start=start)
        assert bool(found.scores.isfinite().all()), name
        assert bool((found.scores >= -start.flatten(1).square().sum(1)).all()), name


def test_without_the_package_cma_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(StriateError, match=r"CMA-ES without the package cmaes.*striate\[evolve\]"):
        solve(net_of(2), sphere(), start=started(1, 2), search=CovarianceAdaptation(), steps=1)


def test_a_covariance_too_large_is_refused_before_it_is_made() -> None:
    start = torch.zeros(1, 1, 1, 2001)
    with pytest.raises(StriateError, match="CMA-ES over 2001 free numbers"):
        solve(net_of(2001), sphere(), start=start, search=CovarianceAdaptation(), steps=1)


def niches_of(cells: int) -> Objective:
    """The niche of an image is the cell of [0, 1] its first value falls into; its quality is its second value."""

    def score(seen: Seen) -> Tensor:
        x = seen.images.flatten(1)
        cell = (x[:, 0] * cells).floor().clamp(0, cells - 1).long()
        every = torch.full((len(x), cells), -torch.inf, dtype=x.dtype)
        return every.scatter(1, cell[:, None], x[:, 1:2])

    return Term("niches", score)


def own_niche(cells: int) -> Objective:
    every = niches_of(cells)
    return Term("own niche", lambda seen: every(seen).gather(1, seen.rows[:, None]).squeeze(1))


def test_map_elites_fills_a_known_map_with_its_best() -> None:
    cells, net = 8, net_of(2)
    start = torch.full((cells, 1, 1, 2), 0.05)
    search = MapElites(niches_of(cells), GaussianMutation(0.15))
    found = solve(net, own_niche(cells), start=start, search=search, steps=300)
    place = found.images.flatten(1)[:, 0] * cells
    assert place.floor().clamp(max=cells - 1).tolist() == list(range(cells))
    assert bool((found.scores > 0.999).all())
    assert found.passes["forward"] == sum(net.module.seen) == cells * (1 + 300 + 1)
    rising = found.history[:-1]
    assert bool((rising.diff(dim=0).nan_to_num(0.0) >= 0).all())


@pytest.mark.parametrize("children", [1, 3, 11])
def test_every_niche_holds_the_best_child_ever_seen(children: int) -> None:
    """What the net was shown is replayed by the oracle: the archive is its, after each step, and never falls."""
    niches, bred = 4, []
    wish = torch.randn(2, niches, generator=torch.Generator().manual_seed(3)).double()

    def every(seen: Seen) -> Tensor:
        scores = (3 * seen.images.flatten(1) @ wish).sin()
        bred.extend(zip(seen.images.flatten(1).tolist(), scores.tolist(), strict=True))
        return scores

    own = Term("own", lambda seen: (3 * seen.images.flatten(1) @ wish).sin().gather(1, seen.rows[:, None]).squeeze(1))
    start = torch.rand(niches, 1, 1, 2, generator=torch.Generator().manual_seed(4)).double()
    held = []
    net = net_of(2)
    search = MapElites(Term("every", every), GaussianMutation(0.1), children)
    found = solve(net, own, start=start, search=search, steps=12, callback=lambda moment: held.append(moment.z.clone()))
    generations = [bred[:niches], *(bred[niches + k * children :][:children] for k in range(12))]
    assert [len(each) for each in generations] == [niches] + [children] * 12
    after = archive_of(generations, niches)[1:]
    holders, scores = (
        torch.tensor([[each[k] for each in step] for step in after], dtype=torch.float64) for k in (0, 1)
    )
    assert torch.equal(torch.stack(held).flatten(2), holders)
    assert torch.equal(found.history[:-1], scores)
    assert bool((found.history[:-1].diff(dim=0) >= 0).all())
    assert found.passes["forward"] == sum(net.module.seen) == niches + 12 * children + niches


def test_children_are_bred_for_rows_in_turn_and_reach_their_goals_alone() -> None:
    """With fewer children than rows each row still gets its own; one that reaches its row's goal is kept at once."""
    cells, asked = 5, []

    def niches(seen: Seen) -> Tensor:
        asked.extend(seen.rows.tolist())
        return niches_of(cells)(seen)

    goal = Goal("row 3 alone", lambda seen: seen.rows == 3, frozenset())
    search = MapElites(Term("niches", niches), GaussianMutation(0.2), 2)
    start = torch.full((cells, 1, 1, 2), 0.1)
    found = solve(net_of(2), own_niche(cells), start=start, search=search, steps=5, goal=goal)
    assert asked[cells:] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert found.success.tolist() == [False, False, False, True, False]


def test_candidates_of_rows_in_any_order_are_kept_for_their_own_rows() -> None:
    """A search may name rows as it likes: three candidates of each, rows backwards; each row keeps its brightest."""

    class Backwards:
        words = "backwards"

        def __call__(self, problem: Problem) -> Iterator[Tensor]:
            rows = torch.tensor([2, 1, 0, 0, 1, 2, 1, 0, 2])
            values = torch.tensor([0.3, 0.2, 0.1, 0.7, 0.2, 0.9, 0.8, 0.4, 0.5])
            self.scores = problem.ask_each(values.view(-1, 1, 1, 1).expand(-1, 1, 1, 2), rows)
            one = problem.ask_each(torch.full((3, 1, 1, 2), 0.95) + 0.01 * torch.arange(3).view(3, 1, 1, 1), rows[:3])
            assert one.tolist() == pytest.approx([0.95, 0.96, 0.97])
            yield problem.start

    search, bright = Backwards(), Term("bright", lambda seen: seen.images.flatten(1).mean(1))
    found = solve(net_of(2), bright, start=torch.zeros(3, 1, 1, 2), search=search, steps=1)
    assert search.scores.tolist() == pytest.approx([0.3, 0.2, 0.1, 0.7, 0.2, 0.9, 0.8, 0.4, 0.5])
    assert found.images[:, 0, 0, 0].tolist() == pytest.approx([0.97, 0.96, 0.95])


def test_map_elites_offers_its_niches_to_the_keep_and_rows_leave() -> None:
    cells, net = 4, net_of(2)
    goal = Goal("quality above .5", lambda seen: own_niche(cells)(seen) > 0.5, frozenset())
    search = MapElites(niches_of(cells), GaussianMutation(0.2), offer=5)
    start = torch.full((cells, 1, 1, 2), 0.1)
    found = solve(net, own_niche(cells), start=start, search=search, steps=400, goal=goal, keep="first")
    assert bool(found.success.all())
    assert len(found.history) < 300
    assert bool((found.scores > 0.5).all())


def test_polynomial_mutation_follows_its_density() -> None:
    z = torch.zeros(500, 40, dtype=torch.float64)
    changed = PolynomialMutation(index=15.0, rate=0.5)(z, torch.arange(500), Rng(2), step=0)
    some = changed[changed != 0].numpy()
    assert len(some) / z.numel() == pytest.approx(0.5, abs=0.015)
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(np.quantile(some, shares), polynomial_change(shares, 15.0), atol=0.006)
    later = PolynomialMutation(rate=0.4, halving=10)(z, torch.arange(500), Rng(2), step=25)
    assert float((later != 0).double().mean()) == pytest.approx(0.1, abs=0.01)


def test_sparse_balls_are_searched_too() -> None:
    start = torch.full((3, 1, 1, 6), 0.5, dtype=torch.float64)
    within = Ball(start, 2, 0.0) & Box()
    bright = Term("sum", lambda seen: seen.images.flatten(1) @ torch.arange(1.0, 7.0).double())
    found = searched(bright, DifferentialEvolution(16, crossover=0.5), 30, size=6, start=start, within=within)
    assert bool((found.distances["0"] <= 2).all())
    assert bool((found.scores > bright_of(start) + 4.0).all())


def bright_of(images: Tensor) -> Tensor:
    return images.flatten(1) @ torch.arange(1.0, 7.0).double()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSearch(0.0), "spread is 0"),
        (lambda: RandomSearch(tries=0), "tries is 0"),
        (lambda: DifferentialEvolution(3), "population is 3"),
        (lambda: DifferentialEvolution(weight=0.0), "weight is 0"),
        (lambda: DifferentialEvolution(crossover=1.5), "crossover is 1.5"),
        (lambda: DifferentialEvolution(spread=-1.0), "spread is -1"),
        (lambda: CovarianceAdaptation(0.0), "spread is 0"),
        (lambda: CovarianceAdaptation(population=1), "population is 1"),
        (lambda: GaussianMutation(0.0), "spread is 0"),
        (lambda: GaussianMutation(rate=0.0), "rate is 0"),
        (lambda: PolynomialMutation(halving=0), "halving 0"),
        (lambda: MapElites(niches_of(2), offer=-1), "offer is -1"),
        (lambda: MapElites(niches_of(2), children=0), "children is 0"),
        (
            lambda: solve(
                net_of(2), own_niche(3), start=torch.zeros(2, 1, 1, 2), search=MapElites(niches_of(3)), steps=1
            ),
            r"niches niches gave scores \(2, 3\) for 2 rows",
        ),
    ],
)
def test_searches_that_cannot_be_are_refused_with_their_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make()
