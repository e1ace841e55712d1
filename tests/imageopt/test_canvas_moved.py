"""Images that are shifted and turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles.imageopt_moves import moved
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.canvas import Moved
from striate.imageopt.region import Ball, Box

SIZE = (7, 10)


def images(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    drawn = torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return drawn.to(dtype)


def points(count: int) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize(("degrees", "share"), [(30.0, 0.1), (170.0, 0.6), (0.0, 0.3), (45.0, 0.0)])
def test_a_moved_image_is_that_of_a_loop_over_its_pixels(degrees: float, share: float) -> None:
    x, z = images(5), points(5)
    painted = Moved(x, degrees, share).paint(z[[3, 1]], torch.tensor([3, 1]))
    for place, row in enumerate([3, 1]):
        right, down = float(z[row, 0]) * share * SIZE[1], float(z[row, 1]) * share * SIZE[0]
        slow = moved(x[row].numpy(), right, down, float(z[row, 2]) * degrees)
        np.testing.assert_allclose(painted[place].numpy(), slow, rtol=0, atol=1e-12)


def test_moves_are_in_pixels_and_degrees_to_the_right_down_and_counter_clockwise() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 7] = 1.0  # right of the middle
    canvas = Moved(x, 90.0, 1 / 9)
    assert canvas.moves(torch.tensor([[1.0, -1.0, 0.5]])).tolist() == [[1.0, -1.0, 45.0]]
    for z, place in (([1.0, 0, 0], (4, 8)), ([0, 1.0, 0], (5, 7)), ([0, 0, 1.0], (1, 4)), ([1.0, 1.0, 1.0], (2, 5))):
        painted = canvas.paint(torch.tensor([z]), torch.tensor([0]))[0, 0]
        assert float(painted[place]) == pytest.approx(1, abs=1e-5)
        assert float(painted.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_move_is_the_image_exactly_beside_others_that_move(dtype: torch.dtype) -> None:
    x = images(3, dtype)
    x[0, :, 2] = 0.0
    canvas = Moved(x)
    z = canvas.start(x, ids=torch.arange(3), rng=Rng(0))
    assert z.shape == (3, 3)
    z[1] = 0.5
    for free in (z, z.clone().requires_grad_()):
        painted = canvas.paint(free, torch.arange(3)).detach()
        assert torch.equal(painted[[0, 2]], x[[0, 2]])
        assert not torch.equal(painted[1], x[1])


def test_gradients_by_the_move_are_exact_and_there_without_a_move() -> None:
    x, z = images(2), 0.3 * points(2)
    canvas, rows = Moved(x), torch.arange(2)
    assert torch.autograd.gradcheck(lambda free: canvas.paint(free, rows), z.requires_grad_())
    still = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(canvas.paint(still, rows)[:, :, 2:5, 2:5].square().sum(), still)
    assert bool((grad != 0).all())


def test_moves_are_held_within_their_limits_and_other_regions_are_refused() -> None:
    x, every = images(2), torch.arange(2)
    held = Moved(x).hold(3 * points(2), Box(), every)
    assert float(held.abs().max()) == 1.0
    with pytest.raises(StriateError, match="cannot be projected onto"):
        Moved(x).hold(points(2), Ball(x, 0.1), every)
    with pytest.raises(StriateError, match=r"moves of up to 200 degrees and 0\.1 of a side; accepted: 0 to 180"):
        Moved(x, 200.0)
