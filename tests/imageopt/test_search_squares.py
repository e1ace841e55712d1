from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import imageopt_squares as slow
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.found import Found
from striate.imageopt.objective import Term
from striate.imageopt.problem import Search
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.squares import Squares, SquaresL2, bump_of, side_at
from striate.imageopt.solve import solve
from striate.nets.net import Net

SHAPE = (3, 11, 13)
IDS = torch.tensor([7, -3, 2**40])
STEPS = 150
RNG = Rng(4, "imageopt/squares")


def images(seed: int = 1) -> Tensor:
    made = torch.rand(len(IDS), *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made.mul(1.4).sub(0.2).clamp(0, 1)  # some at the edges of the box


WEIGHT = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def wavy(x: Tensor) -> Tensor:
    return ((6 * x + WEIGHT).sin() * WEIGHT).flatten(1).sum(1)


def run(search: Search, norm: float, radius: float) -> Found:
    x = images()
    net = Net(nn.Flatten(), channels=3, size=SHAPE[1:])
    objective = Term("wavy", lambda seen: wavy(seen.images))
    ball = Ball(x, radius, norm) & Box()
    return solve(net, objective, start=x, search=search, steps=STEPS, within=ball, seed=4, ids=IDS)


def drawn(count: int, row: int) -> np.ndarray:
    """Uniform numbers of each step, drawn for 64 steps at once."""
    blocks = [RNG.uniform(IDS, (64, count), step=block)[row] for block in range(math.ceil(STEPS / 64))]
    return torch.cat(blocks).double().numpy()


def one_by_one(image: np.ndarray) -> float:
    return float(wavy(torch.from_numpy(image)[None])[0])


def test_squares_are_those_of_a_loop_over_pixels() -> None:
    found = run(Squares(0.8), math.inf, 0.07)
    stripes = RNG.child("stripes").uniform(IDS, (3, 1, 13))[:, :, 0].double().numpy()
    for row in range(len(IDS)):
        best, asked = slow.linf(
            images()[row].numpy(),
            one_by_one,
            radius=0.07,
            share=0.8,
            steps=STEPS,
            stripes=stripes[row],
            draws=drawn(5, row),
        )
        np.testing.assert_allclose(found.images[row].numpy(), best, atol=1e-9)
        np.testing.assert_allclose(found.history[:, row].numpy(), asked, atol=1e-7)


def test_windows_that_move_an_l2_change_are_those_of_a_loop_over_windows() -> None:
    found = run(SquaresL2(1.5, 0.8), 2.0, 1.5)
    tiles = RNG.child("tiles").uniform(IDS, (30, 4)).double().numpy()
    for row in range(len(IDS)):
        best, asked = slow.l2(
            images()[row].numpy(),
            one_by_one,
            radius=1.5,
            share=0.8,
            steps=STEPS,
            tiles=tiles[row],
            draws=drawn(8, row),
        )
        np.testing.assert_allclose(found.images[row].numpy(), best, atol=1e-8)
        np.testing.assert_allclose(found.history[:, row].numpy(), asked, atol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8, 13, 20])
def test_bumps_are_those_of_equation_2(side: int) -> None:
    np.testing.assert_allclose(bump_of(side).numpy(), slow.double_bump(side), atol=1e-12)
    assert float(bump_of(side).square().sum()) == pytest.approx(1, abs=1e-12)


def test_a_linear_score_is_raised_to_what_the_ball_holds() -> None:
    """On sum(w x) the optimum in Linf is known: every pixel at its edge. Squares of one pixel get there."""
    x = torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64)
    weight = torch.linspace(-1, 1, 16, dtype=torch.float64).view(1, 4, 4)
    net = Net(nn.Flatten(), channels=1, size=4)
    objective = Term("linear", lambda seen: (weight * seen.images).flatten(1).sum(1))
    ball = Ball(x, 0.1, math.inf) & Box()
    found = solve(net, objective, start=x, search=Squares(), steps=600, within=ball)
    assert float(found.scores[0]) == pytest.approx(0.1 * float(weight.abs().sum()), rel=1e-6)


def test_a_step_costs_one_forward_pass_and_no_backward() -> None:
    found = run(Squares(), math.inf, 0.07)
    assert found.passes == {"forward": len(IDS) * (STEPS + 1), "backward": 0}


def test_squares_shrink_as_in_the_papers_code() -> None:
    sides = [side_at(step, 10_000, 0.8, 28 * 28) for step in (0, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)]
    assert sides == [25, 25, 18, 13, 9, 6, 4, 3, 2, 2, 1]
    assert side_at(6, 5000, 0.8, 28 * 28) == 18  # step 6 of 5,000 is step 12 of 10,000


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(StriateError, match="share of the first square"):
        Squares(share)
    with pytest.raises(StriateError, match="share of the first square"):
        SquaresL2(1.0, share)
