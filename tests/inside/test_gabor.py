from __future__ import annotations

import math

import pytest
import torch

from striate.core.rng import Rng
from striate.inside.units.gabor import fit_gabors


def gabor(side, *, centre=(0.4, -0.6), sigma=(2.1, 1.5), angle=0.7, frequency=0.17, phase=0.9, colour=(1.0,)):
    """One filter written out from its definition."""
    values = []
    for strength in colour:
        plane = []
        for row in range(side):
            for column in range(side):
                y, x = row - (side - 1) / 2 - centre[0], column - (side - 1) / 2 - centre[1]
                u = x * math.cos(angle) + y * math.sin(angle)
                v = y * math.cos(angle) - x * math.sin(angle)
                size = math.exp(-0.5 * ((u / sigma[0]) ** 2 + (v / sigma[1]) ** 2))
                plane.append(strength * size * math.cos(2 * math.pi * frequency * u + phase))
        values.append(torch.tensor(plane, dtype=torch.float64).view(side, side))
    return torch.stack(values)


def test_a_gabor_function_is_found_again_with_its_numbers() -> None:
    shapes = [
        {"colour": (0.2, -1.0, 0.5)},
        {"colour": (1.0, 1.0, 1.0), "angle": 2.2, "frequency": 0.1, "phase": -1.2, "sigma": (1.6, 2.6)},
    ]
    fits = fit_gabors(torch.stack([gabor(9, **each) for each in shapes]))
    assert bool((fits.r2 > 0.995).all())
    assert fits.angle[0] == pytest.approx(0.7, abs=0.05)
    assert fits.frequency.tolist() == pytest.approx([0.17, 0.1], abs=0.02)
    assert fits.colour[0].tolist() == pytest.approx([-0.2, 1.0, -0.5], abs=0.02)


def test_the_fit_is_what_its_numbers_say() -> None:
    weight = gabor(9, colour=(0.2, -1.0, 0.5))[None] + 0.1 * Rng(0, "noise").normal(torch.arange(1), (3, 9, 9)).double()
    fits = fit_gabors(weight)
    made = gabor(
        9, centre=fits.centre[0].tolist(), sigma=fits.sigma[0].tolist(), angle=float(shape_angle(fits)),
        frequency=float(fits.frequency[0]), phase=float(fits.phase[0]), colour=fits.colour[0].tolist(),
    )  # fmt: skip
    scale = float((made * fits.fitted[0]).sum() / made.square().sum())
    assert torch.allclose(scale * made, fits.fitted[0], atol=1e-6)
    error = (weight[0] - fits.fitted[0]).square().sum() / (weight[0] - weight[0].mean()).square().sum()
    assert float(fits.r2[0]) == pytest.approx(1 - float(error), abs=1e-12)


def shape_angle(fits):
    return fits.angle[0]


def test_noise_is_no_gabor_function() -> None:
    noise = Rng(0, "noise").normal(torch.arange(8), (3, 11, 11))
    assert float(fit_gabors(noise).r2.max()) < 0.35
    assert float(fit_gabors(torch.zeros(1, 3, 5, 5)).r2[0]) == 0.0
