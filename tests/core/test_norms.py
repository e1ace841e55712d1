"""Norms of images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import StriateError
from striate.core.norms import dual, norm_of, parse_norm

IMAGES = torch.rand(5, 3, 7, 6, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize("order", [1, 2, math.inf])
def test_norms_of_each_image_are_those_of_numpy(order: float) -> None:
    expected = [np.linalg.norm(image.double().numpy().ravel(), order) for image in IMAGES]
    assert norm_of(IMAGES, order).tolist() == pytest.approx(expected, rel=1e-14)


def test_l0_counts_pixels_and_not_channel_values() -> None:
    images = torch.zeros(2, 3, 4, 4)
    images[0, :, 1, 1] = 0.5
    images[0, 1, 2, 2] = -0.1
    images[1, 2, 0, 0] = 1e-30
    assert norm_of(images, 0).tolist() == [2, 1]


def test_norms_are_summed_in_float64() -> None:
    # in float32 the small terms would be lost beside the large one
    image = torch.full((1, 1, 1, 10_001), 1e-4)
    image[0, 0, 0, 0] = 4096.0
    exact = 4096.0 + 10_000 * float(image[0, 0, 0, 1])
    assert norm_of(image, 1).item() == pytest.approx(exact, rel=1e-14)
    assert norm_of(image, 1).dtype == torch.float64


def test_the_lecture_s_l1_norm_is_1_3_and_not_1_4() -> None:
    assert norm_of(torch.tensor([0.2, 0.8, 0.2, 0.1], dtype=torch.float64).view(1, 1, 2, 2), 1).item() == pytest.approx(
        1.3
    )


@pytest.mark.parametrize("order", [0, 1, 2, math.inf])
def test_each_image_is_measured_alone_and_no_image_is_fine(order: float) -> None:
    assert torch.equal(norm_of(IMAGES[3:4], order)[0], norm_of(IMAGES, order)[3])
    assert norm_of(IMAGES[:0], order).shape == (0,)


def test_images_are_not_followed_by_autograd() -> None:
    assert not norm_of(IMAGES.clone().requires_grad_(), 2).requires_grad


@pytest.mark.parametrize(
    ("given_", "order"),
    [
        ("inf", math.inf),
        ("Linf", math.inf),
        (math.inf, math.inf),
        ("l2", 2.0),
        (2, 2.0),
        (2.0, 2.0),
        ("1", 1.0),
        (0, 0),
    ],
)
def test_a_norm_is_found_by_its_usual_names(given_: str | float, order: float) -> None:
    assert parse_norm(given_) == order


@pytest.mark.parametrize("name", ["3", "two", "", "-inf", 0.5])
def test_an_unknown_norm_is_refused_with_its_name(name: str | float) -> None:
    with pytest.raises(StriateError, match=f"norm is {name!r}"):
        parse_norm(name)


def test_a_norm_of_another_order_is_refused() -> None:
    with pytest.raises(StriateError, match="norm is 3"):
        norm_of(IMAGES, 3)
    with pytest.raises(StriateError, match="no dual"):
        dual(0)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_norm_and_its_dual_keep_hoelders_inequality(left: list[float], right: list[float]) -> None:
    x, y = (torch.tensor(values, dtype=torch.float64).view(1, 1, 2, 2) for values in (left, right))
    for order in (1, 2, math.inf):
        assert dual(dual(order)) == order
        assert abs(float((x * y).sum())) <= float(norm_of(x, order) * norm_of(y, dual(order))) + 1e-12
