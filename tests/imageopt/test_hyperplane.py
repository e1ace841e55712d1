from __future__ import annotations

import math

import pytest
import torch

from oracles.attack_nearest import length, smallest_step
from striate.core.errors import StriateError
from striate.imageopt.region import step_to_hyperplane

NORMS = (1.0, 2.0, math.inf)


def case(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points of the box, some at its edges, normals with some zeros, and gaps of which the last few are too wide."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand(8, 1, 3, 4, generator=draw, dtype=torch.float64)
    x[x < 0.2], x[x > 0.8] = 0.0, 1.0
    normal = torch.randn(8, 1, 3, 4, generator=draw, dtype=torch.float64)
    normal[normal.abs() < 0.2] = 0.0
    furthest = torch.where(normal > 0, (1 - x) * normal, -x * normal).flatten(1).sum(1)
    share = torch.tensor([0.001, 0.1, 0.3, 0.5, 0.8, 0.99, 1.0, 1.5], dtype=torch.float64)
    return x, normal, share * furthest


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_step_is_the_shortest_that_a_solver_finds(norm: float, sign: float) -> None:
    x, normal, gap = case(int(2 + sign))
    step = step_to_hyperplane(x, sign * normal, sign * gap, norm)
    ended = x + step
    assert float(ended.min()) >= -1e-15
    assert float(ended.max()) <= 1 + 1e-15
    for row in range(6):
        gained = float((step[row] * normal[row]).sum())
        assert gained == pytest.approx(float(gap[row]), rel=1e-9)
        exact = smallest_step(
            x[row].flatten().numpy(), normal[row].flatten().numpy()[None], gap[row : row + 1].numpy(), norm
        )
        assert length(step[row].numpy(), norm) == pytest.approx(length(exact, norm), rel=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_where_the_box_misses_the_hyperplane_the_step_ends_in_its_nearest_corner(norm: float) -> None:
    x, normal, gap = case(5)
    step = step_to_hyperplane(x, normal, gap, norm)
    corner = torch.where(normal > 0, 1.0, torch.where(normal < 0, 0.0, x))
    torch.testing.assert_close((x + step)[6:], corner[6:], atol=1e-9, rtol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_no_gap_and_no_normal_take_no_step(norm: float) -> None:
    x, normal, gap = case(6)
    assert not bool(step_to_hyperplane(x, normal, 0 * gap, norm).any())
    assert not bool(step_to_hyperplane(x, 0 * normal, gap, norm).any())


def test_a_norm_without_lengths_of_directions_is_refused() -> None:
    x, normal, gap = case(7)
    with pytest.raises(StriateError, match="norm is 0"):
        step_to_hyperplane(x, normal, gap, 0.0)
