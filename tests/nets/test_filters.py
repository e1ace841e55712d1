"""Filters made by hand: what each does to a ramp, a dot, a wave; and the net of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.own.filters import bank_of, gabor, gaussian, laplacian, laplacian_of_gaussian, sobel
from striate.nets.summary import first_filters


def test_gaussians_and_their_laplacians_are_those_of_scipy() -> None:
    from scipy.ndimage import gaussian_filter, gaussian_laplace

    dot = np.zeros((41, 41))
    dot[20, 20] = 1
    for sigma in (1.0, 2.0):
        ours = gaussian(sigma, side=41).double().numpy()
        assert np.allclose(ours, gaussian_filter(dot, sigma, truncate=8), atol=1e-6)
        bent = laplacian_of_gaussian(sigma, side=41).double().numpy()
        assert np.allclose(bent, gaussian_laplace(dot, sigma, truncate=8), atol=2e-3 / sigma**4)


def test_sobel_gives_the_slope_of_a_ramp_and_the_laplacian_its_curvature() -> None:
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    plane = (2 * columns - 3 * rows)[None, None]
    right, down = (F.conv2d(plane, each[None, None]) for each in sobel())
    assert torch.allclose(right, torch.full_like(right, 2.0))
    assert torch.allclose(down, torch.full_like(down, -3.0))
    bowl = (rows**2 + 2 * columns**2)[None, None]
    found = F.conv2d(bowl, laplacian()[None, None])
    assert torch.allclose(found, torch.full_like(found, 6.0))


def test_a_gabor_filter_has_no_mean_and_answers_its_own_wave_most() -> None:
    bank = bank_of("gabor")
    assert torch.allclose(bank.kernels.sum((1, 2)), torch.zeros(32), atol=1e-6)
    assert torch.allclose(bank.kernels.abs().sum((1, 2)), torch.ones(32), atol=1e-5)
    even = gabor(15, sigma=2.0, frequency=0.2, angle=0.7, phase=0.0)
    assert torch.allclose(even, even.flip(0, 1), atol=1e-7)


def test_a_complex_cell_answers_a_wave_whatever_its_phase() -> None:
    net = load_net("striate/filters.random", channels=1, size=48)
    columns = torch.arange(48.0).expand(48, 48)
    waves = torch.stack([0.5 + 0.25 * torch.cos(2 * math.pi * 0.22 * columns + phase) for phase in (0.0, 1.0, 2.0)])
    with net.look(read=("simple", "complex")) as look:
        seen = look(waves[:, None])
    middle = (slice(None), slice(None), slice(16, 32), slice(16, 32))
    energy, single = seen["complex"][middle], seen["simple"][middle]
    assert int(energy.mean((0, 2, 3)).argmax()) == 0
    assert float(energy[:, 0].std() / energy[:, 0].mean()) < 0.1
    assert float(single[:, 0].std() / single[:, 0].abs().mean()) > 0.5


@pytest.mark.parametrize("bank", ["gabor", "sobel", "gaussian", "laplacian", "log"])
def test_only_the_last_layer_learns(bank: str) -> None:
    net = load_net(f"striate/filters+bank={bank}.random", channels=3, size=32)
    assert [name for name, _ in net.module.named_parameters()] == ["linear.weight", "linear.bias"]
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    found = first_filters(net)
    assert found is not None
    assert torch.allclose(found[1].sum(1), bank_of(bank).kernels, atol=1e-6)


def test_an_unknown_bank_is_refused() -> None:
    with pytest.raises(StriateError, match="bank"):
        load_net("striate/filters+bank=gabbor.random")
