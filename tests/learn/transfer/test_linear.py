"""Linear classifiers of codes against optimality conditions and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oracles import transfer as oracle
from striate.core.errors import StriateError
from striate.learn.transfer.linear import fit_linear, left_out


def made(n: int, d: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    labels = torch.arange(n) % classes
    centres = rng.normal(size=(classes, d))
    return torch.from_numpy(centres[labels.numpy()] + rng.normal(size=(n, d))), labels


@pytest.mark.parametrize(("n", "d"), [(40, 6), (12, 30)])
def test_softmax_regression_is_where_its_gradient_is_zero(n: int, d: int) -> None:
    codes, labels = made(n, d, 3)
    found = fit_linear(codes, labels, 3, kind="softmax", strength=0.01)
    slope = oracle.softmax_gradient(codes.numpy(), labels.numpy(), found.weight.numpy(), found.bias.numpy(), 0.01)
    assert max(float(np.abs(each).max()) for each in slope) < 1e-5


def test_ridge_with_one_image_left_out_is_fitting_without_it() -> None:
    codes, labels = made(18, 5, 3)
    slow = oracle.ridge_left_out(codes.numpy(), labels.numpy(), 3, 0.1)
    assert left_out(codes, labels, 3, penalty=0.1).tolist() == slow.tolist()


@pytest.mark.parametrize("kind", ["softmax", "svm"])
def test_scaled_and_shifted_codes_are_told_apart_alike(kind: str) -> None:
    codes, labels = made(30, 8, 3)
    one = fit_linear(codes, labels, 3, kind=kind)
    other = fit_linear(7 * codes + 3, labels, 3, kind=kind)
    assert torch.allclose(one(codes), other(7 * codes + 3), atol=1e-3)


def test_a_class_without_images_is_refused() -> None:
    codes, labels = made(12, 4, 2)
    with pytest.raises(StriateError, match="2 of 3 classes"):
        fit_linear(codes, labels, 3)
