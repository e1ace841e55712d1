from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.imageopt_projection import dual_norm, nearest_by_bisection, nearest_in_ball_and_box
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Ball, Box, steepest_direction

NORMS = (2.0, math.inf)
RADII = (0.0, 1e-9, 0.007, 1 / 255, 8 / 255, 0.1, 0.2, 0.5, 1.0, 3.0, 12.5)


def rows_of(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(x))


def some_images(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Pixels with many exact zeros and ones, as real images have."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    images[images < 0.2] = 0.0
    images[images > 0.8] = 1.0
    return images


def pushed(images: torch.Tensor, seed: int, far: float = 1.0) -> torch.Tensor:
    return images + far * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", RADII)
def test_float32_projection_holds_its_radius_in_float64_without_tolerance(norm: float, radius: float) -> None:
    start = some_images(1, 40, 3, 12, 12)
    region = Ball(start, radius, norm) & Box()
    for far in (1e-3, 0.1, 1.0, 100.0):
        ended = region.project(pushed(start, 2, far), rows_of(start))
        exact = np.linalg.norm((ended.double() - start.double()).flatten(1).numpy(), ord=norm, axis=1)
        rounded = np.linalg.norm((ended - start).double().flatten(1).numpy(), ord=norm, axis=1)
        assert (exact <= radius).all()
        assert (rounded <= radius).all()
        assert float(ended.min()) >= 0
        assert float(ended.max()) <= 1
        assert bool(region.contains(ended, rows_of(start)).all())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    radius=st.one_of(st.floats(0, 4), st.integers(0, 255).map(lambda level: level / 255), st.floats(0, 1e-6)),
    norm=st.sampled_from(NORMS),
    seed=st.integers(0, 10_000),
    double=st.booleans(),
)
def test_any_radius_is_held_and_nearly_used_up(radius: float, norm: float, seed: int, double: bool) -> None:
    start = some_images(seed, 3, 1, 5, 5, dtype=torch.float64 if double else torch.float32)
    region = Ball(start, radius, norm) & Box()
    ended = region.project(pushed(start, seed + 1), rows_of(start))
    away = np.linalg.norm((ended.double() - start.double()).flatten(1).numpy(), ord=norm, axis=1)
    assert (away <= radius).all()
    if not double:
        wide = region.project(pushed(start, seed + 1).double().float(), rows_of(start))
        assert torch.equal(ended, wide)
    if norm == 2 and 0.01 < radius < 0.3:
        assert (away >= radius * (1 - 1e-5)).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", [0.0, 0.05, 0.4, 1.5])
def test_projection_is_the_nearest_point_that_scipy_finds(norm: float, radius: float) -> None:
    start = some_images(3, 6, 1, 3, 4, dtype=torch.float64)
    x = pushed(start, 4)
    region = Ball(start, radius, norm) & Box()
    ours = region.project(x, rows_of(start)).flatten(1).numpy()
    for row in range(len(start)):
        theirs = nearest_in_ball_and_box(x[row].flatten().numpy(), start[row].flatten().numpy(), radius, norm)
        np.testing.assert_allclose(ours[row], theirs, atol=1e-5)


@pytest.mark.parametrize("radius", [0.01, 0.3, 1.0, 2.0, 20.0])
def test_l2_projection_into_the_box_equals_bisection_of_its_multiplier(radius: float) -> None:
    start = some_images(5, 8, 3, 8, 8, dtype=torch.float64)
    x = pushed(start, 6, 2.0)
    ours = (Ball(start, radius, 2.0) & Box()).project(x, rows_of(start)).flatten(1).numpy()
    for row in range(len(start)):
        exact = nearest_by_bisection(x[row].flatten().numpy(), start[row].flatten().numpy(), radius)
        np.testing.assert_allclose(ours[row], exact, atol=1e-9)


def test_clamping_a_scaled_difference_is_not_the_projection() -> None:
    centre, x = torch.tensor([[[[0.0, 0.5]]]]).double(), torch.tensor([[[[-3.0, 0.9]]]]).double()
    ours = (Ball(centre, 0.3, 2.0) & Box()).project(x, torch.tensor([0]))
    scaled = (centre + (x - centre) * 0.3 / (x - centre).norm()).clamp(0, 1)
    assert float((ours - x).norm()) < float((scaled - x).norm()) - 0.015
    torch.testing.assert_close(ours, torch.tensor([[[[0.0, 0.8]]]]).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_a_projected_image_stays_and_a_point_inside_is_left_alone(norm: float) -> None:
    start = some_images(7, 10, 1, 6, 6)
    region = Ball(start, 0.25, norm) & Box()
    once = region.project(pushed(start, 8), rows_of(start))
    torch.testing.assert_close(region.project(once, rows_of(start)), once, atol=2e-7, rtol=0)
    inside = start + 0.2 * (once - start)
    torch.testing.assert_close(region.project(inside, rows_of(start)), inside, atol=1e-7, rtol=0)


@pytest.mark.parametrize("norm", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_steepest_direction_has_length_one_and_attains_the_dual_norm(norm: float, scale: float) -> None:
    grad = scale * torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    direction = steepest_direction(grad, norm)
    for row in range(5):
        g, d = grad[row].flatten().numpy(), direction[row].flatten().numpy()
        assert np.linalg.norm(d, norm) == pytest.approx(1)
        assert g @ d == pytest.approx(dual_norm(g, norm))


def test_a_gradient_that_is_zero_has_no_direction() -> None:
    for norm in (1.0, 2.0, math.inf):
        assert not bool(steepest_direction(torch.zeros(2, 1, 3, 3), norm).any())


@pytest.mark.parametrize("norm", NORMS)
def test_random_points_are_inside_fill_the_ball_and_belong_to_their_image(norm: float) -> None:
    start = torch.full((50, 1, 6, 6), 0.5)
    region, ids = Ball(start, 0.1, norm) & Box(), torch.arange(50)
    points = region.sample(start, rows_of(start), ids=ids, rng=Rng(3))
    assert bool(region.contains(points, rows_of(start)).all())
    away = (points - start).flatten(1).norm(dim=1, p=norm)
    assert float(away.max()) > 0.09
    alone = region.sample(start[7:8], torch.tensor([7]), ids=ids, rng=Rng(3))
    torch.testing.assert_close(alone[0], points[7], rtol=0, atol=0)
    assert not torch.equal(points, region.sample(start, rows_of(start), ids=ids, rng=Rng(4)))


def test_every_row_has_its_own_radius() -> None:
    start = torch.full((3, 1, 4, 4), 0.5)
    for norm in NORMS:
        region = Ball(start, torch.tensor([0.0, 0.1, 0.4]), norm) & Box()
        ended = region.project(start + 0.5, rows_of(start))
        away = (ended.double() - start.double()).flatten(1).norm(dim=1, p=norm)
        torch.testing.assert_close(away, torch.tensor([0.0, 0.1, 0.4]).double(), atol=1e-6, rtol=0)
        swapped = region.project(start[:2] + 0.5, torch.tensor([2, 0]))
        torch.testing.assert_close(swapped, ended[[2, 0]], rtol=0, atol=0)


def test_contains_has_no_tolerance() -> None:
    start = torch.zeros(1, 1, 1, 1)
    just_over = torch.nextafter(torch.tensor(0.1), torch.tensor(1.0)).view(1, 1, 1, 1)
    assert not bool(Ball(start, 0.1).contains(just_over, torch.tensor([0])))
    assert not bool(Box().contains(torch.full((1, 1, 1, 1), 1.0000001), torch.tensor([0])))


def test_what_is_no_region_is_refused_with_its_value() -> None:
    images = torch.rand(2, 1, 3, 3)
    with pytest.raises(StriateError, match="radius is -1"):
        Ball(images, -1.0)
    with pytest.raises(StriateError, match="norm of the ball is 3"):
        Ball(images, 0.1, 3.0)
    with pytest.raises(StriateError, match=r"image 1 has values from .* to 7"):
        Ball(images.index_fill(0, torch.tensor([1]), 7.0), 0.1) & Box()
    with pytest.raises(StriateError, match="low below high"):
        Box(1.0, 0.0)
