from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from oracles.attack_exact import distance_to_plane
from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.core.norms import norm_of
from striate.imageopt.goal import Goal, decision
from striate.imageopt.keep import Nearest
from striate.imageopt.objective import Seen, Term
from striate.imageopt.problem import Problem
from striate.imageopt.search.boundary import BoundaryWalk, around, pulled
from striate.imageopt.search.decided import between
from striate.imageopt.search.hop_skip_jump import HopSkipJump, less_mean
from striate.imageopt.solve import solve
from striate.nets.net import Net

SIZE = 6


def linear_net() -> Net:
    module = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 2)).double()
    weight = torch.randn(2, SIZE * SIZE, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    module[1].weight.data, module[1].bias.data = weight - weight.mean(1, keepdim=True), torch.zeros(2).double()
    return Net(module, channels=1, size=SIZE, classes=2).double()


def inner(count: int) -> Tensor:
    """Images whose way to the boundary leads through no limit of a pixel."""
    made = torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    return 0.35 + 0.3 * made


@pytest.mark.parametrize(
    ("method", "norm", "steps", "within"),
    [("hop_skip_jump", 2.0, 25, 1.05), ("hop_skip_jump", math.inf, 40, 1.1), ("boundary", 2.0, 1200, 1.1)],
)
def test_on_a_linear_net_the_nearest_image_found_is_the_exact_one_nearly(
    method: str, norm: float, steps: int, within: float
) -> None:
    net, x = linear_net(), inner(6)
    y = net(x).argmax(1)
    weight = net.module[1].weight.detach().view(2, 1, SIZE, SIZE).numpy()
    exact = torch.tensor(
        [distance_to_plane(x[k].numpy(), weight, torch.zeros(2).numpy(), int(y[k]), norm) for k in range(6)]
    )
    found = attack(net, x, y, method=method, norm=norm, steps=steps)
    assert found.success.all()
    away = found.distances["inf" if math.isinf(norm) else "2"]
    assert bool((away >= exact - 1e-12).all())
    assert float((away / exact).max()) < within
    assert found.passes["backward"] == 0


def test_nothing_but_decisions_reaches_the_search() -> None:
    """Nets with the same decisions and other scores are attacked alike, to the last bit."""
    results = []
    for bend in (lambda z: z, lambda z: 1e-3 * z, lambda z: z.sign() * z.abs().sqrt()):
        linear = linear_net().module
        module = nn.Sequential(linear, Bent(bend))
        net = Net(module, channels=1, size=SIZE, classes=2).double()
        x = inner(4)
        results.append(attack(net, x, net(x).argmax(1), method="hop_skip_jump", norm=2, steps=3).images)
        results[-1] = torch.cat(
            [results[-1], attack(net, x, net(x).argmax(1), method="boundary", norm=2, steps=30).images]
        )
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


class Bent(nn.Module):
    def __init__(self, bend: object) -> None:
        super().__init__()
        self.bend = bend

    def forward(self, logits: Tensor) -> Tensor:
        return self.bend(logits)


def test_a_goal_that_no_noise_reaches_gives_the_image_back_unharmed() -> None:
    net, x = linear_net(), inner(2)
    never = Goal("never", lambda seen: torch.zeros(len(seen.images), dtype=torch.bool), frozenset())
    for search in (HopSkipJump(), BoundaryWalk()):
        found = solve(net, decision(never), start=x, search=search, steps=3, goal=never, keep=Nearest(2.0))
        assert not found.success.any()
        assert found.passes["forward"] <= 2 * 101


def test_noise_of_one_class_is_overcome_by_coarser_noise() -> None:
    """Fine noise never has a dark left half; blocks of half the image do."""
    net = Net(nn.Flatten(), channels=1, size=16)
    x = torch.full((3, 1, 16, 16), 0.9, dtype=torch.float64)

    def dark(seen: Seen) -> Tensor:
        return seen.images[:, :, :, :8].flatten(1).mean(1) < 0.25

    goal = Goal("dark on the left", dark, frozenset())
    found = solve(net, decision(goal), start=x, search=HopSkipJump(), steps=2, goal=goal, keep=Nearest(2.0))
    assert found.success.all()


def test_a_step_along_the_sphere_keeps_the_distance_and_a_pull_sets_it() -> None:
    start, here = inner(4), inner(8)[4:]
    drawn = torch.randn(here.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    length = torch.tensor([0.01, 0.1, 0.5, 1.0], dtype=torch.float64)
    turned = around(start, here, drawn, length)
    torch.testing.assert_close(norm_of(turned - start, 2), norm_of(here - start, 2))
    cosine = ((turned - start) * (here - start)).flatten(1).sum(1) / norm_of(here - start, 2).square()
    torch.testing.assert_close(cosine, 1 / (1 + length.square()).sqrt())
    near = pulled(start, here, turned, length)
    torch.testing.assert_close(norm_of(near - start, 2), (1 - length) * norm_of(here - start, 2))


@pytest.mark.parametrize("norm", [2.0, math.inf])
def test_between_is_at_its_share_of_the_distance(norm: float) -> None:
    start, z = inner(4), inner(8)[4:]
    share = torch.tensor([0.0, 0.3, 0.8, 1.0], dtype=torch.float64)
    torch.testing.assert_close(norm_of(between(start, z, share, norm) - start, norm), share * norm_of(z - start, norm))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: HopSkipJump(1.0), "norm is 1"),
        (lambda: HopSkipJump(samples=0), "samples is 0"),
        (lambda: BoundaryWalk(sphere=0.0), "length sphere is 0"),
        (lambda: BoundaryWalk(towards=1.0), "length towards is 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(make: object, said: str) -> None:
    with pytest.raises(StriateError, match=said):
        make()


def test_the_normal_weighs_each_neighbour_by_its_decision_less_the_mean() -> None:
    directions = torch.randn(3, 7, 1, 2, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    decisions = torch.tensor([[1, 1, -1, 1, 1, -1, 1], [1] * 7, [-1] * 7], dtype=torch.float64)
    given = torch.einsum("np,np...->n...", decisions, directions)
    normal = less_mean(given, directions.sum(1), decisions.mean(1))
    exact = sum((decisions[0, b] - 3 / 7) * directions[0, b] for b in range(7))
    torch.testing.assert_close(normal[0], exact)
    torch.testing.assert_close(normal[1], directions[1].sum(0))
    torch.testing.assert_close(normal[2], -directions[2].sum(0))


@dataclass(frozen=True)
class Together:
    """Asks for all candidates of all rows in one call."""

    candidates: Tensor
    rows: Tensor
    words: str = "together"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        problem.ask_each(self.candidates, self.rows)
        yield problem.start


@pytest.mark.parametrize("keep", ["nearest", "first", "best"])
def test_many_candidates_of_a_row_at_once_leave_what_they_leave_one_by_one(keep: str) -> None:
    net = Net(nn.Flatten(), channels=1, size=SIZE)
    generator = torch.Generator().manual_seed(9)
    x, rows = inner(3), torch.randint(3, (60,), generator=generator)
    candidates = torch.rand(60, 1, SIZE, SIZE, generator=generator, dtype=torch.float64)
    goal = Goal("bright corner", lambda seen: seen.images[:, 0, 0, 0] > 0.7, frozenset())
    score = Term("middle", lambda seen: seen.images[:, 0, 3, 3])
    found = solve(net, score, start=x, search=Together(candidates, rows), steps=1, goal=goal, keep=keep)
    for row in range(3):
        mine = candidates[rows == row]
        reach = mine[mine[:, 0, 0, 0] > 0.7]
        away = norm_of(reach - x[row], 2.0)
        best = {"nearest": reach[away.argmin()], "first": reach[0], "best": mine[mine[:, 0, 3, 3].argmax()]}[keep]
        assert torch.equal(found.images[row], best)
    assert found.step.tolist() == [0, 0, 0]
