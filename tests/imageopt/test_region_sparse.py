from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.imageopt_projection import (
    nearest_in_ball_and_box,
    nearest_in_l0_and_box,
    nearest_in_l1_and_box,
    nearest_in_two_balls_and_box,
)
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Ball, Box, Intersection, Mask, Region


def every(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(x))


def some_images(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    images[images < 0.2] = 0.0
    images[images > 0.8] = 1.0
    return images


def pushed(images: torch.Tensor, seed: int, far: float = 1.0) -> torch.Tensor:
    return images + far * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)


@pytest.mark.parametrize("radius", [0.0, 0.05, 0.4, 1.5, 4.0, 50.0])
def test_l1_projection_into_the_box_is_the_nearest_point_that_scipy_finds(radius: float) -> None:
    start = some_images(3, 5, 1, 3, 4, dtype=torch.float64)
    x = pushed(start, 4)
    ours = (Ball(start, radius, 1.0) & Box()).project(x, every(start)).flatten(1).numpy()
    for row in range(len(start)):
        theirs = nearest_in_l1_and_box(x[row].flatten().numpy(), start[row].flatten().numpy(), radius)
        np.testing.assert_allclose(ours[row], theirs, atol=2e-5)


def test_l1_projection_without_a_box_is_soft_thresholding() -> None:
    """Of (3, -2, 0.5) onto the ball of radius 2 about 0: the threshold is 1.5."""
    centre, x = torch.zeros(1, 1, 1, 3).double(), torch.tensor([[[[3.0, -2.0, 0.5]]]]).double()
    ours = Ball(centre, 2.0, 1.0).project(x, torch.tensor([0]))
    torch.testing.assert_close(ours, torch.tensor([[[[1.5, -0.5, 0.0]]]]).double(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 9])
def test_l0_projection_into_the_box_beats_every_other_choice_of_pixels(count: int) -> None:
    start = some_images(5, 6, 2, 2, 3, dtype=torch.float64)
    x = pushed(start, 6)
    for values, channels in ((False, 2), (True, 1)):
        region = Ball(start, count, 0.0, values=values) & Box()
        ours = region.project(x, every(start))
        assert bool(region.contains(ours, every(start)).all())
        for row in range(len(start)):
            flat, centre = (each[row].reshape(channels, -1).numpy() for each in (x, start))
            gained = float((ours[row] - x[row]).square().sum())
            assert gained == pytest.approx(nearest_in_l0_and_box(flat, centre, count), abs=1e-12)


def test_l0_counts_pixels_or_values_as_it_says() -> None:
    start = torch.full((1, 3, 2, 2), 0.5)
    changed = start.clone()
    changed[0, :, 1, 1] = 0.7
    row = torch.tensor([0])
    assert Ball(start, 1, 0.0).words == "L0 ball of radius 1 pixels"
    assert bool(Ball(start, 1, 0.0).contains(changed, row))
    assert not bool(Ball(start, 2, 0.0, values=True).contains(changed, row))
    assert bool(Ball(start, 3, 0.0, values=True).contains(changed, row))
    assert Ball(start, 1, 0.0).project(changed, row).equal(changed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    radius=st.one_of(st.floats(0, 40), st.integers(0, 255).map(lambda level: level / 255), st.floats(0, 1e-6)),
    norm=st.sampled_from((0.0, 1.0)),
    seed=st.integers(0, 10_000),
    double=st.booleans(),
)
def test_sparse_radii_are_held_in_float64_without_tolerance(
    radius: float, norm: float, seed: int, double: bool
) -> None:
    start = some_images(seed, 3, 3, 5, 5, dtype=torch.float64 if double else torch.float32)
    for region in (Ball(start, radius, norm), Ball(start, radius, norm) & Box()):
        ended = region.project(pushed(start, seed + 1), every(start))
        exact = (ended.double() - start.double()).flatten(1)
        rounded = (ended - start).double().flatten(1)
        if norm == 1:
            assert all(math.fsum(row.abs().tolist()) <= radius for row in (*exact, *rounded))
            assert radius > 10 or float(exact.abs().sum(1).min()) >= radius * (1 - 1e-5) - 1e-6
        else:
            assert bool(((ended != start).any(1).flatten(1).sum(1) <= radius).all())
        assert bool(region.contains(ended, every(start)).all())
        torch.testing.assert_close(region.project(ended, every(start)), ended, atol=1e-6, rtol=0)


def test_a_sparse_step_moves_the_share_of_values_that_it_says() -> None:
    """Tramer & Boneh 2019, section 4, by hand: the two largest of ten, at half a unit each; Linf of L0 is 1."""
    grad = torch.tensor([0.1, -0.5, 3.0, 0.0, -2.0, 0.2, 0.3, -0.1, 1.0, 0.4]).view(1, 1, 2, 5)
    start, row = torch.zeros(1, 1, 2, 5), torch.tensor([0])
    two = Ball(start, 1.0, 1.0, share=0.2).steepest(grad, row)
    expected = torch.zeros(10)
    expected[2], expected[4] = 0.5, -0.5
    assert torch.equal(two.flatten(), expected)
    one = Ball(start, 1.0, 1.0).steepest(grad, row).flatten()
    assert one.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    pixels = Ball(start, torch.tensor([2]), 0.0).steepest(grad, row)
    assert torch.equal(pixels.flatten(), 2 * expected)


def test_the_direction_of_l0_attains_its_stated_maximum() -> None:
    """max <g, d> over d in k pixels with values in [-1, 1] is the sum of the k largest pixel sums of |g|."""
    grad = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    start = torch.zeros_like(grad)
    direction = Ball(start, 4, 0.0).steepest(grad, every(grad))
    sums = grad.abs().sum(1).flatten(1).sort(1, descending=True).values[:, :4].sum(1)
    torch.testing.assert_close((grad * direction).flatten(1).sum(1), sums)
    assert direction.ne(0).any(1).flatten(1).sum(1).tolist() == [4] * 4


@pytest.mark.parametrize("norm", [0.0, 1.0])
def test_random_points_of_sparse_balls_belong_to_their_image(norm: float) -> None:
    start = torch.full((40, 3, 4, 4), 0.5)
    region, ids = Ball(start, 3.0, norm) & Box(), torch.arange(40)
    points = region.sample(start, every(start), ids=ids, rng=Rng(3))
    assert bool(region.contains(points, every(start)).all())
    alone = region.sample(start[7:8], torch.tensor([7]), ids=ids, rng=Rng(3))
    assert torch.equal(alone[0], points[7])
    if norm == 1:  # uniform in the ball of 48 dimensions: the mean length is 48 / 49 of the radius
        lengths = (points - start).flatten(1).abs().sum(1)
        assert float(lengths.mean()) == pytest.approx(3 * 48 / 49, rel=0.02)
    else:
        assert (points != start).any(1).flatten(1).sum(1).tolist() == [3] * 40


@pytest.mark.parametrize("norm", [0.0, 1.0, 2.0, math.inf])
def test_only_masked_values_change_and_the_projection_is_the_nearest(norm: float) -> None:
    start = some_images(8, 4, 1, 2, 4, dtype=torch.float64)
    x = pushed(start, 9)
    free = torch.tensor([True, False, True, True, False, True, False, False]).view(1, 1, 2, 4)
    radius = 2.0 if norm == 0 else 0.4
    region = Mask(start, free, Ball(start, radius, norm) & Box())
    ours = region.project(x, every(start))
    assert bool(region.contains(ours, every(start)).all())
    assert torch.equal(ours[~free.expand_as(ours)], start[~free.expand_as(start)])
    for row in range(len(start)):
        inside, centre = x[row][free[0]].numpy(), start[row][free[0]].numpy()
        mine = ours[row][free[0]].numpy()
        if norm == 0:
            gained = float(((mine - inside) ** 2).sum())
            assert gained == pytest.approx(nearest_in_l0_and_box(inside[None], centre[None], 2))
        elif norm == 1:
            np.testing.assert_allclose(mine, nearest_in_l1_and_box(inside, centre, radius), atol=2e-5)
        else:
            np.testing.assert_allclose(mine, nearest_in_ball_and_box(inside, centre, radius, norm), atol=2e-5)


def test_a_mask_keeps_gradients_and_random_points_to_itself() -> None:
    start = torch.full((3, 2, 3, 3), 0.5)
    free = torch.zeros(3, 1, 3, 3, dtype=torch.bool)
    free[:, :, 0] = True
    region = Mask(start, free)
    grad = torch.ones_like(start)
    assert torch.equal(region.steepest(grad, every(start)), free.expand_as(start).float())
    points = region.sample(start, every(start), ids=torch.arange(3), rng=Rng(0))
    assert bool(region.contains(points, every(start)).all())
    assert bool((points != start).eq(free).all())
    assert region.words == "[0, 1], only 33.3 % of the values free"
    swapped = region.project(torch.zeros(1, 2, 3, 3), torch.tensor([2]))
    assert bool((swapped == 0).eq(free[2:]).all())


def test_alternating_projections_find_scipys_nearest_point_of_two_balls() -> None:
    start = some_images(2, 5, 1, 3, 3, dtype=torch.float64) * 0.8 + 0.1
    x = pushed(start, 3)
    region = Intersection((Ball(start, 0.5, 2.0) & Box(), Ball(start, 0.25)), start, tolerance=1e-9)
    ours = region.project(x, every(start))
    assert bool(region.contains(ours, every(start)).all())
    assert float(region.residual(x, every(start)).max()) < 1e-6
    for row in range(len(start)):
        theirs = nearest_in_two_balls_and_box(x[row].flatten().numpy(), start[row].flatten().numpy(), 0.5, 0.25)
        np.testing.assert_allclose(ours[row].flatten().numpy(), theirs, atol=2e-5)


def test_alternating_projections_end_inside_in_float32_and_image_by_image() -> None:
    start = some_images(4, 12, 3, 8, 8)
    region = Intersection((Ball(start, 0.9, 2.0) & Box(), Ball(start, 0.1), Ball(start, 8.0, 1.0)), start)
    x = pushed(start, 5)
    ours = region.project(x, every(start))
    for order, radius in ((2, 0.9), (math.inf, 0.1), (1, 8.0)):
        lengths = np.linalg.norm((ours.double() - start.double()).flatten(1).numpy(), ord=order, axis=1)
        assert (lengths <= radius).all()
    assert float(region.residual(x, every(start)).max()) < 1e-4
    torch.testing.assert_close(region.project(x[3:4], torch.tensor([3])), ours[3:4], atol=1e-6, rtol=0)
    points = region.sample(x, every(start), ids=torch.arange(12), rng=Rng(1))
    assert bool(region.contains(points, every(start)).all())


def region_of(kind: str) -> Region:
    images = torch.rand(2, 1, 3, 3)
    ball = Ball(images, 0.1)
    return {
        "share": lambda: Ball(images, 0.1, 1.0, share=2.0),
        "values": lambda: Ball(images, 0.1, 2.0, values=True),
        "mask dtype": lambda: Mask(images, torch.ones(2, 1, 3, 3)),
        "mask shape": lambda: Mask(images, torch.ones(2, 1, 3, 2, dtype=torch.bool)),
        "mask centre": lambda: Mask(images + 0.1, torch.ones(2, 1, 3, 3, dtype=torch.bool), ball),
        "mask box": lambda: Mask(images + 2, torch.ones(2, 1, 3, 3, dtype=torch.bool)),
        "one": lambda: Intersection((ball,), images),
        "l0": lambda: Intersection((ball, Ball(images, 2, 0.0)), images),
        "inner": lambda: Intersection((ball, Box()), images + 0.5),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("share", "share is 2"),
        ("values", "values are counted in an L2 ball"),
        ("mask dtype", "mask is torch.float32"),
        ("mask shape", r"mask is torch.bool \(2, 1, 3, 2\)"),
        ("mask centre", "not the ball's centre"),
        ("mask box", r"outside of \[0, 1\]"),
        ("one", "an intersection of 1"),
        ("l0", "an intersection with the L0 ball"),
        ("inner", "inner image 0 is outside of Linf ball"),
    ],
)
def test_what_is_no_region_is_refused_with_its_value(kind: str, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        region_of(kind)
